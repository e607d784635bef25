"""A random outfit on one body: what is worn, of what, and everything the renderer needs of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.bodies.mesh import distances_m
from train.bodies.puppet import Puppet
from train.bodies.regions import BodyRegions, shared_centre
from train.bodies.skinning import skin
from train.bodies.surface_landmarks import ANCHORS
from train.clothing.clothes import put_on_clothes
from train.clothing.faces import FacePaint, face_paint
from train.clothing.garments import Category, Piece, Tailor
from train.clothing.hair import from_eyes_m, put_on_hair
from train.clothing.lofts import mean_weights
from train.clothing.masks import MASKED_ODDS, put_on_mask
from train.clothing.materials import (
    Material,
    MaterialTable,
    Pattern,
    hair_colour,
    material_table,
    skin_colour,
)


@dataclass(frozen=True, slots=True, eq=False)
class DressedBody:
    """One person as a skinned mesh with materials, at rest."""

    rest_m: NDArray[np.float32]
    """Shape: (n_vertices, 3)."""
    node_index: NDArray[np.int32]
    """Skinning nodes. Shape: (n_vertices, 5)."""
    node_weight: NDArray[np.float32]
    """Their weights. Shape: (n_vertices, 5)."""
    faces: NDArray[np.int32]
    """Shape: (n_faces, 3)."""
    material: NDArray[np.int32]
    """Row of `materials`. Shape: (n_faces,)."""
    category: NDArray[np.uint8]
    """`Category` of each face. Shape: (n_faces,)."""
    coordinates_m: NDArray[np.float32]
    """Where materials are evaluated. Shape: (n_vertices, 3)."""
    detail: NDArray[np.float32]
    """Distance to the garment's edge in m and crease strength. Shape: (n_vertices, 2)."""
    clip_m: NDArray[np.float32]
    """Field whose negative part is cut away per pixel. Shape: (n_vertices,)."""
    materials: MaterialTable
    paint: FacePaint
    anchor_m: NDArray[np.float32]
    """`train.bodies.surface_landmarks.ANCHORS` at rest. Shape: (n_anchors, 3)."""
    anchor_node_index: NDArray[np.int32]
    """Shape: (n_anchors, 5)."""
    anchor_node_weight: NDArray[np.float32]
    """Shape: (n_anchors, 5)."""
    seat_vertex: NDArray[np.int32]
    """Vertices of buttocks and thighs that rest on a seat."""
    description: tuple[str, ...]
    """What is worn, for people to read."""

    def place_anchors(self, node_transforms: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Where `train.bodies.surface_landmarks.ANCHORS` are in a pose, in m.

        Args:
            node_transforms: Node transforms of the rig. Shape: (n_nodes, 3, 4), float32.
        """
        posed = np.empty_like(self.anchor_m)
        skin(self.anchor_m, self.anchor_node_index, self.anchor_node_weight, node_transforms, posed)
        return dict(zip(ANCHORS, posed.astype(np.float64), strict=True))

    def seat_height_m(self, p_m: NDArray[np.float32]) -> float:
        """Where a seat carries this pose.

        Args:
            p_m: Posed vertices. Shape: (n_vertices, 3).
        """
        return float(np.percentile(p_m[self.seat_vertex, 1], 3.0))


def dress(regions: BodyRegions, puppet: Puppet, rng: np.random.Generator, *, masculine: bool) -> DressedBody:
    """Put a random outfit, hair and face on a body.

    Args:
        regions: Regions of the body's topology.
        puppet: The body.
        rng: Source of chance.
        masculine: Male body, which shifts the odds of beards, hair and skirts.
    """
    tailor = Tailor.start(regions, puppet.rest_vertices_m, puppet.rig.node_index, puppet.rig.node_weight)
    tone = skin_colour(rng)
    hair = hair_colour(rng, tone)
    paint = face_paint(rng, tone, hair, masculine=masculine)
    rows = [
        tailor.add_material(Material(Pattern.SKIN, tone, tone, specular=0.035, gloss=14.0)),
        tailor.add_material(Material(Pattern.EYE, tone, tone, specular=0.25, gloss=60.0)),
    ]
    worn = put_on_clothes(tailor, rng, masculine=masculine)
    style = put_on_hair(tailor, hair, rng, masculine=masculine)
    if style != "bald":
        paint = paint._replace(scalp=float(rng.uniform(0.5, 0.85)))
    masked = rng.random() < MASKED_ODDS
    if masked:
        put_on_mask(tailor, rng)
    worn = (*worn, style, "mask") if masked else (*worn, style)
    pieces = [tailor.visible(piece, k) for k, piece in enumerate(tailor.pieces)]
    return _assemble(tailor, [_skin_piece(tailor, rows), *pieces], paint, worn, rng)


def _skin_piece(tailor: Tailor, rows: list[int]) -> Piece:
    """What of the body itself can be seen."""
    n_vertices, faces = len(tailor.rest_m), tailor.regions.faces
    eye = tailor.regions.weights["eye"][faces].min(1) > 0.5
    detail = np.tile(np.array([1.0, 0.0], np.float32), (n_vertices, 1))
    whole = Piece(
        tailor.rest_m, tailor.node_index, tailor.node_weight, faces, from_eyes_m(tailor), detail,
        np.ones(n_vertices, np.float32), np.where(eye, rows[1], rows[0]).astype(np.int32), Category.SKIN,
        np.arange(n_vertices, dtype=np.int32),
    )  # fmt: skip
    return tailor.visible(whole, -1)


def _assemble(
    tailor: Tailor, pieces: list[Piece], paint: FacePaint, worn: tuple[str, ...], rng: np.random.Generator
) -> DressedBody:
    start = np.cumsum([0] + [len(piece.rest_m) for piece in pieces])
    rest_m = np.concatenate([p.rest_m for p in pieces]).astype(np.float32)
    return DressedBody(
        rest_m,
        np.concatenate([p.node_index for p in pieces]).astype(np.int32),
        np.concatenate([p.node_weight for p in pieces]).astype(np.float32),
        np.concatenate([p.faces + s for p, s in zip(pieces, start, strict=False)]).astype(np.int32),
        np.concatenate([p.material for p in pieces]).astype(np.int32),
        np.concatenate([np.full(len(p.faces), p.category, np.uint8) for p in pieces]),
        np.concatenate([p.coordinates_m for p in pieces]).astype(np.float32),
        np.concatenate([p.detail for p in pieces]).astype(np.float32),
        np.concatenate([p.clip_m for p in pieces]).astype(np.float32),
        material_table(tailor.materials, rng), paint, *_anchors(tailor), _seat_vertices(tailor, rest_m), worn,
    )  # fmt: skip


def _anchors(tailor: Tailor) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """`train.bodies.surface_landmarks.ANCHORS` at rest with the mean skin weights around them."""
    marks, regions = tailor.landmarks, tailor.regions
    toes = np.stack([shared_centre(tailor.rest_m, regions.side("toes", sign)) for sign in (1, -1)])
    pairs = (marks.shoulders, marks.elbows, marks.wrists, marks.hips, marks.knees, marks.ankles, toes)
    points = np.concatenate([[marks.head_top], marks.eyes, [marks.neck_base], *pairs])
    sets = []
    for point in points:
        distance = distances_m(tailor.rest_m, point)
        near = distance < 0.07
        if near.sum() < 20:
            near = distance <= np.partition(distance, 20)[20]
        sets.append(mean_weights(tailor.node_index[near], tailor.node_weight[near]))
    return points.astype(np.float32), np.stack([s[0] for s in sets]), np.stack([s[1] for s in sets])


def _seat_vertices(tailor: Tailor, rest_m: NDArray[np.float32]) -> NDArray[np.int32]:
    """Vertices at the back of hips and thighs."""
    hips = tailor.landmarks.hips
    y, z = rest_m[:, 1] - hips[0, 1], np.abs(rest_m[:, 2])
    chosen = (y > -0.22) & (y < 0.05) & (z < 0.25) & (rest_m[:, 0] < hips[0, 0] - 0.02)
    return np.flatnonzero(chosen).astype(np.int32)
