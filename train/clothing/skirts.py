"""Skirts: a tube around hips and legs whose halves follow the thighs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from train.clothing.garments import HEM_MARGIN_M, Category, Tailor
from train.clothing.lofts import Influence, blend_weights, grid_faces, loft_piece, mean_weights
from train.clothing.materials import cloth, denim

_ROWS, _COLUMNS = 18, 48


def put_on_skirt(tailor: Tailor, waist_y_m: float, rng: np.random.Generator) -> None:
    """Add a skirt from the waist to somewhere between thighs and shins."""
    marks = tailor.landmarks
    row = tailor.add_material(denim(rng) if rng.random() < 0.2 else cloth(rng))
    band = tailor.lower_field(waist_y_m, marks.hips[0, 1] - 0.02)
    tailor.shell(band, row, Category.LOWER, offset_m=0.005, smoothing=8)
    hem_y_m = _hem_y_m(tailor, rng)
    rest_m = _tube(tailor, waist_y_m, hem_y_m, rng).reshape(-1, 3)
    tailor.pieces.append(
        loft_piece(
            rest_m, grid_faces(_ROWS, _COLUMNS, closed=True, flip=True), _weights(tailor, rest_m),
            rest_m - marks.neck_base, row, Category.LOWER, rest_m[:, 1] - hem_y_m,
        )
    )  # fmt: skip
    y = tailor.rest_m[:, 1]
    tailor.hide((tailor.arm_share < 0.5) & (y < waist_y_m - 0.04) & (y > hem_y_m + 0.16))


def _hem_y_m(tailor: Tailor, rng: np.random.Generator) -> float:
    """Above the knees, just below them, or near the ankles."""
    marks = tailor.landmarks
    hip_y, knee_y, ankle_y = marks.hips[0, 1], marks.knees[0, 1], marks.ankles[0, 1]
    length = rng.choice(["short", "knee", "long"], p=[0.55, 0.38, 0.07])
    if length == "short":
        return float(knee_y + rng.uniform(0.1, 0.5) * (hip_y - knee_y))
    return float(knee_y - rng.uniform(0.0, 0.1)) if length == "knee" else float(ankle_y + 0.1)


def _tube(tailor: Tailor, waist_y_m: float, hem_y_m: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points from the waist down, never nearer to the axis than above. Shape: (_ROWS, _COLUMNS, 3)."""
    flare, wave_depth, waves = rng.uniform(0.02, 0.22), rng.uniform(0.0, 0.5), rng.integers(5, 10)
    heights = np.linspace(waist_y_m - 0.01, hem_y_m - HEM_MARGIN_M, _ROWS)
    angle = np.linspace(0.0, 2.0 * np.pi, _COLUMNS, endpoint=False)
    ray = np.stack([np.cos(angle), np.sin(angle)], 1)
    p = tailor.worn_m[(tailor.arm_share < 0.5) & (tailor.rest_m[:, 1] < waist_y_m + 0.05)]
    centre = p[np.abs(p[:, 1] - waist_y_m) < 0.03].mean(0)
    reach = (p[:, [0, 2]] - centre[[0, 2]]) @ ray.T
    points = np.empty((_ROWS, _COLUMNS, 3))
    step = heights[0] - heights[1]
    spread = flare * step * (1.0 + wave_depth * np.sin(waves * angle))
    previous = np.zeros(_COLUMNS)
    for k, y in enumerate(heights):
        level = np.abs(p[:, 1] - y) < 0.025
        radius = reach[level].max(0) + 0.009 if level.any() else previous
        if k:
            radius = np.clip(radius, previous + spread, previous + 0.9 * step)
        previous = radius
        points[k, :, 0], points[k, :, 2] = centre[0] + radius * ray[:, 0], centre[2] + radius * ray[:, 1]
        points[k, :, 1] = y
    return points


def _weights(tailor: Tailor, rest_m: NDArray[np.float64]) -> Influence:
    """Pelvis at the waist, thighs below by side, a part of the shanks at the end."""
    marks, regions = tailor.landmarks, tailor.regions
    hip_y, knee_y = marks.hips[0, 1], marks.knees[0, 1]
    pelvis = (regions.weights["trunk"] > 0.8) & (np.abs(tailor.rest_m[:, 1] - hip_y - 0.06) < 0.05)
    parts = [pelvis, *(regions.side(name, sign) > 0.9 for name in ("thigh", "shank") for sign in (1, -1))]
    sets = [mean_weights(tailor.node_index[part], tailor.node_weight[part]) for part in parts]
    right = 1.0 / (1.0 + np.exp(-rest_m[:, 2] / 0.04))
    down = np.clip((hip_y + 0.04 - rest_m[:, 1]) / 0.22, 0.0, 1.0)
    shank = 0.6 * np.clip((knee_y + 0.06 - rest_m[:, 1]) / 0.3, 0.0, 1.0)
    by_side = [down * side * part for part in (1.0 - shank, shank) for side in (right, 1.0 - right)]
    return blend_weights(sets, [1.0 - down, *by_side])
