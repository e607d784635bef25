"""Garments cut from the body's own mesh.

A signed field says where the cloth is; its zero is the hem, clipped per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from train.bodies.mesh import cut, distances_m, faces_within, smooth, surrounded, vertex_normals
from train.bodies.regions import BodyRegions, Landmarks
from train.clothing.drape import TubeCoordinates, hanging_radius_m
from train.clothing.materials import Material

Field = NDArray[np.float32]
"""Signed distance to a garment's edge in m, positive where the cloth is. Shape: (n_vertices,)."""

HEM_MARGIN_M = 0.06
"""Cloth is meshed this far beyond its edge, to be clipped there."""
HIDDEN_MARGIN_M = 0.035
"""What lies deeper than this under opaque cloth is left out."""
_FAR_M = 1.0


class Category(IntEnum):
    """Labels of the segmentation."""

    BACKGROUND = 0
    SKIN = 1
    HAIR = 2
    UPPER = 3
    LOWER = 4
    SHOE = 5
    ACCESSORY = 6
    FURNITURE = 7
    OCCLUDER = 8


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One surface of a dressed body; arrays as in `DressedBody`."""

    rest_m: NDArray[np.float32]
    node_index: NDArray[np.int32]
    node_weight: NDArray[np.float32]
    faces: NDArray[np.int32]
    coordinates_m: NDArray[np.float32]
    detail: NDArray[np.float32]
    clip_m: NDArray[np.float32]
    material: NDArray[np.int32]
    category: Category
    source: NDArray[np.int32] | None = None
    """Body vertices it was cut from, or None. Shape: (n_vertices,)."""


@dataclass(slots=True, eq=False)
class Tailor:
    """Dresses one body, layer by layer; each layer goes over what is already worn."""

    regions: BodyRegions
    landmarks: Landmarks
    rest_m: NDArray[np.float32]
    node_index: NDArray[np.int32]
    node_weight: NDArray[np.float32]
    worn_m: NDArray[np.float32]
    """The body's vertices moved out to the outermost layer so far. Shape: (n_vertices, 3)."""
    normal: NDArray[np.float32]
    arms: tuple[TubeCoordinates, TubeCoordinates]
    legs: tuple[TubeCoordinates, TubeCoordinates]
    trunk: TubeCoordinates
    hidden_below: NDArray[np.int32]
    """Pieces with a lower index cannot be seen at this body vertex. Shape: (n_vertices,)."""
    pieces: list[Piece] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        regions: BodyRegions,
        rest_m: NDArray[np.float32],
        node_index: NDArray[np.int32],
        node_weight: NDArray[np.float32],
    ) -> Tailor:
        """A naked body.

        Args:
            regions: Regions of the body's topology.
            rest_m: This body's vertices. Shape: (n_vertices, 3), float32.
            node_index: Skinning nodes. Shape: (n_vertices, 5), int32.
            node_weight: Their weights. Shape: (n_vertices, 5), float32.
        """
        marks = Landmarks.of(regions, rest_m)
        normal = np.empty_like(rest_m)
        vertex_normals(rest_m, regions.faces, normal)
        arms = [np.stack([marks.shoulders[i], marks.elbows[i], marks.wrists[i]]) for i in (0, 1)]
        legs = [np.stack([marks.hips[i], marks.knees[i], marks.ankles[i]]) for i in (0, 1)]
        hips = marks.hips.mean(0)
        spine = np.stack([[hips[0], marks.neck_base[1], 0.0], [hips[0], hips[1] - 0.1, 0.0]])
        return cls(
            regions, marks, rest_m, node_index, node_weight, rest_m.copy(), normal,
            (TubeCoordinates.around(rest_m, arms[0]), TubeCoordinates.around(rest_m, arms[1])),
            (TubeCoordinates.around(rest_m, legs[0]), TubeCoordinates.around(rest_m, legs[1])),
            TubeCoordinates.around(rest_m, spine), np.full(len(rest_m), -1, np.int32),
        )  # fmt: skip

    @property
    def arm_share(self) -> Field:
        """How much of each vertex belongs to an arm or hand."""
        w = self.regions.weights
        return w["upper_arm"] + w["forearm"] + w["hand"]

    @property
    def along_arm_m(self) -> Field:
        """Distance from the shoulder along the nearer arm."""
        return np.where(self.rest_m[:, 2] > 0, self.arms[0].along_m, self.arms[1].along_m)

    def add_material(self, material: Material) -> int:
        """Row of the material table."""
        self.materials.append(material)
        return len(self.materials) - 1

    def hang(self, where: Field, looseness: float, slack: float) -> NDArray[np.float32]:
        """Displacement of vertices that lets cloth hang from trunk, arms and legs. Shape: (n_vertices, 3)."""
        w = self.regions.weights
        side = self.rest_m[:, 2] > 0
        cloth = where > -HEM_MARGIN_M
        limbs = (self.arm_share > 0.5, w["thigh"] + w["shank"] > 0.6)
        moved = np.zeros_like(self.rest_m)
        neck_y = self.landmarks.neck_base[1]
        tubes = [
            (self.trunk, cloth & ~limbs[0] & ~limbs[1], neck_y - self.landmarks.shoulders[0, 1] + 0.12, slack)
        ]
        for i, on_side in enumerate((side, ~side)):
            tubes.append((self.arms[i], cloth & limbs[0] & on_side, 0.02, slack + 0.1))
            tubes.append((self.legs[i], cloth & limbs[1] & on_side, 0.12, slack + 0.03))
        for tube, chosen, from_m, tube_slack in tubes:
            radius = hanging_radius_m(tube, chosen, from_m=from_m, slack=tube_slack)
            moved += ((radius - tube.radius_m) * looseness)[:, None] * tube.outward
        adjacency = self.regions.adjacency
        return smooth(moved, adjacency.row_start, adjacency.neighbour, np.flatnonzero(cloth), 3)

    def shell(
        self,
        where: Field,
        material: int,
        category: Category,
        *,
        offset_m: float | Field,
        smoothing: int = 6,
        looseness: float = 0.0,
        slack: float = 0.0,
        crease: Field | None = None,
        hides: bool = True,
        margin_m: float = HEM_MARGIN_M,
    ) -> None:
        """Add cloth wherever the field is positive.

        Args:
            where: Signed distance field.
            material: Row of the material table.
            category: Label of the segmentation.
            offset_m: Gap to what is worn beneath, one or per vertex.
            smoothing: Iterations that take the body's relief out of the cloth.
            looseness: 0 fits tightly, 1 hangs freely.
            slack: Narrowing of free cloth per metre.
            crease: Strength of folds per vertex, or None. Shape: (n_vertices,).
            hides: Whether the cloth is closed and hides what is beneath.
            margin_m: Width that is meshed beyond its edge; more than the mesh's cells there.
        """
        adjacency = self.regions.adjacency
        cloth = where > -margin_m
        # Smoothing also slides vertices along the surface: the field has to slide with them.
        both = np.column_stack([self.worn_m, np.clip(where, -0.1, 0.1)]).astype(np.float32)
        chosen = np.flatnonzero(cloth)
        both = smooth(both, adjacency.row_start, adjacency.neighbour, chosen, smoothing)
        even, edge = np.ascontiguousarray(both[:, :3]), np.ascontiguousarray(both[:, 3])
        relief = np.maximum(((self.worn_m - even) * self.normal).sum(1), 0.0)
        outside = even + self.normal * (relief + offset_m)[:, None]
        if looseness > 0.0:
            outside = outside + self.hang(where, looseness, slack)
        outside = outside.astype(np.float32)
        faces, kept = cut(self.regions.faces, cloth)
        detail = np.stack([edge, np.zeros_like(edge) if crease is None else crease], 1).astype(np.float32)
        coordinates = self.fabric_coordinates_m(even)
        piece = Piece(
            outside[kept], self.node_index[kept], self.node_weight[kept], faces, coordinates[kept],
            detail[kept], edge[kept], np.full(len(faces), material, np.int32), category, kept,
        )  # fmt: skip
        self.pieces.append(piece)
        inside = where > 0.0
        self.worn_m[inside] = outside[inside]
        if hides:
            self.hide(where > HIDDEN_MARGIN_M)

    def hide(self, covered: NDArray[np.bool_]) -> None:
        """Leave out what the latest piece covers: the body and all earlier pieces, away from the border."""
        adjacency = self.regions.adjacency
        inner = surrounded(covered, adjacency.row_start, adjacency.neighbour)
        self.hidden_below[inner] = len(self.pieces) - 1

    def visible(self, piece: Piece, index: int) -> Piece:
        """The piece without the faces that later pieces hide."""
        if piece.source is None:
            return piece
        hidden = self.hidden_below[piece.source] > index
        keep = ~faces_within(piece.faces, hidden)
        used = np.zeros(len(hidden), bool)
        used[piece.faces[keep]] = True
        kept = np.flatnonzero(used)
        renumbered = np.cumsum(used, dtype=np.int32) - 1
        return Piece(
            piece.rest_m[kept], piece.node_index[kept], piece.node_weight[kept],
            renumbered[piece.faces[keep]].astype(np.int32), piece.coordinates_m[kept], piece.detail[kept],
            piece.clip_m[kept], piece.material[keep], piece.category,
        )  # fmt: skip

    def fabric_coordinates_m(self, even_m: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where fabrics are evaluated: from the neck's base, unrolled along the arms. Shape: (n, 3)."""
        coordinates = (even_m - self.landmarks.neck_base).astype(np.float32)
        on_arm = self.arm_share > 0.5
        for i, on_side in enumerate((self.rest_m[:, 2] > 0, self.rest_m[:, 2] <= 0)):
            tube, chosen = self.arms[i], on_arm & on_side
            turn = 2.0 * np.pi * tube.angle[chosen]
            coordinates[chosen] = np.stack(
                [0.05 * np.cos(turn) - 0.2, -0.13 - tube.along_m[chosen], 0.05 * np.sin(turn)], 1
            )  # fmt: skip
        return coordinates

    def joint_creases(self, names: tuple[str, ...], reach_m: float = 0.09) -> Field:
        """Folds around joints of these `Landmarks`, 1 at the joint, 0 beyond `reach_m`."""
        strength = np.zeros(len(self.rest_m), np.float32)
        for name in names:
            for joint in np.atleast_2d(getattr(self.landmarks, name)):
                distance = distances_m(self.rest_m, joint)
                strength = np.maximum(
                    strength, np.clip(1.4 * (1.0 - distance / reach_m), 0.0, 1.0).astype(np.float32)
                )
        return strength

    def neck_field(self, radius_m: float, drop_m: float = 0.0) -> Field:
        """Outside of a neckline: a round hole, drawn down at the front into a V by `drop_m`."""
        base = self.landmarks.neck_base
        front = base + np.array([0.055, -0.02, 0.0])
        tip = front + np.array([0.05, -drop_m, 0.0])
        step = tip - front
        share = np.clip((self.rest_m - front) @ step / (step @ step), 0.0, 1.0)
        to_segment = np.linalg.norm(self.rest_m - front - share[:, None] * step, axis=1)
        hole = np.linalg.norm((self.rest_m - base) * np.array([1.0, 0.8, 1.0]), axis=1) - radius_m
        if drop_m > 0.0:
            hole = np.minimum(hole, to_segment - radius_m * (1.0 - 0.85 * share) * 0.8)
        below_chin = np.minimum(
            base[1] + 0.035 - self.rest_m[:, 1], 0.2 * (0.3 - self.regions.weights["head"])
        )
        return np.minimum(hole, below_chin).astype(np.float32)

    def sleeve_field(self, length_m: float) -> Field:
        """Positive up to `length_m` along the arms, and everywhere on the trunk."""
        return (length_m - self.along_arm_m + 0.5 * (1.0 - np.minimum(self.arm_share, 1.0)) ** 2).astype(
            np.float32
        )

    def upper_field(self, hem_y_m: float, sleeve_m: float, neckline: Field) -> Field:
        """A top: above the hem, below the neckline, up to the sleeves' ends."""
        hem = np.where(self.arm_share > 0.5, _FAR_M, self.rest_m[:, 1] - hem_y_m)
        return np.minimum(np.minimum(hem, neckline), self.sleeve_field(sleeve_m)).astype(np.float32)

    def lower_field(self, waist_y_m: float, hem_y_m: float) -> Field:
        """Trousers or shorts between two heights."""
        inside = np.minimum(waist_y_m - self.rest_m[:, 1], self.rest_m[:, 1] - hem_y_m)
        return np.where(self.arm_share > 0.5, -_FAR_M, inside).astype(np.float32)
