"""Small networks for the tests of engines: a convolutional one with angles, and one that remembers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engines.blazepose.pose_landmark import N_LANDMARKS
from engines.building.network_inputs import NetworkInputs
from engines.features.patches import INPUTS as PATCH_INPUTS
from engines.features.patches import (
    N_PATCHES,
    PATCH_PX,
    cut_patches,
    fill_pixels,
    patch_context,
    patch_rois,
)
from engines.preprocess import Roi
from engines.spec import ModelSpec, TensorSpec, file_sha256

SIDE, N_ANGLES = 16, 5
NAMES = tuple(f"angle_{k}" for k in range(N_ANGLES))
SKELETON_SHA = "5" * 64


def _finish(path: Path, graph: onnx.GraphProto, spec: ModelSpec) -> ModelSpec:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
    spec = replace(spec, sha256=file_sha256(path))
    spec.save(path.with_suffix(".json"))
    return spec


def write_picture_network(path: Path, *, gain: float = 0.1) -> ModelSpec:
    """Bytes, as from a camera, through normalisation and three convolutions to angles."""
    rng = np.random.default_rng(3)

    def constant(name: str, *shape: int, scale: float) -> onnx.TensorProto:
        return numpy_helper.from_array((scale * rng.normal(size=shape)).astype(np.float32), name)

    weights = [
        constant("w1", 8, 3, 3, 3, scale=0.3),
        constant("w2", 8, 8, 3, 3, scale=0.2),
        constant("w3", 8, 8, 3, 3, scale=0.2),
        constant("last", 9, N_ANGLES, scale=gain),
        numpy_helper.from_array(np.float32(1 / 128), "step"),
        numpy_helper.from_array(np.float32(-1.0), "low"),
    ]
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Transpose", ["image"], ["turned"], "turn", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["turned"], ["number"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["number", "step"], ["scaled"], "scale"),
        helper.make_node("Add", ["scaled", "low"], ["x"], "shift"),
        helper.make_node("Conv", ["x", "w1"], ["c1"], "conv1", strides=[2, 2], **conv),
        helper.make_node("Relu", ["c1"], ["a1"], "relu1"),
        helper.make_node("Conv", ["a1", "w2"], ["c2"], "conv2", **conv),
        helper.make_node("Add", ["c2", "a1"], ["s2"], "add2"),
        helper.make_node("Relu", ["s2"], ["a2"], "relu2"),
        helper.make_node("Conv", ["a2", "w3"], ["c3"], "conv3", **conv),
        helper.make_node("ReduceMean", ["c3"], ["pooled"], "pool", axes=[2, 3], keepdims=0),
        helper.make_node("Concat", ["pooled", "log_reach"], ["features"], "concat", axis=1),
        helper.make_node("MatMul", ["features", "last"], ["q"], "matmul"),
    ]
    graph = helper.make_graph(
        nodes,
        "picture",
        [
            helper.make_tensor_value_info("image", TensorProto.UINT8, (1, SIDE, SIDE, 3)),
            helper.make_tensor_value_info("log_reach", TensorProto.FLOAT, (1, 1)),
        ],
        [helper.make_tensor_value_info("q", TensorProto.FLOAT, (1, N_ANGLES))],
        weights,
    )
    return _finish(
        path,
        graph,
        ModelSpec(
            "picture",
            (TensorSpec("image", (SIDE, SIDE, 3)), TensorSpec("log_reach", (1,))),
            (TensorSpec("q", (N_ANGLES,)),),
            NAMES,
            SKELETON_SHA,
        ),
    )


def write_remembering_network(path: Path) -> ModelSpec:
    """The running mean of its input, slowly forgotten, turned into angles."""
    rng = np.random.default_rng(4)
    weights = [
        numpy_helper.from_array(rng.normal(size=(6, N_ANGLES)).astype(np.float32), "w"),
        numpy_helper.from_array(np.float32(0.9), "keep"),
        numpy_helper.from_array(np.float32(0.1), "always"),
        numpy_helper.from_array(np.array([[1]], np.int64)[0], "axis"),
    ]
    nodes = [
        helper.make_node("Mul", ["memory", "keep"], ["faded"], "fade"),
        helper.make_node("Unsqueeze", ["valid", "axis"], ["seen"], "unsqueeze"),
        helper.make_node("Unsqueeze", ["dt_s", "axis"], ["dt"], "unsqueeze_dt"),
        helper.make_node("Mul", ["x", "seen"], ["shown"], "show"),
        helper.make_node("Add", ["shown", "dt"], ["timed"], "time"),
        helper.make_node("Add", ["timed", "always"], ["new"], "bias"),
        helper.make_node("Add", ["faded", "new"], ["memory_next"], "add"),
        helper.make_node("MatMul", ["memory_next", "w"], ["y"], "matmul"),
    ]
    f = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "remembering",
        [
            helper.make_tensor_value_info("x", f, (1, 6)),
            helper.make_tensor_value_info("dt_s", f, (1,)),
            helper.make_tensor_value_info("valid", f, (1,)),
            helper.make_tensor_value_info("memory", f, (1, 6)),
        ],
        [
            helper.make_tensor_value_info("y", f, (1, N_ANGLES)),
            helper.make_tensor_value_info("memory_next", f, (1, 6)),
        ],
        weights,
    )
    return _finish(
        path,
        graph,
        ModelSpec(
            "remembering",
            (TensorSpec("x", (6,)), TensorSpec("dt_s", ()), TensorSpec("valid", ())),
            (TensorSpec("y", (N_ANGLES,)),),
            NAMES,
            SKELETON_SHA,
            states=(TensorSpec("memory", (6,)),),
        ),
    )


def patches_of(n_images: int) -> NetworkInputs:
    """Patches of smooth images, none alike, about landmarks of nobody; in order of the patches."""
    rng = np.random.default_rng(6)
    pixels = np.empty((n_images * N_PATCHES, *PATCH_INPUTS[0].shape), np.float32)
    contexts = []
    for k in range(n_images):
        image = np.kron(rng.uniform(0, 255, (12, 16, 3)), np.ones((20, 20, 1))) + rng.normal(
            0, 8, (240, 320, 3)
        )
        marks_px = rng.uniform((60.0, 40.0), (260.0, 200.0), (N_LANDMARKS, 2))
        rois = patch_rois(
            marks_px, Roi(160.0, 120.0, float(rng.uniform(150, 300)), float(rng.normal(0, 0.1)))
        )
        patches = np.empty((N_PATCHES, PATCH_PX, PATCH_PX, 3), np.uint8)
        cut_patches(np.clip(image, 0, 255).astype(np.uint8), rois, patches)
        fill_pixels(patches, pixels[k * N_PATCHES : (k + 1) * N_PATCHES])
        contexts.append(patch_context(marks_px, rng.uniform(0.3, 1.0, N_LANDMARKS), rois))
    return NetworkInputs((pixels, np.concatenate(contexts)), "smooth")


def pictures(n: int) -> NetworkInputs:
    """Smooth images, none alike."""
    rng = np.random.default_rng(5)
    coarse = rng.uniform(0, 255, (n, 4, 4, 3))
    image = np.kron(coarse, np.ones((1, SIDE // 4, SIDE // 4, 1))) + rng.normal(0, 8, (n, SIDE, SIDE, 3))
    reach = rng.normal(1.0, 0.2, (n, 1)).astype(np.float32)
    return NetworkInputs((np.clip(image, 0, 255).astype(np.uint8), reach), "patches")
