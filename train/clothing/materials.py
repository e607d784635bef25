"""What surfaces are made of: patterns evaluated in space (no textures, no seams), in realistic colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.clothing.noise import noise3

Colour = NDArray[np.float32]
"""Linear albedo or radiance, red green blue. Shape: (3,)."""

RGB = tuple[float, float, float]
"""The same as kernels pass it on."""


class Pattern(IntEnum):
    """How the two colours of a material are laid out over its coordinates (m)."""

    PLAIN = 0
    STRIPES_ACROSS = 1
    STRIPES_ALONG = 2
    PLAID = 3
    PATCHES = 4
    HEATHER = 5
    DENIM = 6
    DOTS = 7
    KNIT = 8
    WOOD = 9
    TILES = 10
    PRINT = 11
    SKIN = 12
    EYE = 13
    HAIR = 14
    BUTTONS = 15


class Material(NamedTuple):
    """One surface. Frequencies in 1/m."""

    pattern: Pattern
    colour: Colour
    second: Colour
    frequency: float = 10.0
    grain: float = 0.08
    """Share of fine irregular brightness."""
    bump: float = 0.0
    """Strength of wrinkles; around 0.3 for a shirt."""
    bump_frequency: float = 14.0
    specular: float = 0.02
    gloss: float = 12.0
    sheen: float = 0.0
    """Brightening at grazing angles, as of fabric fibres."""
    hem: float = 0.0
    """Darkening of the seam within 2 cm of a garment's edge."""


class MaterialTable(NamedTuple):
    """Materials as arrays for the kernels, one row each."""

    pattern: NDArray[np.int32]
    colour: NDArray[np.float32]
    second: NDArray[np.float32]
    scalar: NDArray[np.float32]
    """frequency, grain, bump, bump_frequency, specular, gloss, sheen, hem. Shape: (n_materials, 8)."""
    offset: NDArray[np.float32]
    """Shift into the noise. Shape: (n_materials, 3)."""


FINEST_M = 0.005
"""Grain and weave are left out where pixels are wider."""

FREQUENCY, GRAIN, BUMP, BUMP_FREQUENCY, SPECULAR, GLOSS, SHEEN, HEM = range(8)


def material_table(materials: Sequence[Material], rng: np.random.Generator) -> MaterialTable:
    """Pack materials for the kernels."""
    scalar = [(*m[3:],) for m in materials]
    return MaterialTable(
        np.array([int(m.pattern) for m in materials], np.int32),
        np.array([m.colour for m in materials], np.float32),
        np.array([m.second for m in materials], np.float32),
        np.array(scalar, np.float32),
        rng.uniform(0.0, 32.0, (len(materials), 3)).astype(np.float32),
    )


def srgb(red: float, green: float, blue: float) -> Colour:
    """Linear colour from display values in 0..255."""
    value = np.array([red, green, blue]) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


CLOTH_COLOURS = np.array(
    [
        (24, 24, 27), (38, 39, 43), (58, 60, 64), (92, 94, 98), (133, 135, 138), (178, 178, 176),
        (226, 226, 222), (238, 236, 230), (24, 30, 52), (34, 48, 84), (60, 84, 128), (104, 130, 164),
        (152, 174, 198), (196, 183, 158), (168, 148, 118), (118, 96, 72), (78, 60, 46), (74, 80, 58),
        (52, 66, 52), (104, 114, 88), (98, 34, 42), (134, 50, 52), (158, 92, 70), (186, 132, 118),
        (208, 172, 164), (66, 52, 82), (120, 104, 140), (42, 92, 94), (196, 156, 84), (88, 128, 116),
        (214, 204, 184), (146, 116, 126),
    ]
)  # fmt: skip
"""Everyday clothes, display values: mostly dark, grey, blue, beige."""

VIVID_COLOURS = np.array(
    [
        (186, 32, 40),
        (24, 84, 168),
        (226, 172, 34),
        (34, 128, 74),
        (214, 92, 40),
        (196, 66, 122),
        (70, 160, 190),
    ]
)

SKIN_COLOURS = np.array(
    [(240, 208, 186), (230, 190, 164), (222, 178, 148), (208, 160, 128), (192, 142, 108), (170, 120, 86),
     (146, 98, 68), (120, 78, 54), (94, 62, 44), (72, 48, 36)]
)  # fmt: skip

HAIR_COLOURS = np.array(
    [(18, 15, 14), (28, 22, 19), (42, 30, 23), (58, 40, 28), (84, 58, 38), (116, 84, 54), (158, 122, 78),
     (188, 156, 108), (98, 48, 28), (126, 122, 118), (178, 175, 170)]
)  # fmt: skip
HAIR_WEIGHTS = np.array([4, 4, 4, 3, 2.5, 1.5, 1.2, 0.8, 0.7, 1.2, 0.8])


_NEUTRALS = 17
"""The first rows of `CLOTH_COLOURS`: black to white, navy to pale blue, beige and brown."""


def cloth_colour(rng: np.random.Generator, *, muted: float = 0.0) -> Colour:
    """A colour people wear; one in twelve is vivid, and `muted` is the share that must be neutral."""
    if rng.random() < muted:
        table = CLOTH_COLOURS[:_NEUTRALS]
    else:
        table = VIVID_COLOURS if rng.random() < 1.0 / 12.0 else CLOTH_COLOURS
    picked = table[rng.integers(len(table))] * rng.uniform(0.85, 1.12) + rng.normal(0.0, 5.0, 3)
    return srgb(*np.clip(picked, 8, 245))


def skin_colour(rng: np.random.Generator) -> Colour:
    """A skin tone between two neighbours of the table."""
    position = rng.uniform(0, len(SKIN_COLOURS) - 1.001)
    low = int(position)
    mixed = SKIN_COLOURS[low] + (position - low) * (SKIN_COLOURS[low + 1] - SKIN_COLOURS[low])
    return srgb(*np.clip(mixed * rng.uniform(0.94, 1.05) + rng.normal(0, 3.0, 3), 20, 250))


def hair_colour(rng: np.random.Generator, skin: Colour) -> Colour:
    """A natural hair colour; fair hair only on fair skin."""
    weight = HAIR_WEIGHTS.copy()
    if skin[0] < srgb(196, 0, 0)[0]:
        weight[4:9] *= 0.01
    picked = HAIR_COLOURS[rng.choice(len(HAIR_COLOURS), p=weight / weight.sum())] * rng.uniform(0.85, 1.15)
    return srgb(*np.clip(picked, 8, 240))


def cloth(
    rng: np.random.Generator, kinds: Sequence[Pattern] | None = None, *, bump: float = 0.3, muted: float = 0.3
) -> Material:
    """A fabric; plain more often than not, and neutral in `muted` of all cases at least."""
    if kinds is None:
        kinds = [Pattern.PLAIN] * 9 + [Pattern.HEATHER] * 4 + [Pattern.STRIPES_ACROSS] * 3
        kinds += [Pattern.STRIPES_ALONG, Pattern.PLAID, Pattern.PLAID, Pattern.PRINT, Pattern.PRINT]
        kinds += [Pattern.PATCHES, Pattern.DOTS, Pattern.KNIT, Pattern.KNIT]
    pattern = kinds[int(rng.integers(len(kinds)))]
    colour, second = cloth_colour(rng, muted=muted), cloth_colour(rng, muted=0.6)
    if pattern in (Pattern.STRIPES_ALONG, Pattern.HEATHER, Pattern.KNIT, Pattern.DENIM):
        second = colour * np.float32(rng.uniform(0.55, 0.85))
    frequency = {
        Pattern.STRIPES_ACROSS: rng.uniform(10, 45), Pattern.STRIPES_ALONG: rng.uniform(35, 90),
        Pattern.PLAID: rng.uniform(9, 24), Pattern.PATCHES: rng.uniform(18, 45),
        Pattern.DOTS: rng.uniform(18, 50), Pattern.KNIT: rng.uniform(90, 160),
    }.get(pattern, 60.0)  # fmt: skip
    return Material(
        pattern, colour, second, frequency, grain=rng.uniform(0.04, 0.14),
        bump=bump * rng.uniform(0.5, 1.4), bump_frequency=rng.uniform(9, 18),
        specular=rng.uniform(0.0, 0.03), sheen=rng.uniform(0.0, 0.25), hem=0.25,
    )  # fmt: skip


def denim(rng: np.random.Generator) -> Material:
    """Blue, black or faded jeans."""
    shades = [(44, 58, 88), (62, 82, 116), (96, 118, 150), (30, 36, 52), (30, 30, 33), (132, 150, 172)]
    colour = srgb(*(np.array(shades[rng.integers(len(shades))]) * rng.uniform(0.9, 1.1)))
    pale = np.minimum(colour * 1.7 + 0.02, 0.8)
    return Material(Pattern.DENIM, colour, pale, 60.0, 0.14, 0.4, 12.0, 0.01, 8.0, 0.1, 0.35)


@njit(cache=True, nogil=True)
def _wave(x: float) -> float:
    """1 in the first half of each period, 0 in the second, with soft flanks."""
    t = x - math.floor(x)
    return min(max((0.5 - abs(t - 0.5) * 2.0) * 8.0 + 0.5, 0.0), 1.0)


@njit(cache=True, nogil=True)
def _print_share(x: float, y: float, z: float, v: float, w: float, lattice: NDArray[np.float32]) -> float:
    """A print on the chest; coordinates are from the neck's base."""
    if x < 0.04 or abs(z) > 0.1 or abs(y + 0.2) > 0.09:
        return 0.0
    return 1.0 if noise3(lattice, v * 0.5, w * 0.6, 3.0) > 0.45 else 0.0


@njit(cache=True, nogil=True)
def _tiled_share(pattern: int, u: float, v: float, w: float, frequency: float) -> float:
    """Dots, tile joints and buttons."""
    du, dv, dw = u - math.floor(u), v - math.floor(v) - 0.5, w - math.floor(w)
    if pattern == 10:
        return 1.0 if du < 0.03 or dw < 0.03 else 0.0
    if pattern == 15:
        return 1.0 if dv * dv + w * w < (0.0055 * frequency) ** 2 else 0.0
    return min(max((0.09 - dv * dv - (dw - 0.5) ** 2 - 0.1 * (du - 0.5) ** 2) * 40.0, 0.0), 1.0)


@njit(cache=True, nogil=True)
def second_share(
    pattern: int, x: float, y: float, z: float, frequency: float, lattice: NDArray[np.float32], pixel_m: float
) -> float:
    """Share of the second colour of `Pattern` at material coordinates (m), 0 to 1.

    Patterns finer than `pixel_m`, the width of a pixel on the surface, give their mean.
    """
    u, v, w = x * frequency, y * frequency, z * frequency
    if pattern == 0:
        return 0.0
    if pattern == 1:
        return _wave(v)
    if pattern == 2:
        return _wave(w)
    if pattern == 3:
        return 0.45 * _wave(v) + 0.45 * _wave(w) + 0.1 * _wave(3.0 * v) * _wave(3.0 * w)
    if pattern == 4:
        return min(max((noise3(lattice, u, v, w) - 0.5) * 12.0 + 0.5, 0.0), 1.0)
    if pattern == 5:
        return noise3(lattice, x * 300.0, y * 300.0, z * 300.0) if pixel_m < FINEST_M else 0.5
    if pattern == 6:  # faded on the front, twill lines
        faded = noise3(lattice, x * 6.0, y * 5.0, z * 9.0) - 0.35 + 2.0 * x
        twill = noise3(lattice, x * 260.0, y * 60.0, z * 260.0) if pixel_m < FINEST_M else 0.5
        return min(max(faded, 0.0), 0.8) + 0.2 * twill
    if pattern == 8:
        return 0.35 + 0.2 * math.sin(2.0 * math.pi * w) if pixel_m < FINEST_M else 0.35
    if pattern == 9:
        rings = noise3(lattice, x * 1.5, y * 22.0, z * 22.0) * 4.0
        return abs(rings - math.floor(rings) - 0.5) * 1.4
    if pattern == 11:
        return _print_share(x, y, z, v, w, lattice)
    return _tiled_share(pattern, u, v, w, frequency)
