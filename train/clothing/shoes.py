"""Shoes as lofts around the foot: sole with heel and toe spring, upper with toe box, laces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.clothing.garments import Category, Tailor
from train.clothing.lofts import blend_weights, grid_faces, loft_piece, mean_weights
from train.clothing.materials import Material, Pattern, cloth_colour, srgb

_STATIONS = 18
_ARC = 13
_FLEX_AT = (0.62, 0.78)
"""Share of the shoe's length over which it bends with the toes."""
_LEATHER = ((30, 28, 28), (74, 48, 32), (52, 36, 28), (112, 80, 54))
_SOLES = ((222, 220, 212), (222, 220, 212), (36, 36, 38), (160, 120, 80))
_DARK_UPPERS = ((14, 14, 15), (22, 22, 24), (32, 33, 36), (24, 28, 44), (52, 53, 56))
DARK_SHOE_ODDS = 0.4
"""Trainers and canvas shoes in black or nearly so."""
_DARK_SOLE_ODDS, _DARK_LACE_ODDS = 0.6, 0.8
"""Dark shoes with soles and laces as dark as they are."""
_LACES = ((226, 224, 220), (40, 40, 42), (130, 130, 132))


@dataclass(frozen=True, slots=True)
class ShoeStyle:
    """Dimensions of a shoe, in m."""

    sole_m: float
    """Thickness under the foot."""
    collar_m: float
    """Height of the opening above the foot's sole."""
    toe_height_m: float
    toe_room_m: float
    wall_m: float
    """Thickness of the upper."""
    laces: bool
    leather: bool
    """Smooth, with a gap under the instep before the heel."""


def shoe_style(rng: np.random.Generator) -> ShoeStyle:
    """Trainers mostly, then canvas shoes, leather shoes and boots."""
    kind = rng.choice(["trainer", "canvas", "leather", "boot"], p=[0.55, 0.2, 0.15, 0.1])
    jitter = rng.uniform(0.85, 1.15)
    if kind == "trainer":
        return ShoeStyle(0.028 * jitter, 0.078, 0.058, 0.016, 0.008, laces=True, leather=False)
    if kind == "canvas":
        return ShoeStyle(0.019, 0.072, 0.048, 0.012, 0.005, laces=True, leather=False)
    if kind == "leather":
        laced = bool(rng.random() < 0.6)
        return ShoeStyle(0.022 * jitter, 0.068, 0.044, 0.022, 0.005, laces=laced, leather=True)
    return ShoeStyle(0.030 * jitter, 0.125, 0.058, 0.016, 0.009, laces=True, leather=True)


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

    @property
    def share(self) -> NDArray[np.float64]:
        """How far along the shoe each station is, 0 to 1."""
        return (self.station_m - self.station_m[0]) / self.length_m


def _measure(foot_m: NDArray[np.float32], toes_m: NDArray[np.float32], style: ShoeStyle) -> _Foot:
    """Width and height of the foot at stations from behind the heel to beyond the toes."""
    floor_y = float(min(foot_m[:, 1].min(), toes_m[:, 1].min()))
    low_part = foot_m[foot_m[:, 1] < floor_y + 0.05]
    forward = (toes_m.mean(0) - low_part.mean(0)) * np.array([1.0, 0.0, 1.0])
    forward = forward / np.linalg.norm(forward)
    axes = np.stack([forward, [0.0, 1.0, 0.0], np.cross(forward, [0.0, 1.0, 0.0])])
    both = np.concatenate([low_part, toes_m])
    origin = np.array([both[:, 0].mean(), floor_y, both[:, 2].mean()])
    sole = (both - origin) @ axes.T
    whole = (np.concatenate([foot_m, toes_m]) - origin) @ axes.T
    start, end = sole[:, 0].min() - 0.006, sole[:, 0].max() + style.toe_room_m
    station = start + (end - start) * 0.5 * (1.0 - np.cos(np.pi * np.linspace(0.0, 1.0, _STATIONS)))
    low, high, top = np.zeros(_STATIONS), np.zeros(_STATIONS), np.zeros(_STATIONS)
    for k, x in enumerate(np.clip(station, sole[:, 0].min() + 0.02, sole[:, 0].max() - 0.012)):
        near, above = np.abs(sole[:, 0] - x) < 0.016, np.abs(whole[:, 0] - x) < 0.012
        low[k], high[k] = sole[near, 2].min(), sole[near, 2].max()
        top[k] = whole[above, 1].max() if above.any() else 0.03
    for values in (low, high, top, low, high, top):
        values[1:-1] = np.convolve(values, [0.25, 0.5, 0.25], "valid")
    return _Foot(origin, axes, station, low, high, top, float(end - start))


def _rings(foot: _Foot, style: ShoeStyle) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of the upper (stations, _ARC, 3) and the sole (stations, 6, 3) in the foot's axes."""
    share = foot.share
    toe, heel = np.clip((share - 0.80) / 0.20, 0, 1), np.clip((0.16 - share) / 0.16, 0, 1)
    close = np.sqrt(np.clip(1.0 - toe**2.3, 0, 1)) * np.sqrt(np.clip(1.0 - heel**2.5, 0, 1))
    centre, half = 0.5 * (foot.low + foot.high), (0.5 * (foot.high - foot.low) + style.wall_m) * close
    height = np.clip(foot.top + style.wall_m + 0.004, style.toe_height_m, style.collar_m)
    height = height * np.sqrt(np.clip(1.0 - 0.55 * toe**2.5, 0, 1))
    spring = 0.010 * np.clip((share - 0.72) / 0.28, 0, 1) ** 1.6
    turn = np.linspace(0.0, np.pi, _ARC)
    side, lift = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.75, np.sin(turn) ** 0.7
    upper = np.empty((_STATIONS, _ARC, 3))
    upper[..., 0] = foot.station_m[:, None]
    upper[..., 1] = (spring - 0.004)[:, None] + (height - spring)[:, None] * lift
    upper[..., 2] = centre[:, None] + half[:, None] * side * (1.0 - 0.15 * lift)  # leans in
    depth = np.full(_STATIONS, style.sole_m)
    if style.leather:
        depth -= 0.6 * style.sole_m * np.exp(-(((share - 0.46) / 0.07) ** 2))
    sole = np.empty((_STATIONS, 6, 3))
    sole[..., 0] = foot.station_m[:, None]
    profile = [(0.96, 0.012), (1.0, 0.006), (0.97, None), (-0.97, None), (-1.0, 0.006), (-0.96, 0.012)]
    for k, (edge, level) in enumerate(profile):
        sole[:, k, 1] = spring - depth if level is None else spring + level
        sole[:, k, 2] = centre + (half + 0.004 * close) * edge
    return upper, sole


def _materials(tailor: Tailor, style: ShoeStyle, rng: np.random.Generator) -> tuple[int, int, int]:
    """Rows of upper, laces and sole."""
    if style.leather:
        colour = srgb(*_LEATHER[rng.integers(len(_LEATHER))])
        upper = Material(Pattern.PLAIN, colour, colour, grain=0.06, specular=0.08, gloss=30.0)
        sole, laces = srgb(34, 28, 26), srgb(28, 26, 26)
    else:
        dark = rng.random() < DARK_SHOE_ODDS
        colour = (
            srgb(*_DARK_UPPERS[rng.integers(len(_DARK_UPPERS))]) if dark else cloth_colour(rng, muted=0.7)
        )
        weave = colour * np.float32(0.75)
        upper = Material(Pattern.HEATHER, colour, weave, grain=0.06, bump=0.1, specular=0.03)
        sole, laces = srgb(*_SOLES[rng.integers(len(_SOLES))]), srgb(*_LACES[rng.integers(len(_LACES))])
        if dark and rng.random() < _DARK_SOLE_ODDS:
            sole = srgb(*(np.array([30, 30, 32]) * rng.uniform(0.6, 2.2)))
        if dark and rng.random() < _DARK_LACE_ODDS:
            laces = colour * np.float32(1.2)
    return (
        tailor.add_material(upper),
        tailor.add_material(Material(Pattern.STRIPES_ACROSS, laces, upper.colour, 75.0, grain=0.06)),
        tailor.add_material(Material(Pattern.PLAIN, sole, sole, grain=0.06)),
    )


def put_on_shoes(tailor: Tailor, style: ShoeStyle, rng: np.random.Generator) -> None:
    """Add both shoes and hide the feet in them."""
    rows = _materials(tailor, style, rng)
    for sign in (1, -1):
        _put_on_shoe(tailor, style, sign, rows)


def _put_on_shoe(tailor: Tailor, style: ShoeStyle, sign: int, rows: tuple[int, int, int]) -> None:
    toes = tailor.regions.side("toes", sign) > 0.5
    foot = (tailor.regions.side("foot", sign) > 0.5) & ~toes
    measured = _measure(tailor.worn_m[foot], tailor.worn_m[toes], style)
    upper, sole = _rings(measured, style)
    share = measured.share
    bend = np.clip((share - _FLEX_AT[0]) / (_FLEX_AT[1] - _FLEX_AT[0]), 0, 1)
    heel = foot & (tailor.rest_m[:, 1] < measured.origin[1] + 0.06)
    sets = [mean_weights(tailor.node_index[part], tailor.node_weight[part]) for part in (heel, toes)]
    for points, closed in ((upper, False), (sole, True)):
        columns = points.shape[1]
        local = points.reshape(-1, 3)
        faces = grid_faces(_STATIONS, columns, closed=closed, flip=closed)
        material = np.full(len(faces), rows[2 if closed else 0], np.int32)
        if not closed and style.laces:
            column = np.abs(faces % columns - _ARC // 2).max(1)
            along = share[faces // columns].mean(1)
            material[(column <= 1) & (along > 0.38) & (along < 0.70)] = rows[1]
        bend_here = np.repeat(bend, columns)
        influence = blend_weights(sets, [1.0 - bend_here, bend_here])
        rest_m = measured.origin + local @ measured.axes
        tailor.pieces.append(
            loft_piece(rest_m, faces, influence, local[:, [1, 0, 2]], material, Category.SHOE)
        )
    inside = (tailor.rest_m - measured.origin) @ measured.axes.T
    tailor.hide(toes | (foot & (inside[:, 1] < style.collar_m - 0.012)))
