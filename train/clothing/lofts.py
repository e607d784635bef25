"""Surfaces not cut from the body: grids of points with faces, and skin weights borrowed from regions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from train.bodies.skinning import MAX_INFLUENCES, strongest_influences
from train.clothing.garments import Category, Piece

Influence = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Nodes and weights of one or many vertices. Shapes: (..., MAX_INFLUENCES)."""


def grid_faces(rows: int, columns: int, *, closed: bool = False, flip: bool = False) -> NDArray[np.int32]:
    """Triangles of a grid of points, row by row; `closed` joins the last column to the first."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a, b = (r * columns + c).ravel(), (r * columns + (c + 1) % columns).ravel()
    below_a, below_b = a + columns, b + columns
    faces = np.concatenate([np.stack([a, below_a, b], 1), np.stack([b, below_a, below_b], 1)])
    return np.ascontiguousarray(faces[:, ::-1] if flip else faces, np.int32)


def mean_weights(node_index: NDArray[np.int32], node_weight: NDArray[np.float32]) -> Influence:
    """What moves a set of vertices on average. Shapes: (MAX_INFLUENCES,) from (n, MAX_INFLUENCES)."""
    weights = node_weight.ravel().astype(np.float64)
    dense = np.bincount(node_index.ravel(), weights, minlength=MAX_INFLUENCES).astype(np.float64)
    index, weight = strongest_influences(dense[None])
    return index[0], weight[0]


def blend_weights(sets: Sequence[Influence], shares: Sequence[NDArray[np.floating]]) -> Influence:
    """Per-vertex mixture of sets.

    Args:
        sets: Skin weights from `mean_weights`.
        shares: Share of each set in each vertex, summing to one. Shape of each: (n_vertices,).
    """
    n_nodes = max(MAX_INFLUENCES, 1 + max(int(index.max()) for index, _ in sets))
    dense = np.zeros((len(shares[0]), n_nodes))
    for (index, weight), share in zip(sets, shares, strict=True):
        for node, w in zip(index, weight, strict=True):
            dense[:, node] += share * w
    return strongest_influences(dense)


def constant_weights(one: Influence, n_vertices: int) -> Influence:
    """The same influence for all vertices."""
    return np.tile(one[0], (n_vertices, 1)), np.tile(one[1], (n_vertices, 1))


def loft_piece(
    rest_m: NDArray[np.floating],
    faces: NDArray[np.int32],
    influence: Influence,
    coordinates_m: NDArray[np.floating],
    material: int | NDArray[np.int32],
    category: Category,
    edge_m: NDArray[np.floating] | None = None,
) -> Piece:
    """A surface ready to be worn.

    Args:
        rest_m: Vertices. Shape: (n_vertices, 3).
        faces: Vertex indices. Shape: (n_faces, 3).
        influence: Node indices and weights per vertex.
        coordinates_m: Points where materials are evaluated. Shape: (n_vertices, 3).
        material: Row of the material table, one or per face.
        category: Label of the segmentation.
        edge_m: Field that clips it, None for nowhere. Shape: (n_vertices,).
    """
    edge = np.ones(len(rest_m), np.float32) if edge_m is None else edge_m.astype(np.float32)
    rows = np.broadcast_to(np.asarray(material, np.int32), len(faces)).copy()
    detail = np.stack([edge, np.zeros_like(edge)], 1)
    return Piece(
        rest_m.astype(np.float32), *influence, faces, coordinates_m.astype(np.float32), detail, edge, rows,
        category,
    )  # fmt: skip
