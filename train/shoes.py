"""Shoes as lofts around the foot: sole with heel and toe spring, upper with toe box, laces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.garments import Category, Piece, Tailor
from train.materials import Material, Pattern, cloth_colour, srgb

_STATIONS = 18
_ARC = 13
_FLEX_AT = (0.62, 0.78)
"""Share of the shoe's length over which it bends with the toes."""


@dataclass(frozen=True, slots=True)
class ShoeStyle:
    """Dimensions of a shoe, in m."""

    sole_m: float
    heel_m: float
    """Sole under the heel."""
    collar_m: float
    """Height of the opening above the foot's sole."""
    toe_height_m: float
    toe_room_m: float
    wall_m: float
    """Thickness of the upper."""
    laces: bool
    arched: bool
    """A gap under the instep, as of dress shoes."""


def shoe_style(rng: np.random.Generator) -> ShoeStyle:
    """Trainers mostly, then canvas shoes, leather shoes and boots."""
    kind = rng.choice(["trainer", "canvas", "leather", "boot"], p=[0.55, 0.2, 0.15, 0.1])
    jitter = rng.uniform(0.85, 1.15)
    if kind == "trainer":
        return ShoeStyle(0.024 * jitter, 0.032 * jitter, 0.078, 0.058, 0.016, 0.008, True, False)
    if kind == "canvas":
        return ShoeStyle(0.018, 0.020, 0.072, 0.048, 0.012, 0.005, True, False)
    if kind == "leather":
        return ShoeStyle(0.010, 0.026 * jitter, 0.068, 0.044, 0.022, 0.004, bool(rng.random() < 0.6), True)
    return ShoeStyle(0.024, 0.034 * jitter, 0.125, 0.058, 0.016, 0.009, True, True)


@dataclass(frozen=True, slots=True, eq=False)
class _Foot:
    """A foot's vertices in its own axes (along, up, right) and its outline by station."""

    origin: NDArray[np.float64]
    axes: NDArray[np.float64]
    station_m: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    top: NDArray[np.float64]
    length_m: float


def _measure(foot_m: NDArray[np.float32], toes_m: NDArray[np.float32], style: ShoeStyle) -> _Foot:
    """Width and height of the foot at stations from behind the heel to beyond the toes."""
    floor_y = float(min(foot_m[:, 1].min(), toes_m[:, 1].min()))
    low_part = foot_m[foot_m[:, 1] < floor_y + 0.05]
    forward = toes_m.mean(0) - low_part.mean(0)
    forward[1] = 0.0
    forward = forward / np.linalg.norm(forward)
    axes = np.stack([forward, [0.0, 1.0, 0.0], np.cross(forward, [0.0, 1.0, 0.0])])
    both = np.concatenate([low_part, toes_m])
    origin = np.array([both[:, 0].mean(), floor_y, both[:, 2].mean()])
    local = (both - origin) @ axes.T
    every = (np.concatenate([foot_m, toes_m]) - origin) @ axes.T
    start, end = local[:, 0].min() - 0.006, local[:, 0].max() + style.toe_room_m
    length = end - start
    station = start + length * 0.5 * (1.0 - np.cos(np.pi * np.linspace(0.0, 1.0, _STATIONS)))
    low, high, top = (np.zeros(_STATIONS) for _ in range(3))
    inner = np.clip(station, local[:, 0].min() + 0.02, local[:, 0].max() - 0.012)
    for k, x in enumerate(inner):
        near, above = local[np.abs(local[:, 0] - x) < 0.016], every[np.abs(every[:, 0] - x) < 0.012]
        low[k], high[k] = near[:, 2].min(), near[:, 2].max()
        top[k] = above[:, 1].max() if len(above) else 0.03
    kernel = np.array([0.25, 0.5, 0.25])
    for values in (low, high, top):
        for _ in range(2):
            values[1:-1] = np.convolve(values, kernel, "valid")
    return _Foot(origin, axes, station, low, high, top, float(length))


def _rings(foot: _Foot, style: ShoeStyle) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of the upper (stations, _ARC, 3) and the sole (stations, 6, 3) in the foot's axes."""
    share = (foot.station_m - foot.station_m[0]) / foot.length_m
    toe, heel = np.clip((share - 0.80) / 0.20, 0, 1), np.clip((0.16 - share) / 0.16, 0, 1)
    close = np.sqrt(np.clip(1.0 - toe**2.3, 0, 1)) * np.sqrt(np.clip(1.0 - heel**2.5, 0, 1))
    centre, half = 0.5 * (foot.low + foot.high), (0.5 * (foot.high - foot.low) + style.wall_m) * close
    height = np.clip(foot.top + style.wall_m, style.toe_height_m, style.collar_m)
    rise = np.interp(share, [0.0, 0.12, 0.45, 0.75, 1.0], [style.collar_m, style.collar_m, 1.0, 1.0, 1.0])
    height = np.minimum(height, rise) * np.sqrt(np.clip(1.0 - 0.55 * toe**2.5, 0, 1))
    spring = 0.010 * np.clip((share - 0.72) / 0.28, 0, 1) ** 1.6
    turn = np.linspace(0.0, np.pi, _ARC)
    side, lift = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.75, np.sin(turn) ** 0.75
    inward = 1.0 - 0.22 * lift  # the upper leans in
    upper = np.empty((_STATIONS, _ARC, 3))
    upper[..., 0] = foot.station_m[:, None]
    upper[..., 1] = (spring - 0.004)[:, None] + (height - spring)[:, None] * lift
    upper[..., 2] = centre[:, None] + half[:, None] * side * inward
    depth = np.interp(share, [0.0, 0.34, 0.46, 1.0], [style.heel_m, style.heel_m, style.sole_m, style.sole_m])
    if style.arched:
        depth = depth - (depth - 0.3 * style.sole_m) * np.exp(-(((share - 0.46) / 0.07) ** 2))
    flare = half + 0.004 * close
    sole = np.empty((_STATIONS, 6, 3))
    sole[..., 0] = foot.station_m[:, None]
    for k, (edge, level) in enumerate(
        [(0.96, 0.012), (1.0, 0.006), (0.97, None), (-0.97, None), (-1.0, 0.006), (-0.96, 0.012)]
    ):
        sole[:, k, 1] = spring - depth if level is None else spring + level
        sole[:, k, 2] = centre + flare * edge
    return upper, sole


def _loft(rows: int, columns: int, *, closed: bool, flip: bool) -> NDArray[np.int32]:
    """Triangles of a grid of points; `closed` joins the last column to the first."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    d, e = a + columns, b + columns
    faces = np.concatenate([np.stack([a, d, b], -1).reshape(-1, 3), np.stack([b, d, e], -1).reshape(-1, 3)])
    return np.ascontiguousarray(faces[:, ::-1] if flip else faces, np.int32)


def mean_weights(
    node: NDArray[np.int32], weight: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The five nodes that hold most of a set of vertices. Shapes: (5,), (5,)."""
    total = np.bincount(node.ravel(), weight.ravel())
    total = np.concatenate([total, np.zeros(5)])
    best = np.argsort(-total, kind="stable")[:5]
    best[total[best] <= 0] = best[0]
    share = np.where(np.arange(5) == 0, total[best], np.where(best == best[0], 0.0, total[best]))
    return best.astype(np.int32), (share / share.sum()).astype(np.float32)


def blend_weights(
    first: tuple[NDArray[np.int32], NDArray[np.float32]],
    second: tuple[NDArray[np.int32], NDArray[np.float32]],
    share: NDArray[np.floating],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Per-vertex weights between two sets; `share` of the second. Shapes: (n, 5), (n, 5)."""
    n_nodes = int(max(first[0].max(), second[0].max())) + 1
    dense = np.zeros((2, max(n_nodes, 5)))
    for row, (node, weight) in enumerate((first, second)):
        np.add.at(dense[row], node, weight)
    mixed = (1.0 - share)[:, None] * dense[0] + share[:, None] * dense[1]
    best = np.argsort(-mixed, axis=1, kind="stable")[:, :5]
    weight = np.take_along_axis(mixed, best, 1)
    return best.astype(np.int32), (weight / weight.sum(1, keepdims=True)).astype(np.float32)


def put_on_shoes(tailor: Tailor, style: ShoeStyle, rng: np.random.Generator) -> None:
    """Add both shoes and hide the feet in them."""
    leather = style.arched
    shades = [(30, 28, 28), (74, 48, 32), (52, 36, 28), (112, 80, 54)]
    if leather:
        upper = Material(
            Pattern.PLAIN,
            srgb(*shades[rng.integers(4)]),
            srgb(20, 20, 20),
            grain=0.06,
            specular=0.08,
            gloss=30.0,
        )
    else:
        colour = cloth_colour(rng, muted=0.7)
        upper = Material(
            Pattern.HEATHER, colour, colour * np.float32(0.75), grain=0.06, bump=0.1, specular=0.03
        )
    soles = [(222, 220, 212), (222, 220, 212), (36, 36, 38), (160, 120, 80)]
    sole_colour = srgb(34, 28, 26) if leather else srgb(*soles[rng.integers(4)])
    lace_colour = (
        srgb(28, 26, 26)
        if leather
        else srgb(*[(226, 224, 220), (40, 40, 42), (130, 130, 132)][rng.integers(3)])
    )
    rows = [
        tailor.add_material(upper),
        tailor.add_material(Material(Pattern.STRIPES_ACROSS, lace_colour, upper.colour, 75.0, grain=0.06)),
        tailor.add_material(Material(Pattern.PLAIN, sole_colour, sole_colour, grain=0.06)),
    ]
    for sign in (1, -1):
        _put_on_shoe(tailor, style, sign, rows)


def _put_on_shoe(tailor: Tailor, style: ShoeStyle, sign: int, rows: list[int]) -> None:
    toes = tailor.regions.side("toes", sign) > 0.5
    foot = (tailor.regions.side("foot", sign) > 0.5) & ~toes
    measured = _measure(tailor.worn_m[foot], tailor.worn_m[toes], style)
    upper, sole = _rings(measured, style)
    share = (measured.station_m - measured.station_m[0]) / measured.length_m
    bend = np.clip((share - _FLEX_AT[0]) / (_FLEX_AT[1] - _FLEX_AT[0]), 0, 1)
    heel = foot & (tailor.rest_m[:, 1] < measured.origin[1] + 0.06)
    sets = [mean_weights(tailor.node_index[part], tailor.node_weight[part]) for part in (heel, toes)]
    for points, closed in ((upper, False), (sole, True)):
        columns = points.shape[1]
        local = points.reshape(-1, 3)
        faces = _loft(_STATIONS, columns, closed=closed, flip=closed)
        node, weight = blend_weights(*sets, np.repeat(bend, columns))
        material = np.full(len(faces), rows[2 if closed else 0], np.int32)
        if not closed and style.laces:
            column = np.abs(faces % columns - _ARC // 2).max(1)
            along = share[faces // columns].mean(1)
            material[(column <= 1) & (along > 0.38) & (along < 0.70)] = rows[1]
        detail = np.tile(np.float32([1.0, 0.0]), (len(local), 1))
        rest = (measured.origin + local @ measured.axes).astype(np.float32)
        coordinates = local[:, [1, 0, 2]].astype(np.float32)
        clip = np.ones(len(local), np.float32)
        tailor.pieces.append(
            Piece(rest, node, weight, faces, coordinates, detail, clip, material, Category.SHOE)
        )
    inside = (tailor.rest_m - measured.origin) @ measured.axes.T
    tailor.hide(toes | (foot & (inside[:, 1] < 0.6 * style.collar_m)))
