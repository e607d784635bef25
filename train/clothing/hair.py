"""Hair and headwear: caps cut from the head, curtains of long hair, buns, and hats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from train.bodies.mesh import distances_m
from train.clothing.faces import hairlines_m
from train.clothing.garments import Category, Field, Tailor
from train.clothing.lofts import (
    Influence,
    blend_weights,
    constant_weights,
    grid_faces,
    loft_piece,
    mean_weights,
)
from train.clothing.materials import Colour, Material, Pattern, cloth

STYLES = ("bald", "buzz", "short", "medium", "long", "bun", "ponytail", "curly", "receding", "cap", "beanie")
MASCULINE = np.array([0.06, 0.2, 0.46, 0.04, 0.02, 0.01, 0.01, 0.06, 0.06, 0.05, 0.03])
FEMININE = np.array([0.0, 0.03, 0.12, 0.22, 0.29, 0.1, 0.11, 0.07, 0.0, 0.03, 0.03])

_CURTAIN_ROWS, _CURTAIN_COLUMNS = 14, 25
_MARGIN_M = 0.02
"""Heads are finely meshed."""


def hair_material(rng: np.random.Generator, colour: Colour) -> Material:
    """Strands."""
    bright = np.minimum(colour * np.float32(rng.uniform(1.4, 2.2)) + 0.004, 0.9)
    return Material(Pattern.HAIR, colour * np.float32(0.7), bright, 60.0, 0.12, 0.5, 45.0, 0.05, 18.0, 0.3)


def from_eyes_m(tailor: Tailor) -> NDArray[np.float32]:
    """Canonical position relative to the middle of the mean head's eyes. Shape: (n_vertices, 3)."""
    eye = tailor.regions.weights["eye"] > 0.5
    return (tailor.regions.canonical_m - tailor.regions.canonical_m[eye].mean(0)).astype(np.float32)


def hairline_field(tailor: Tailor, *, recede_m: float = 0.0) -> Field:
    """Positive where hair grows."""
    p = from_eyes_m(tailor)
    line = hairlines_m(p)
    line = line + np.where(p[:, 0] > -0.05, recede_m, 0.0)
    ear = (np.abs(p[:, 2]) > 0.0715) & (p[:, 0] > -0.095) & (p[:, 0] < -0.05) & (p[:, 1] < 0.012)
    where = p[:, 1] - line
    on_head = (tailor.regions.weights["head"] + tailor.regions.weights["neck"] > 0.5) & (
        tailor.regions.weights["eye"] < 0.1
    )
    return np.where(on_head & ~ear, where, -0.05).astype(np.float32)


def _cap(
    tailor: Tailor,
    where: Field,
    material: int,
    thickness_m: float,
    category: Category,
    rng: np.random.Generator,
) -> None:
    """A shell on the head, thicker on top, uneven as hair is."""
    p = from_eyes_m(tailor)
    top = np.clip((p[:, 1] - 0.02) / 0.08, 0.0, 1.0)
    uneven = sum(np.sin(p @ rng.normal(0, f, 3) + rng.uniform(0, 6)) for f in (30, 60, 90)) / 3.0
    taper = np.clip(where / 0.02, 0.25, 1.0)
    offset = thickness_m * (0.45 + 0.55 * top) * (1.0 + 0.3 * uneven) * taper
    tailor.shell(
        where, material, category, offset_m=offset.astype(np.float32), smoothing=2, margin_m=_MARGIN_M
    )


def _curtain(tailor: Tailor, material: int, end_y_m: float, opening: float, thickness_m: float) -> None:
    """Hair falling around the back of the head to `end_y_m`; `opening`: half angle left free at the face."""
    rest_m = _curtain_points(tailor, end_y_m, opening, thickness_m).reshape(-1, 3)
    marks, regions = tailor.landmarks, tailor.regions
    head = regions.weights["head"] > 0.5
    back = (regions.weights["trunk"] > 0.5) & (distances_m(tailor.rest_m, marks.neck_base) < 0.13)
    sets = [mean_weights(tailor.node_index[part], tailor.node_weight[part]) for part in (head, back)]
    chin_y = float(marks.eyes[:, 1].mean()) - 0.11
    fall = np.clip((chin_y + 0.02 - rest_m[:, 1]) / 0.16, 0.0, 1.0)
    ragged = rest_m[:, 1] - end_y_m - 0.01 - 0.010 * np.abs(np.sin(1.7 * np.arange(len(rest_m))))
    influence = blend_weights(sets, [1.0 - fall, fall])
    faces = grid_faces(_CURTAIN_ROWS, _CURTAIN_COLUMNS, flip=True)
    coordinates = rest_m - marks.neck_base
    piece = loft_piece(
        rest_m, faces, influence, coordinates, material, Category.HAIR, np.minimum(ragged, 1.0)
    )
    tailor.pieces.append(piece)


def _curtain_points(
    tailor: Tailor, end_y_m: float, opening: float, thickness_m: float
) -> NDArray[np.float64]:
    """Rows of points that lie on what is beneath. Shape: (_CURTAIN_ROWS, _CURTAIN_COLUMNS, 3)."""
    top_y = float(tailor.landmarks.eyes[:, 1].mean()) + 0.05
    crown = (tailor.regions.weights["head"] > 0.5) & (tailor.rest_m[:, 1] > top_y - 0.04)
    axis = tailor.worn_m[crown].mean(0)
    angle = np.linspace(opening, 2.0 * np.pi - opening, _CURTAIN_COLUMNS)
    ray = np.stack([np.cos(angle), np.sin(angle)], 1)
    p = tailor.worn_m[(tailor.arm_share < 0.5) & (tailor.rest_m[:, 1] > end_y_m - 0.1)]
    flat = p[:, [0, 2]] - axis[[0, 2]]
    reach, aside = flat @ ray.T, np.abs(flat @ np.stack([-ray[:, 1], ray[:, 0]]))
    points = np.empty((_CURTAIN_ROWS, _CURTAIN_COLUMNS, 3))
    previous = np.zeros(_CURTAIN_COLUMNS)
    for k, y in enumerate(np.linspace(top_y, end_y_m, _CURTAIN_ROWS)):
        close = (np.abs(p[:, 1] - y) < 0.02)[:, None] & (aside < 0.02)
        # The first rows hide under the cap.
        radius = np.where(close, reach, 0.0).max(0) + thickness_m * min(0.6 * k - 1.2, 1.0)
        radius = np.maximum(np.minimum(radius, 0.17), previous - 0.012)
        previous = np.convolve(np.concatenate([radius[:1], radius, radius[-1:]]), [0.25, 0.5, 0.25], "valid")
        narrow = 1.0 - 0.25 * (k / _CURTAIN_ROWS) ** 3
        points[k, :, 0] = axis[0] + narrow * previous * ray[:, 0]
        points[k, :, 1] = y
        points[k, :, 2] = axis[2] + previous * ray[:, 1]
    return points


def _head_influence(tailor: Tailor, n_vertices: int) -> Influence:
    head = tailor.regions.weights["head"] > 0.5
    return constant_weights(mean_weights(tailor.node_index[head], tailor.node_weight[head]), n_vertices)


def _blob(
    tailor: Tailor, material: int, centre_m: NDArray[np.float64], size_m: NDArray[np.float64], sway_m: float
) -> None:
    """An ellipsoid of hair that moves with the head; its lower end hangs back by `sway_m`."""
    rows, columns = 9, 14
    polar, turn = np.meshgrid(
        np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns, endpoint=False), indexing="ij"
    )
    unit = np.stack([np.sin(polar) * np.cos(turn), np.cos(polar), np.sin(polar) * np.sin(turn)], -1)
    unit = unit.reshape(-1, 3)
    rest_m = centre_m + unit * size_m
    rest_m[:, 0] -= sway_m * np.maximum(-unit[:, 1], 0.0) ** 2
    faces = grid_faces(rows, columns, closed=True, flip=True)
    influence = _head_influence(tailor, len(rest_m))
    coordinates = rest_m - tailor.landmarks.neck_base
    tailor.pieces.append(loft_piece(rest_m, faces, influence, coordinates, material, Category.HAIR))


def put_on_hair(tailor: Tailor, colour: Colour, rng: np.random.Generator, *, masculine: bool) -> str:
    """Add a random style; returns its name (`STYLES`)."""
    style = str(rng.choice(STYLES, p=MASCULINE if masculine else FEMININE))
    if style in ("bald", "buzz"):
        return style
    material = tailor.add_material(hair_material(rng, colour))
    eyes_y = float(tailor.landmarks.eyes[:, 1].mean())
    if style in ("cap", "beanie"):
        _cap(tailor, hairline_field(tailor), material, 0.007, Category.HAIR, rng)
        if not masculine:
            _curtain(tailor, material, eyes_y - rng.uniform(0.1, 0.35), 1.6, 0.012)
        _put_on_hat(tailor, style, rng)
        return style
    recede = rng.uniform(0.01, 0.022) if style == "receding" else rng.uniform(-0.012, 0.006)
    by_style = {"short": rng.uniform(0.008, 0.022), "curly": rng.uniform(0.025, 0.055), "receding": 0.007}
    thickness = by_style.get(style, 0.014)
    _cap(tailor, hairline_field(tailor, recede_m=recede), material, thickness, Category.HAIR, rng)
    if style == "medium":
        _curtain(tailor, material, eyes_y - rng.uniform(0.06, 0.14), rng.uniform(1.25, 1.65), 0.010)
    elif style == "long":
        _curtain(tailor, material, eyes_y - rng.uniform(0.2, 0.42), rng.uniform(1.35, 1.8), 0.010)
    elif style in ("bun", "ponytail"):
        head = tailor.worn_m[tailor.regions.weights["head"] > 0.5]
        back = np.array([head[:, 0].min(), eyes_y + rng.uniform(0.02, 0.09), 0.0])
        if style == "bun":
            _blob(tailor, material, back, np.full(3, rng.uniform(0.028, 0.042)), 0.0)
        else:
            length = rng.uniform(0.08, 0.16)
            _blob(tailor, material, back - [0.018, length, 0.0], np.array([0.028, length, 0.034]), 0.02)
    return style


def _put_on_hat(tailor: Tailor, style: str, rng: np.random.Generator) -> None:
    """A baseball cap or a beanie over the hair."""
    p = from_eyes_m(tailor)
    band = p[:, 1] - (0.050 if style == "cap" else 0.042) - 0.1 * p[:, 0]
    band += (0.024 if style == "cap" else 0.06) * np.minimum(p[:, 0] + 0.06, 0.0)
    on_head = (tailor.regions.weights["head"] > 0.5) & (tailor.regions.weights["eye"] < 0.1)
    where = np.where(on_head, band, -0.05).astype(np.float32)
    fabric = tailor.add_material(cloth(rng, [Pattern.PLAIN, Pattern.PLAIN, Pattern.KNIT], bump=0.15))
    offset = np.float32(0.008 if style == "cap" else 0.012)
    tailor.shell(where, fabric, Category.ACCESSORY, offset_m=float(offset), smoothing=5, margin_m=_MARGIN_M)
    if style == "cap":
        _visor(tailor, fabric)


def _visor(tailor: Tailor, material: int) -> None:
    """The peak of a cap, forward of the brow."""
    p = tailor.worn_m[tailor.regions.weights["head"] > 0.5]
    y = float(tailor.landmarks.eyes[:, 1].mean()) + 0.056
    brow = p[np.abs(p[:, 1] - y) < 0.012]
    front, half = float(brow[:, 0].max()), 0.85 * float(np.abs(brow[:, 2]).max())
    rows, columns = 5, 11
    t, s = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    x = front - 0.055 * s**2 - 0.01 + t * 0.075 * np.sqrt(1.0 - 0.8 * s**2)
    rest_m = np.stack([x, y - 0.016 * t - 0.014 * s**2, half * s], -1).reshape(-1, 3)
    influence = _head_influence(tailor, len(rest_m))
    coordinates = rest_m - tailor.landmarks.neck_base
    faces = grid_faces(rows, columns)
    tailor.pieces.append(loft_piece(rest_m, faces, influence, coordinates, material, Category.ACCESSORY))
