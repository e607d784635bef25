"""Moves a mesh with the skeleton: bodies' motion since rest, blended smoothly where bodies meet.

The mesh follows OpenSim's body frames and nothing else, so the labels are exact by construction: with
X_b(q) = T_ground_b, a node on body b moves by X_b(q) X_b(q_rest)^-1. A node between bodies a and b turns
part of the way from a to b (spherical interpolation) about the centre of the joint they share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.skeleton import Skeleton

MAX_INFLUENCES = 5


@dataclass(frozen=True, slots=True)
class Node:
    """Part of the way from one body to the next."""

    body_a: str
    body_b: str
    share_b: float
    """0 moves with a, 1 with b."""


def _rigid(body: str) -> Node:
    return Node(body, body, 1.0)


def node_of_bone(bone: str) -> Node:
    """How one of Anny's bones follows the skeleton."""
    stem, _, side = bone.partition(".")
    s = "_l" if side == "L" else "_r"
    centre = {
        "spine04": Node("pelvis", "torso", 0.3),
        "spine03": Node("pelvis", "torso", 0.7),
        "spine02": _rigid("torso"),
        "spine01": _rigid("torso"),
        "neck01": Node("torso", "neck", 0.3),
        "neck02": Node("torso", "neck", 0.6),
        "neck03": Node("torso", "neck", 0.85),
        "root": _rigid("pelvis"),
        "pelvis": _rigid("pelvis"),
        "spine05": _rigid("pelvis"),
        "clavicle": Node("torso", "humerus" + s, 0.08),
        "shoulder01": Node("torso", "humerus" + s, 0.25),
        "upperarm01": Node("torso", "humerus" + s, 0.8),
        "upperarm02": _rigid("humerus" + s),
        "lowerarm01": Node("ulna" + s, "radius" + s, 0.25),
        "lowerarm02": Node("ulna" + s, "radius" + s, 0.75),
        "upperleg01": Node("pelvis", "femur" + s, 0.85),
        "upperleg02": _rigid("femur" + s),
        "lowerleg01": _rigid("tibia" + s),
        "lowerleg02": _rigid("tibia" + s),
        "foot": _rigid("calcn" + s),
    }
    if stem in centre:
        return centre[stem]
    if stem.startswith("toe"):
        return _rigid("toes" + s)
    if stem.startswith(("wrist", "metacarpal", "finger")):
        return _rigid("hand" + s)
    return _rigid("head")


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """Which bodies move which vertices; the same for every adult."""

    nodes: tuple[Node, ...]
    body_a: NDArray[np.int64]
    """Shape: (n_nodes,)."""
    body_b: NDArray[np.int64]
    """Shape: (n_nodes,); its joint is the pivot."""
    share_b: NDArray[np.float64]
    """Shape: (n_nodes,)."""
    node_index: NDArray[np.int32]
    """Nodes that move each vertex, heaviest first. Shape: (n_vertices, MAX_INFLUENCES)."""
    node_weight: NDArray[np.float32]
    """Their weights, which sum to one. Shape: (n_vertices, MAX_INFLUENCES)."""


def build_rig(
    skeleton: Skeleton,
    bone_names: Sequence[str],
    bone_index: NDArray[np.integer],
    bone_weight: NDArray[np.floating],
) -> Rig:
    """Turn weights over Anny's bones into weights over nodes of the skeleton.

    Args:
        skeleton: Skeleton with the bodies of the project's own.
        bone_names: Names of the bones.
        bone_index: Shape: (n_vertices, n_influences).
        bone_weight: Shape: (n_vertices, n_influences).
    """
    of_bone = [node_of_bone(str(name)) for name in bone_names]
    nodes = tuple(dict.fromkeys(of_bone))
    node_number = np.array([nodes.index(node) for node in of_bone])
    dense = np.zeros((len(bone_index), len(nodes)))
    rows = np.arange(len(bone_index))
    for k in range(bone_index.shape[1]):
        np.add.at(dense, (rows, node_number[bone_index[:, k]]), bone_weight[:, k])
    node_index, node_weight = strongest_influences(dense)
    return Rig(
        nodes=nodes,
        body_a=np.array([skeleton.body_index(node.body_a) for node in nodes], dtype=np.int64),
        body_b=np.array([skeleton.body_index(node.body_b) for node in nodes], dtype=np.int64),
        share_b=np.array([node.share_b for node in nodes]),
        node_index=node_index,
        node_weight=node_weight,
    )


def strongest_influences(dense: NDArray[np.floating]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Keep the heaviest nodes of each vertex.

    Args:
        dense: Shape: (n_vertices, n_nodes).

    Returns:
        Indices and weights that sum to one, both (n_vertices, MAX_INFLUENCES).
    """
    index = np.argsort(-dense, axis=1, kind="stable")[:, :MAX_INFLUENCES]
    weight = np.take_along_axis(dense, index, axis=1)
    weight = weight / weight.sum(axis=1, keepdims=True)
    return np.ascontiguousarray(index, dtype=np.int32), np.ascontiguousarray(weight, dtype=np.float32)


@njit(cache=True, nogil=True)
def node_transforms(
    body_a: NDArray[np.int64],
    body_b: NDArray[np.int64],
    share_b: NDArray[np.float64],
    T: NDArray[np.float64],
    T_rest: NDArray[np.float64],
    centres: NDArray[np.float64],
    centres_rest: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Motion of every node since rest.

    Args:
        body_a: Shape: (n_nodes,).
        body_b: Shape: (n_nodes,).
        share_b: Shape: (n_nodes,).
        T: T_ground_body now. Shape: (n_bodies, 4, 4).
        T_rest: T_ground_body at rest. Shape: (n_bodies, 4, 4).
        centres: Joint centres now, in m. Shape: (n_bodies, 3).
        centres_rest: Joint centres at rest, in m. Shape: (n_bodies, 3).
        out: Receives the transforms. Shape: (n_nodes, 3, 4).
    """
    R_a, R_b, R_ab = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    for k in range(body_a.shape[0]):
        a, b = body_a[k], body_b[k]
        _turn_since_rest(T[b], T_rest[b], R_b)
        if a == b:
            R = R_b
            pivot, pivot_rest = T[b, :3, 3], T_rest[b, :3, 3]
        else:
            _turn_since_rest(T[a], T_rest[a], R_a)
            _part_way(R_a, R_b, share_b[k], R_ab)
            R = R_ab
            pivot, pivot_rest = centres[b], centres_rest[b]
        for i in range(3):
            for j in range(3):
                out[k, i, j] = R[i, j]
            out[k, i, 3] = (
                pivot[i] - R[i, 0] * pivot_rest[0] - R[i, 1] * pivot_rest[1] - R[i, 2] * pivot_rest[2]
            )


@njit(cache=True, nogil=True)
def _turn_since_rest(T: NDArray[np.float64], T_rest: NDArray[np.float64], R: NDArray[np.float64]) -> None:
    for i in range(3):
        for j in range(3):
            R[i, j] = T[i, 0] * T_rest[j, 0] + T[i, 1] * T_rest[j, 1] + T[i, 2] * T_rest[j, 2]


@njit(cache=True, nogil=True)
def _part_way(
    R_a: NDArray[np.float64], R_b: NDArray[np.float64], share: float, out: NDArray[np.float64]
) -> None:
    """R_a exp(share log(R_a^T R_b)), by way of the quaternion of the turn between them."""
    D = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            D[i, j] = R_a[0, i] * R_b[0, j] + R_a[1, i] * R_b[1, j] + R_a[2, i] * R_b[2, j]
    w, x, y, z = _quaternion(D)
    sine = np.sqrt(x * x + y * y + z * z)
    half = np.arctan2(sine, w) * share
    # Close to no turn the axis does not matter.
    factor = np.sin(half) / sine if sine > 1e-12 else share
    w, x, y, z = np.cos(half), x * factor, y * factor, z * factor
    D[0, 0], D[0, 1], D[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    D[1, 0], D[1, 1], D[1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    D[2, 0], D[2, 1], D[2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    for i in range(3):
        for j in range(3):
            out[i, j] = R_a[i, 0] * D[0, j] + R_a[i, 1] * D[1, j] + R_a[i, 2] * D[2, j]


@njit(cache=True, nogil=True)
def _quaternion(R: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Unit quaternion of a rotation, w >= 0 (Shepperd's method)."""
    trace = R[0, 0] + R[1, 1] + R[2, 2]
    if trace > max(R[0, 0], R[1, 1], R[2, 2]):
        w = np.sqrt(1.0 + trace) / 2
        return w, (R[2, 1] - R[1, 2]) / (4 * w), (R[0, 2] - R[2, 0]) / (4 * w), (R[1, 0] - R[0, 1]) / (4 * w)
    i = 0
    if R[1, 1] > R[0, 0]:
        i = 1
    if R[2, 2] > R[i, i]:
        i = 2
    j, k = (i + 1) % 3, (i + 2) % 3
    v = np.empty(3)
    v[i] = np.sqrt(1.0 + R[i, i] - R[j, j] - R[k, k]) / 2
    w = (R[k, j] - R[j, k]) / (4 * v[i])
    v[j] = (R[j, i] + R[i, j]) / (4 * v[i])
    v[k] = (R[k, i] + R[i, k]) / (4 * v[i])
    if w < 0.0:
        return -w, -v[0], -v[1], -v[2]
    return w, v[0], v[1], v[2]


@njit(cache=True, nogil=True)
def skin(
    vertices_m: NDArray[np.float32],
    node_index: NDArray[np.int32],
    node_weight: NDArray[np.float32],
    transforms: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Linear blend skinning.

    Args:
        vertices_m: Resting vertices. Shape: (n_vertices, 3).
        node_index: Shape: (n_vertices, n_influences).
        node_weight: Shape: (n_vertices, n_influences).
        transforms: Node transforms from `node_transforms`. Shape: (n_nodes, 3, 4).
        out: Receives the posed vertices. Shape: (n_vertices, 3).
    """
    for v in range(vertices_m.shape[0]):
        x, y, z = vertices_m[v, 0], vertices_m[v, 1], vertices_m[v, 2]
        for i in range(3):
            total = np.float32(0.0)
            for k in range(node_index.shape[1]):
                M = transforms[node_index[v, k]]
                total += node_weight[v, k] * (M[i, 0] * x + M[i, 1] * y + M[i, 2] * z + M[i, 3])
            out[v, i] = total
