"""Furniture and objects: boxes with legs, seats that fit a pose, desks before a webcam, things in the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from train.clothing.garments import Category
from train.clothing.lofts import grid_faces
from train.clothing.materials import Material, Pattern, cloth, cloth_colour, srgb

_CELL_M = 0.12
"""Boxes are meshed this finely, so that little is lost where one reaches behind the camera."""


@dataclass(slots=True, eq=False)
class Solids:
    """Boxes collected for one scene; arrays come from `mesh`."""

    materials: list[Material] = field(default_factory=list)
    _p_m: list[NDArray[np.float32]] = field(default_factory=list)
    _normal: list[NDArray[np.float32]] = field(default_factory=list)
    _local_m: list[NDArray[np.float32]] = field(default_factory=list)
    _faces: list[NDArray[np.int32]] = field(default_factory=list)
    _material: list[NDArray[np.int32]] = field(default_factory=list)
    _category: list[NDArray[np.uint8]] = field(default_factory=list)
    _n_vertices: int = 0

    def add_material(self, material: Material) -> int:
        """Row of this collection's material table."""
        self.materials.append(material)
        return len(self.materials) - 1

    def box(
        self,
        centre_m: NDArray[np.float64],
        size_m: tuple[float, float, float],
        rotation: NDArray[np.float64],
        material: int,
        category: Category,
    ) -> None:
        """Add a box.

        Args:
            centre_m: Centre in ground. Shape: (3,).
            size_m: Size along its own X, Y, Z.
            rotation: Rotation from box to ground. Shape: (3, 3).
            material: Row of the material table.
            category: Label of the segmentation.
        """
        cells = tuple(int(np.clip(np.ceil(length / _CELL_M), 1, 16)) for length in size_m)
        unit, unit_normal, faces = _unit_box(*cells)
        local = unit * (0.5 * np.asarray(size_m))
        self._p_m.append((centre_m + local @ rotation.T).astype(np.float32))
        self._normal.append((unit_normal @ rotation.T).astype(np.float32))
        self._local_m.append(local.astype(np.float32))
        self._faces.append(faces + np.int32(self._n_vertices))
        self._material.append(np.full(len(faces), material, np.int32))
        self._category.append(np.full(len(faces), category, np.uint8))
        self._n_vertices += len(local)

    def mesh(
        self,
    ) -> tuple[
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.int32],
        NDArray[np.int32],
        NDArray[np.uint8],
    ]:
        """Vertices, normals and material coordinates (n, 3); faces (m, 3); material and category (m,)."""
        if not self._p_m:
            none = np.zeros((0, 3), np.float32)
            return none, none, none, np.zeros((0, 3), np.int32), np.zeros(0, np.int32), np.zeros(0, np.uint8)
        return (
            np.concatenate(self._p_m), np.concatenate(self._normal), np.concatenate(self._local_m),
            np.concatenate(self._faces), np.concatenate(self._material), np.concatenate(self._category),
        )  # fmt: skip


@lru_cache(maxsize=512)
def _unit_box(
    n_x: int, n_y: int, n_z: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    """Vertices in [-1, 1], normals (n, 3) and faces of a box with this many cells along each axis."""
    points: list[NDArray[np.float64]] = []
    normals: list[NDArray[np.float64]] = []
    faces: list[NDArray[np.int32]] = []
    n_points = 0
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        n_u, n_v = (n_x, n_y, n_z)[u], (n_x, n_y, n_z)[v]
        a, b = np.meshgrid(np.linspace(-1, 1, n_u + 1), np.linspace(-1, 1, n_v + 1), indexing="ij")
        for sign in (1.0, -1.0):
            side, normal = np.empty((a.size, 3)), np.zeros((a.size, 3))
            side[:, axis], side[:, u], side[:, v] = sign, a.ravel(), b.ravel()
            normal[:, axis] = sign
            faces.append(grid_faces(n_u + 1, n_v + 1) + np.int32(n_points))
            points.append(side)
            normals.append(normal)
            n_points += len(side)
    return np.concatenate(points), np.concatenate(normals), np.concatenate(faces)


def yaw_rotation(yaw: float) -> NDArray[np.float64]:
    """Ground from an upright box whose X points `yaw` rad from +X towards +Z. Shape: (3, 3)."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])


def furniture_material(rng: np.random.Generator) -> Material:
    """Wood, painted board, metal or upholstery."""
    kind = rng.choice(["wood", "paint", "cloth"], p=[0.5, 0.3, 0.2])
    if kind == "cloth":
        return cloth(rng, [Pattern.PLAIN, Pattern.HEATHER], bump=0.1, muted=0.7)
    if kind == "paint":
        shades = [(232, 230, 225), (210, 208, 204), (60, 60, 62), (30, 30, 32), (140, 138, 134)]
        colour = srgb(*shades[rng.integers(5)])
        return Material(Pattern.PLAIN, colour, colour, grain=0.03, specular=0.05, gloss=25.0)
    shades = [(150, 108, 70), (112, 74, 46), (186, 148, 104), (84, 56, 38), (206, 178, 140)]
    colour = srgb(*(np.array(shades[rng.integers(5)]) * rng.uniform(0.9, 1.1)))
    return Material(Pattern.WOOD, colour, colour * np.float32(0.72), grain=0.06, specular=0.04, gloss=20.0)


def legs(
    solids: Solids,
    centre_m: NDArray[np.float64],
    width_m: float,
    depth_m: float,
    height_m: float,
    rotation: NDArray[np.float64],
    material: int,
) -> None:
    """Four legs under a rectangle whose middle is at `centre_m` and `height_m` above the floor."""
    if height_m < 0.05:
        return
    thick = 0.04
    for i in (-1, 1):
        for j in (-1, 1):
            corner = rotation @ np.array([i * (depth_m / 2 - thick), 0.0, j * (width_m / 2 - thick)])
            middle = centre_m + corner - np.array([0.0, height_m / 2, 0.0])
            solids.box(middle, (thick, height_m, thick), rotation, material, Category.FURNITURE)


def seat(
    solids: Solids,
    anchors: dict[str, NDArray[np.float64]],
    under_y_m: float,
    floor_y_m: float,
    rng: np.random.Generator,
) -> None:
    """A chair, stool or bench under a seated person.

    Args:
        solids: Collection it is added to.
        anchors: Points of the body in ground, in m.
        under_y_m: Lowest point of buttocks and thighs.
        floor_y_m: Height of the floor.
        rng: Source of chance.
    """
    hips = 0.5 * (anchors["hip_r"] + anchors["hip_l"])
    knees = 0.5 * (anchors["knee_r"] + anchors["knee_l"])
    forward = (knees - hips) * np.array([1.0, 0.0, 1.0])
    forward /= max(float(np.linalg.norm(forward)), 1e-6)
    rotation = yaw_rotation(float(np.arctan2(forward[2], forward[0])))
    depth, width, thick = rng.uniform(0.38, 0.46), rng.uniform(0.40, 0.52), rng.uniform(0.03, 0.09)
    top = hips + forward * 0.10
    top[1] = under_y_m + 0.012  # flesh gives way
    row = solids.add_material(furniture_material(rng))
    frame = solids.add_material(furniture_material(rng))
    solids.box(top - [0.0, thick / 2, 0.0], (depth, thick, width), rotation, row, Category.FURNITURE)
    legs(solids, top - np.array([0.0, thick, 0.0]), width, depth, top[1] - thick - floor_y_m, rotation, frame)
    kind = rng.random()
    if kind < 0.75:
        height, gap = rng.uniform(0.3, 0.62), depth / 2 + rng.uniform(0.06, 0.11)
        back = top - forward * gap + np.array([0.0, height / 2 + rng.uniform(0.05, 0.15), 0.0])
        solids.box(back, (0.035, height, width * rng.uniform(0.8, 1.0)), rotation, row, Category.FURNITURE)
        for j in (-1, 1):
            post = top - forward * (gap + 0.01) + rotation @ np.array([0.0, 0.14, j * width * 0.3])
            solids.box(post, (0.025, 0.3, 0.025), rotation, frame, Category.FURNITURE)
        if kind < 0.25:
            for j in (-1, 1):
                rest = top + rotation @ np.array([-0.03, 0.21, j * (width / 2 + 0.05)])
                solids.box(rest, (0.26, 0.03, 0.05), rotation, frame, Category.FURNITURE)


def desk(
    solids: Solids,
    eye_m: NDArray[np.float64],
    anchors: dict[str, NDArray[np.float64]],
    floor_y_m: float,
    rng: np.random.Generator,
) -> None:
    """A desk between a webcam and the person, with a few things on it."""
    hips = 0.5 * (anchors["hip_r"] + anchors["hip_l"])
    elbows = 0.5 * (anchors["elbow_r"] + anchors["elbow_l"])
    towards = (eye_m - hips) * np.array([1.0, 0.0, 1.0])
    distance = float(np.linalg.norm(towards))
    towards /= max(distance, 1e-6)
    rotation = yaw_rotation(float(np.arctan2(towards[2], towards[0])))
    top_y = min(elbows[1] - rng.uniform(0.0, 0.08), eye_m[1] - 0.1)
    near = rng.uniform(0.24, 0.36)
    depth, width = max(0.55, distance - near + rng.uniform(0.1, 0.3)), rng.uniform(1.0, 1.8)
    centre = hips + towards * (near + depth / 2)
    centre[1] = top_y - 0.015
    wood = solids.add_material(furniture_material(rng))
    solids.box(centre, (depth, 0.03, width), rotation, wood, Category.FURNITURE)
    legs(solids, centre - np.array([0.0, 0.015, 0.0]), width, depth, top_y - 0.03 - floor_y_m, rotation, wood)
    for _ in range(rng.integers(0, 4)):
        size = (rng.uniform(0.03, 0.22), rng.uniform(0.01, 0.2), rng.uniform(0.03, 0.3))
        at = centre + rotation @ np.array(
            [rng.uniform(-0.3, 0.3) * depth, size[1] / 2 + 0.015, rng.uniform(-0.45, 0.45) * width]
        )
        row = solids.add_material(
            Material(Pattern.PLAIN, cloth_colour(rng, muted=0.6), cloth_colour(rng), specular=0.05)
        )
        solids.box(at, size, rotation @ yaw_rotation(rng.uniform(-0.5, 0.5)), row, Category.FURNITURE)


def behind(
    solids: Solids,
    eye_m: NDArray[np.float64],
    anchors: dict[str, NDArray[np.float64]],
    floor_y_m: float,
    rng: np.random.Generator,
) -> None:
    """Tables, shelves and cabinets beside and behind the person, standing free of them."""
    hips = 0.5 * (anchors["hip_r"] + anchors["hip_l"])
    away = (hips - eye_m) * np.array([1.0, 0.0, 1.0])
    away /= max(float(np.linalg.norm(away)), 1e-6)
    azimuth = float(np.arctan2(away[2], away[0]))
    for _ in range(rng.integers(0, 4)):
        turn = azimuth + rng.normal(0.0, 0.9)
        at = hips + rng.uniform(1.2, 3.2) * np.array([np.cos(turn), 0.0, np.sin(turn)])
        rotation = yaw_rotation(azimuth + rng.choice([0.0, 0.0, rng.uniform(-0.8, 0.8)]))
        row = solids.add_material(furniture_material(rng))
        width, depth = rng.uniform(0.4, 1.6), rng.uniform(0.35, 0.8)
        if rng.random() < 0.5:
            height = rng.uniform(0.4, 0.9)
            at[1] = floor_y_m + height
            solids.box(at, (depth, 0.04, width), rotation, row, Category.FURNITURE)
            legs(solids, at, width, depth, height, rotation, row)
        else:
            height = rng.uniform(0.5, 2.0)
            at[1] = floor_y_m + height / 2
            solids.box(at, (depth * 0.6, height, width), rotation, row, Category.FURNITURE)


def in_the_way(
    solids: Solids,
    eye_m: NDArray[np.float64],
    anchors: dict[str, NDArray[np.float64]],
    rng: np.random.Generator,
) -> None:
    """Objects between the camera and part of the body."""
    names = [name for name in anchors if not name.startswith(("head", "eye", "neck"))]
    for _ in range(rng.integers(1, 3)):
        target = anchors[names[rng.integers(len(names))]] + rng.normal(0.0, 0.12, 3)
        at = eye_m + rng.uniform(0.35, 0.8) * (target - eye_m)
        reach = float(np.linalg.norm(at - eye_m))
        size = rng.uniform(0.04, 0.22, 3) * reach * np.array([0.4, 1.0, 1.0])
        turn = yaw_rotation(rng.uniform(-np.pi, np.pi))
        c, s = np.cos(rng.uniform(-1, 1)), np.sin(rng.uniform(-1, 1))
        lean = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
        lean[1:, 1:] /= np.hypot(c, s)
        material = furniture_material(rng) if rng.random() < 0.4 else cloth(rng, bump=0.1)
        solids.box(
            at, (size[0], size[1], size[2]), turn @ lean, solids.add_material(material), Category.OCCLUDER
        )
