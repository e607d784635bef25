"""Weights in 8 bits for networks whose time goes into reading them, computed with in single precision."""

from __future__ import annotations

from typing import Any

import numpy as np

LEAST_SIZE = 32
"""Rows and columns from which a matrix is compressed. Smaller ones save nothing."""
LARGEST = 127


def with_int8_weights(network: Any) -> Any:
    """A network whose large matrices are kept in 8 bits, with one scale per row.

    Each row w becomes round(w / s) with s = max |w| / 127, and is multiplied by s where it is used, so sums
    are those of single precision on every processor.

    Args:
        network: An `openvino.Model`, changed in place.
    """
    from openvino import opset13

    for node in network.get_ops():
        if node.get_type_name() != "MatMul" or not node.get_attributes()["transpose_b"]:
            continue
        constant = node.input_value(1).get_node()
        if constant.get_type_name() != "Constant" or min(constant.shape, default=0) < LEAST_SIZE:
            continue
        weights = constant.get_data()
        scale = np.abs(weights).max(axis=1, keepdims=True) / LARGEST
        steps = np.round(weights / np.maximum(scale, 1e-30)).astype(np.int8)
        scaled = opset13.multiply(
            opset13.convert(opset13.constant(steps), "f32"), opset13.constant(scale.astype(np.float32))
        )
        node.input(1).replace_source_output(scaled.output(0))
    network.validate_nodes_and_infer_types()
    return network
