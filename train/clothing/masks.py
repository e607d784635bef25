"""Masks over mouth and nose, with loops to the ears."""

from __future__ import annotations

import numpy as np

from train.clothing.garments import Category, Field, Tailor
from train.clothing.hair import from_eyes_m
from train.clothing.materials import Material, Pattern, srgb

MASKED_ODDS = 0.08
_COLOURS = ((16, 16, 18), (34, 34, 38), (236, 238, 240), (150, 190, 214), (150, 190, 214), (40, 50, 78))
_MARGIN_M = 0.02
"""Faces are finely meshed."""
_STRAP_HALF_M = 0.003


def mask_field(tailor: Tailor) -> Field:
    """Positive from the nose's bridge to under the chin, between the cheeks, and along the ear loops."""
    p = from_eyes_m(tailor)
    x, y, side = p[:, 0], p[:, 1], np.abs(p[:, 2])
    # Upper edge: over the nose, falling to the cheeks; lower edge: under the chin.
    upper = -0.020 - 0.45 * side - y
    lower = y + 0.125
    cheek = x + 0.045
    cloth = np.minimum(np.minimum(upper, lower), cheek)
    behind = np.minimum(x + 0.105, -0.03 - x)
    loops = [
        np.minimum(_STRAP_HALF_M - np.abs(y - (start + slope * (x + 0.045))), behind)
        for start, slope in ((-0.052, -0.55), (-0.092, -1.0))
    ]
    where = np.maximum(cloth, np.maximum(*loops))
    w = tailor.regions.weights
    return np.where((w["head"] > 0.5) & (w["eye"] < 0.1), where, -0.05).astype(np.float32)


def put_on_mask(tailor: Tailor, rng: np.random.Generator) -> None:
    """Add a mask: a surgical one or a cup that stands off the face."""
    colour = srgb(*(np.array(_COLOURS[rng.integers(len(_COLOURS))]) * rng.uniform(0.9, 1.04)))
    material = Material(Pattern.PLAIN, colour, colour, grain=0.05, bump=0.12, bump_frequency=40.0, hem=0.3)
    p = from_eyes_m(tailor)
    cup_m = rng.uniform(0.002, 0.016)
    front = np.exp(-((p[:, 2] / 0.035) ** 2) - ((p[:, 1] + 0.06) / 0.035) ** 2)
    offset_m = (0.004 + cup_m * front).astype(np.float32)
    tailor.shell(
        mask_field(tailor), tailor.add_material(material), Category.ACCESSORY,
        offset_m=offset_m, smoothing=8, hides=False, margin_m=_MARGIN_M,
    )  # fmt: skip
