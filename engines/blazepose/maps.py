"""The deepest feature maps inside BlazePose's landmark network, as a network of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engines.errors import EngineError
from engines.runtimes.openvino_engine import read_network


def deep_maps(path: Path, maps: Sequence[tuple[int, int]]) -> Any:
    """Cut the landmark network off behind some of its feature maps.

    Args:
        path: `pose_landmark_full.tflite`.
        maps: Side and channels of each wanted map; of several alike, the last is taken.

    Returns:
        An `openvino.Model` whose outputs are the maps, channels first, in this order.

    Raises:
        EngineError: there is no such map.
    """
    import openvino

    network = read_network(path)
    activations = [op for op in network.get_ordered_ops() if op.get_type_name() == "Clamp"]
    outputs = []
    for side, n_channels in maps:
        shape = openvino.PartialShape([1, n_channels, side, side])
        alike = [op for op in activations if op.output(0).partial_shape == shape]
        if not alike:
            raise EngineError(f"{path}: no feature map of {n_channels} channels of {side}x{side}")
        outputs.append(alike[-1].output(0))
    return openvino.Model(outputs, network.get_parameters(), "blazepose_maps")
