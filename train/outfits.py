"""A random outfit on one body: what is worn, of what, and everything the renderer needs of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.cameras import ANCHORS
from train.faces import FacePaint, face_paint
from train.garments import HEM_MARGIN_M, Category, Piece, Tailor
from train.hair import from_eyes_m, put_on_hair
from train.materials import (
    Material,
    MaterialTable,
    Pattern,
    cloth,
    cloth_colour,
    denim,
    hair_colour,
    material_table,
    skin_colour,
)
from train.mesh import distances_m
from train.puppet import Puppet
from train.regions import BodyRegions, shared_centre
from train.shoes import mean_weights, put_on_shoes, shoe_style
from train.skinning import skin


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
    """`train.cameras.ANCHORS` at rest. Shape: (n_anchors, 3)."""
    anchor_node_index: NDArray[np.int32]
    """Shape: (n_anchors, 5)."""
    anchor_node_weight: NDArray[np.float32]
    """Shape: (n_anchors, 5)."""
    seat_vertex: NDArray[np.int32]
    """Vertices of buttocks and thighs that rest on a seat."""
    description: tuple[str, ...]
    """What is worn, for people to read."""

    def place_anchors(self, node_transforms: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Where `train.cameras.ANCHORS` are in a pose, in m.

        Args:
            node_transforms: of the rig. Shape: (n_nodes, 3, 4), float32.
        """
        posed = np.empty_like(self.anchor_m)
        skin(self.anchor_m, self.anchor_node_index, self.anchor_node_weight, node_transforms, posed)
        return dict(zip(ANCHORS, posed.astype(np.float64), strict=True))

    def seat_height_m(self, p_m: NDArray[np.float32]) -> float:
        """Where a seat carries this pose.

        Args:
            p_m: posed vertices. Shape: (n_vertices, 3).
        """
        return float(np.percentile(p_m[self.seat_vertex, 1], 3.0))


def dress(regions: BodyRegions, puppet: Puppet, rng: np.random.Generator, *, masculine: bool) -> DressedBody:
    """Put a random outfit, hair and face on a body.

    Args:
        regions: of the body's topology.
        puppet: the body.
        rng: where all choices come from.
        masculine: shifts the odds of beards, hair and skirts.
    """
    tailor = Tailor.start(regions, puppet.rest_vertices_m, puppet.rig.node_index, puppet.rig.node_weight)
    tone = skin_colour(rng)
    hair = hair_colour(rng, tone)
    paint = face_paint(rng, tone, hair, masculine=masculine)
    rows = [
        tailor.add_material(Material(Pattern.SKIN, tone, tone, specular=0.035, gloss=14.0)),
        tailor.add_material(Material(Pattern.EYE, tone, tone, specular=0.25, gloss=60.0)),
    ]
    worn = _put_on_clothes(tailor, rng, masculine=masculine)
    style = put_on_hair(tailor, hair, rng, masculine=masculine)
    if style != "bald":
        paint = paint._replace(scalp=float(rng.uniform(0.5, 0.85)))
    pieces = [tailor.visible(piece, k) for k, piece in enumerate(tailor.pieces)]
    return _assemble(tailor, [_skin_piece(tailor, rows), *pieces], paint, (*worn, style), rng)


def _skin_piece(tailor: Tailor, rows: list[int]) -> Piece:
    """What of the body itself can be seen."""
    n_vertices, faces = len(tailor.rest_m), tailor.regions.faces
    eye = tailor.regions.weights["eye"][faces].min(1) > 0.5
    detail = np.tile(np.float32([1.0, 0.0]), (n_vertices, 1))
    whole = Piece(
        tailor.rest_m, tailor.node_index, tailor.node_weight, faces, from_eyes_m(tailor), detail, np.ones(n_vertices, np.float32),
        np.where(eye, rows[1], rows[0]).astype(np.int32), Category.SKIN, np.arange(n_vertices, dtype=np.int32),
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
    """`train.cameras.ANCHORS` at rest with the mean skin weights around them."""
    marks, regions = tailor.landmarks, tailor.regions
    toes = np.stack([shared_centre(tailor.rest_m, regions.side("toes", sign)) for sign in (1, -1)])
    pairs = (marks.shoulders, marks.elbows, marks.wrists, marks.hips, marks.knees, marks.ankles, toes)
    points = np.concatenate([[marks.head_top], marks.eyes, [marks.neck_base], *pairs])
    sets = []
    for point in points:
        distance = distances_m(tailor.rest_m, point)
        near = distance < max(0.07, float(np.partition(distance, 20)[20]))
        sets.append(mean_weights(tailor.node_index[near], tailor.node_weight[near]))
    return points.astype(np.float32), np.stack([s[0] for s in sets]), np.stack([s[1] for s in sets])


def _seat_vertices(tailor: Tailor, rest_m: NDArray[np.float32]) -> NDArray[np.int32]:
    """Vertices at the back of hips and thighs."""
    hips = tailor.landmarks.hips
    y, z = rest_m[:, 1] - hips[0, 1], np.abs(rest_m[:, 2])
    chosen = (y > -0.22) & (y < 0.05) & (z < 0.25) & (rest_m[:, 0] < hips[0, 0] - 0.02)
    return np.flatnonzero(chosen).astype(np.int32)


def _put_on_clothes(tailor: Tailor, rng: np.random.Generator, *, masculine: bool) -> tuple[str, ...]:
    odds = [0.5, 0.3, 0.0, 0.1, 0.1] if masculine else [0.42, 0.14, 0.16, 0.2, 0.08]
    lower = str(rng.choice(["trousers", "shorts", "skirt", "leggings", "sweatpants"], p=odds))
    upper = str(
        rng.choice(
            ["tee", "long", "shirt", "jacket", "tank", "hoodie"], p=[0.36, 0.2, 0.13, 0.13, 0.06, 0.12]
        )
    )
    shod = rng.random() < 0.88
    _put_on_socks(tailor, rng, shod=shod)
    tucked = rng.random() < 0.15
    if tucked:
        _put_on_top(tailor, upper, rng)
    _put_on_lower(tailor, lower, rng)
    if shod:
        put_on_shoes(tailor, shoe_style(rng), rng)
    if not tucked:
        _put_on_top(tailor, upper, rng)
    return upper, lower, "shoes" if shod else "no shoes"


def _put_on_socks(tailor: Tailor, rng: np.random.Generator, *, shod: bool) -> None:
    if rng.random() > (0.85 if shod else 0.45):
        return
    ankle_y = tailor.landmarks.ankles[:, 1].mean()
    w = tailor.regions.weights
    on_foot = np.where(
        w["foot"] + w["toes"] + w["shank"] > 0.5, ankle_y + rng.uniform(0.0, 0.12) - tailor.rest_m[:, 1], -1.0
    )
    fabric = tailor.add_material(cloth(rng, [Pattern.KNIT, Pattern.PLAIN], bump=0.1, muted=0.85))
    tailor.shell(on_foot.astype(np.float32), fabric, Category.SHOE, offset_m=0.003, smoothing=10)


def _waist_y_m(tailor: Tailor, rng: np.random.Generator) -> float:
    hip_y, neck_y = tailor.landmarks.hips[0, 1], tailor.landmarks.neck_base[1]
    return float(hip_y + rng.uniform(0.17, 0.27) * (neck_y - hip_y))


def _put_on_lower(tailor: Tailor, kind: str, rng: np.random.Generator) -> None:
    marks = tailor.landmarks
    knee_y, ankle_y, crotch_y = marks.knees[0, 1], marks.ankles[0, 1], marks.crotch_y_m
    waist_y = _waist_y_m(tailor, rng)
    folds = tailor.joint_creases(("knees", "hips", "ankles"))
    if kind == "skirt":
        _put_on_skirt(tailor, waist_y, rng)
        return
    if kind == "shorts":
        hem_y = crotch_y + rng.uniform(0.25, 1.0) * (knee_y - crotch_y)
        fabric = (
            denim(rng)
            if rng.random() < 0.25
            else cloth(rng, [Pattern.PLAIN, Pattern.PLAIN, Pattern.HEATHER], muted=0.7)
        )
        looseness, offset = rng.uniform(0.4, 1.0), rng.uniform(0.006, 0.014)
    elif kind == "leggings":
        hem_y = ankle_y + rng.uniform(0.0, 0.2)
        fabric, looseness, offset = cloth(rng, [Pattern.PLAIN], bump=0.08, muted=0.8), 0.0, 0.003
    else:
        hem_y = ankle_y + rng.uniform(-0.035, 0.05)
        jeans = kind == "trousers" and rng.random() < 0.5
        fabric = (
            denim(rng) if jeans else cloth(rng, [Pattern.PLAIN] * 5 + [Pattern.HEATHER], bump=0.4, muted=0.8)
        )
        looseness = rng.uniform(0.15, 0.9) if kind == "trousers" else rng.uniform(0.4, 0.8)
        offset = rng.uniform(0.005, 0.010) if kind == "trousers" else rng.uniform(0.010, 0.018)
    where = tailor.lower_field(waist_y, hem_y)
    slack = 0.06 if kind == "sweatpants" else rng.uniform(0.0, 0.08)
    tailor.shell(
        where,
        tailor.add_material(fabric),
        Category.LOWER,
        offset_m=offset,
        smoothing=8,
        looseness=looseness,
        slack=slack,
        crease=folds,
    )


def _put_on_skirt(tailor: Tailor, waist_y: float, rng: np.random.Generator) -> None:
    """A tube around hips and legs; its halves follow the thighs."""
    marks = tailor.landmarks
    fabric = denim(rng) if rng.random() < 0.2 else cloth(rng)
    row = tailor.add_material(fabric)
    hips_only = tailor.lower_field(waist_y, marks.hips[0, 1] - 0.02)
    tailor.shell(hips_only, row, Category.LOWER, offset_m=0.005, smoothing=8)
    knee_y, ankle_y = marks.knees[0, 1], marks.ankles[0, 1]
    hem_y = float(
        rng.choice(
            [
                rng.uniform(0.1, 0.5) * (marks.hips[0, 1] - knee_y) + knee_y,
                knee_y - rng.uniform(0.0, 0.1),
                ankle_y + 0.1,
            ],
            p=[0.5, 0.35, 0.15],
        )
    )
    flare = rng.uniform(0.02, 0.35)
    waves, wave_depth = rng.integers(5, 10), rng.uniform(0.0, 0.5)
    heights, angle = (
        np.linspace(waist_y - 0.01, hem_y - HEM_MARGIN_M, 18),
        np.linspace(0, 2 * np.pi, 48, endpoint=False),
    )
    near = (tailor.arm_share < 0.5) & (tailor.rest_m[:, 1] < waist_y + 0.05)
    p = tailor.worn_m[near]
    centre = p[np.abs(p[:, 1] - waist_y) < 0.03].mean(0)
    ray = np.stack([np.cos(angle), np.sin(angle)], 1)
    reach = (p[:, [0, 2]] - centre[[0, 2]]) @ ray.T
    grid = np.empty((len(heights), len(angle), 3))
    previous = np.zeros(len(angle))
    for k, y in enumerate(heights):
        level = np.abs(p[:, 1] - y) < 0.025
        radius = reach[level].max(0) + 0.009 if level.any() else previous
        if k:
            step = heights[k - 1] - y
            radius = np.maximum(radius, previous + flare * step * (1.0 + wave_depth * np.sin(waves * angle)))
            radius = np.minimum(radius, previous + 0.9 * step)
        previous = radius
        grid[k] = np.stack(
            [centre[0] + radius * ray[:, 0], np.full(len(angle), y), centre[2] + radius * ray[:, 1]], 1
        )
    rest = grid.reshape(-1, 3)
    node, weight = _skirt_weights(tailor, rest)
    r, c = np.meshgrid(np.arange(len(heights) - 1), np.arange(len(angle)), indexing="ij")
    a, b = (r * len(angle) + c).ravel(), (r * len(angle) + (c + 1) % len(angle)).ravel()
    faces = np.concatenate(
        [np.stack([a, a + len(angle), b], 1), np.stack([b, a + len(angle), b + len(angle)], 1)]
    )
    edge = (rest[:, 1] - hem_y).astype(np.float32)
    tailor.pieces.append(
        Piece(rest.astype(np.float32), node, weight, faces[:, ::-1].astype(np.int32).copy(), (rest - marks.neck_base).astype(np.float32),
              np.stack([edge, np.zeros_like(edge)], 1), edge, np.full(len(faces), row, np.int32), Category.LOWER)
    )  # fmt: skip
    on_body = (
        (tailor.arm_share < 0.5)
        & (tailor.rest_m[:, 1] < waist_y - 0.04)
        & (tailor.rest_m[:, 1] > hem_y + 0.16)
    )
    tailor.hide(on_body)


def _skirt_weights(
    tailor: Tailor, rest_m: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Pelvis at the waist, thighs below by side, a little of the shanks at the end."""
    marks, regions = tailor.landmarks, tailor.regions
    hip_y, knee_y = marks.hips[0, 1], marks.knees[0, 1]
    pelvis = (regions.weights["trunk"] > 0.8) & (np.abs(tailor.rest_m[:, 1] - hip_y - 0.06) < 0.05)
    sets = [mean_weights(tailor.node_index[pelvis], tailor.node_weight[pelvis])]
    for name in ("thigh", "shank"):
        for sign in (1, -1):
            chosen = regions.side(name, sign) > 0.9
            sets.append(mean_weights(tailor.node_index[chosen], tailor.node_weight[chosen]))
    right = 1.0 / (1.0 + np.exp(-rest_m[:, 2] / 0.04))
    down = np.clip((hip_y + 0.04 - rest_m[:, 1]) / 0.22, 0.0, 1.0)
    shank = 0.6 * np.clip((knee_y + 0.06 - rest_m[:, 1]) / 0.3, 0.0, 1.0)
    share = [
        1.0 - down,
        down * right * (1 - shank),
        down * (1 - right) * (1 - shank),
        down * right * shank,
        down * (1 - right) * shank,
    ]
    n_nodes = max(int(s[0].max()) for s in sets) + 5
    dense = np.zeros((len(rest_m), n_nodes))
    for part, (node, weight) in zip(share, sets, strict=True):
        for n, w in zip(node, weight, strict=True):
            dense[:, n] += part * w
    best = np.argsort(-dense, axis=1, kind="stable")[:, :5]
    weight5 = np.take_along_axis(dense, best, 1)
    return best.astype(np.int32), (weight5 / weight5.sum(1, keepdims=True)).astype(np.float32)


def _put_on_top(tailor: Tailor, kind: str, rng: np.random.Generator) -> None:
    marks = tailor.landmarks
    hip_y, neck_y = marks.hips[0, 1], marks.neck_base[1]
    upper_arm = float(np.linalg.norm(marks.elbows[0] - marks.shoulders[0]))
    arm = upper_arm + float(np.linalg.norm(marks.wrists[0] - marks.elbows[0]))
    hem_y = hip_y + rng.uniform(-0.06, 0.12) * (neck_y - hip_y)
    folds = tailor.joint_creases(("elbows", "shoulders", "hips"))
    fabric = cloth(rng)
    neckline = tailor.neck_field(
        rng.uniform(0.062, 0.085), rng.uniform(0.04, 0.12) if rng.random() < 0.25 else 0.0
    )
    sleeve = {"tee": rng.uniform(0.35, 0.85) * upper_arm, "tank": -0.012}.get(
        kind, arm - rng.uniform(-0.01, 0.03)
    )
    if kind in ("long", "shirt") and rng.random() < 0.25:
        sleeve = upper_arm + rng.uniform(0.05, 0.6) * (arm - upper_arm)  # rolled up
    loose, offset = rng.uniform(0.2, 0.9), rng.uniform(0.005, 0.010)
    if kind == "tank":
        neckline, loose = tailor.neck_field(rng.uniform(0.09, 0.105), 0.05), rng.uniform(0.0, 0.6)
    if kind in ("jacket", "hoodie"):
        loose, offset = rng.uniform(0.5, 0.9), rng.uniform(0.010, 0.016)
        fabric = cloth(rng, [Pattern.PLAIN] * 4 + [Pattern.HEATHER] * 2 + [Pattern.KNIT], bump=0.45)
        if kind == "hoodie":
            neckline = tailor.neck_field(0.052)
    if kind == "jacket":
        under = tailor.add_material(cloth(rng))
        tailor.shell(
            tailor.upper_field(hem_y, 0.1, neckline),
            under,
            Category.UPPER,
            offset_m=0.005,
            looseness=0.3,
            crease=folds,
        )
    where = tailor.upper_field(hem_y - (0.02 if kind == "jacket" else 0.0), sleeve, neckline)
    opened = kind == "jacket" and rng.random() < 0.6
    if opened:
        where = np.minimum(where, _front_opening(tailor, rng.uniform(0.02, 0.07), hip_y))
    row = tailor.add_material(fabric)
    tailor.shell(
        where,
        row,
        Category.UPPER,
        offset_m=offset,
        smoothing=6,
        looseness=loose,
        slack=rng.uniform(0.0, 0.12),
        crease=folds,
        hides=not opened,
    )
    if kind in ("shirt", "jacket", "hoodie"):
        _put_on_collar(tailor, row, hood=kind == "hoodie")
    if kind == "shirt" or (kind == "jacket" and not opened):
        _put_on_placket(tailor, where, rng)


def _front_opening(tailor: Tailor, width_m: float, hip_y: float) -> NDArray[np.float32]:
    """Distance from an open front that widens upwards and downwards."""
    height = np.abs(tailor.rest_m[:, 1] - hip_y - 0.2) / 0.3
    distance = np.abs(tailor.rest_m[:, 2]) - width_m * (0.5 + height)
    forward = tailor.rest_m[:, 0] > tailor.landmarks.neck_base[0] - 0.01
    return np.where(forward & (tailor.arm_share < 0.5), distance, 1.0).astype(np.float32)


def _put_on_collar(tailor: Tailor, row: int, *, hood: bool) -> None:
    base = tailor.landmarks.neck_base
    w = tailor.regions.weights
    height = tailor.rest_m[:, 1] - base[1] + 0.35 * (tailor.rest_m[:, 0] - base[0])
    low, high = (-0.06, 0.045) if hood else (-0.035, 0.03)
    band = np.minimum(height - low, high - height)
    radial = 0.105 - np.hypot(tailor.rest_m[:, 0] - base[0], tailor.rest_m[:, 2])
    gap = np.abs(tailor.rest_m[:, 2]) - (0.012 if hood else 0.016)
    front = np.where(tailor.rest_m[:, 0] > base[0], gap, 1.0)
    where = np.minimum(np.minimum(band, radial), front)
    near = (w["neck"] + w["trunk"] + w["shoulder"] > 0.5) & (w["head"] < 0.5)
    where = np.where(near, where, -1.0).astype(np.float32)
    tailor.shell(where, row, Category.UPPER, offset_m=0.016 if hood else 0.009, smoothing=6, hides=False)


def _put_on_placket(tailor: Tailor, cloth_field: NDArray[np.float32], rng: np.random.Generator) -> None:
    """The strip down a closed front, with buttons or a zip."""
    strip = np.where(
        tailor.rest_m[:, 0] > tailor.landmarks.neck_base[0], 0.016 - np.abs(tailor.rest_m[:, 2]), -1.0
    )
    where = np.minimum(strip, cloth_field).astype(np.float32)
    colour = cloth_colour(rng)
    row = tailor.add_material(
        Material(
            Pattern.STRIPES_ACROSS, tailor.materials[-1].colour, colour, rng.choice([13.0, 200.0]), hem=0.4
        )
    )
    tailor.shell(where, row, Category.UPPER, offset_m=0.002, smoothing=0, hides=False)
