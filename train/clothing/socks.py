"""Socks: how high they reach, and of what colour; their upper edge is what trackers take for the ankle."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from train.clothing.garments import Category, Tailor
from train.clothing.materials import Material, Pattern, cloth, srgb


class SockLength(NamedTuple):
    """One kind of sock."""

    odds: float
    low_m: float
    """Lowest upper edge above the ankle joint; a share of the shank if `of_shank`."""
    high_m: float
    of_shank: bool = False


SOCK_LENGTHS = {
    "no-show": SockLength(0.18, -0.02, 0.015),
    "ankle": SockLength(0.34, 0.02, 0.08),
    "crew": SockLength(0.38, 0.08, 0.2),
    "knee": SockLength(0.10, 0.55, 0.85, of_shank=True),
}
_DARK = ((14, 14, 15), (20, 20, 22), (30, 30, 33), (22, 26, 42), (44, 45, 48))
_LIGHT = ((238, 238, 236), (226, 226, 224), (205, 205, 204), (150, 150, 152))
SOCK_COLOUR_ODDS = {"dark": 0.46, "light": 0.34, "any": 0.2}


def put_on_socks(tailor: Tailor, rng: np.random.Generator) -> str:
    """Add a pair of socks.

    Returns:
        The kind of `SOCK_LENGTHS`.
    """
    kind = str(rng.choice(list(SOCK_LENGTHS), p=[length.odds for length in SOCK_LENGTHS.values()]))
    length = SOCK_LENGTHS[kind]
    ankle_y = float(tailor.landmarks.ankles[:, 1].mean())
    shank_m = float(tailor.landmarks.knees[:, 1].mean()) - ankle_y
    above_m = rng.uniform(length.low_m, length.high_m) * (shank_m if length.of_shank else 1.0)
    w = tailor.regions.weights
    on_leg = w["foot"] + w["toes"] + w["shank"] > 0.5
    where = np.where(on_leg, ankle_y + above_m - tailor.rest_m[:, 1], -1.0).astype(np.float32)
    tailor.shell(where, tailor.add_material(sock_fabric(rng)), Category.SHOE, offset_m=0.003, smoothing=10)
    return kind


def sock_fabric(rng: np.random.Generator) -> Material:
    """Black and dark ones first, then white and grey ones, then any colour; some are striped."""
    group = rng.choice(list(SOCK_COLOUR_ODDS), p=list(SOCK_COLOUR_ODDS.values()))
    fabric = cloth(
        rng, [Pattern.KNIT, Pattern.PLAIN, Pattern.PLAIN, Pattern.STRIPES_ACROSS], bump=0.1, muted=0.5
    )
    if group == "any":
        return fabric
    table = _DARK if group == "dark" else _LIGHT
    colour = srgb(*np.clip(np.array(table[rng.integers(len(table))]) * rng.uniform(0.85, 1.1), 6, 245))
    pattern = Pattern.PLAIN if fabric.pattern is Pattern.STRIPES_ACROSS else fabric.pattern
    return fabric._replace(pattern=pattern, colour=colour, second=colour * np.float32(0.75))
