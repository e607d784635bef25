"""Paint on skin: brows, lips, eyes, beard and blush, placed on the mean head so that they follow every face.

Coordinates here are those of the canonical body relative to the middle of its eyes (X forward, Y up, Z right,
in m).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.clothing.materials import RGB, Colour, srgb
from train.clothing.noise import noise3

EYE_HALF_DISTANCE_M = 0.0296
"""From the middle of the mean head to each eye's centre."""


class FacePaint(NamedTuple):
    """How one person's face is coloured."""

    brow: RGB
    lips: RGB
    iris: RGB
    hair: RGB
    brow_strength: float
    brow_height_m: float
    """Half the brow's thickness."""
    beard: float
    """0 clean shaven, 0.4 stubble, 1 full."""
    moustache: float
    scalp: float
    """Cropped hair painted on the scalp, 0 to 1."""
    eye_white: float
    """Albedo of the eyes' white, lower where dark lids shade it."""
    blush: float
    eyeliner: float
    freckles: float


def rgb(colour: Colour) -> RGB:
    """The three numbers of a colour."""
    return float(colour[0]), float(colour[1]), float(colour[2])


def face_paint(rng: np.random.Generator, skin: Colour, hair: Colour, *, masculine: bool) -> FacePaint:
    """A face for this skin and hair; beards only on masculine ones."""
    tint = srgb(*(np.array([176, 92, 88]) * rng.uniform(0.85, 1.05)))
    lips = skin * np.float32(0.62) * np.array([1.0, 0.72, 0.72], np.float32) + tint * np.float32(0.14)
    irises = [(58, 36, 22), (84, 56, 34), (44, 30, 24), (92, 108, 112), (96, 104, 70), (110, 134, 150)]
    weight = (
        np.array([5, 4, 4, 1.0, 1.0, 1.0]) if skin[0] > srgb(196, 0, 0)[0] else np.array([5, 3, 5, 0, 0, 0])
    )
    bearded = masculine and rng.random() < 0.5
    if not masculine and rng.random() < 0.3:
        lips = lips * np.float32(0.5) + srgb(150, 40, 52) * np.float32(0.5)
    return FacePaint(
        brow=rgb(hair * np.float32(0.7)),
        lips=rgb(lips),
        iris=rgb(srgb(*irises[rng.choice(6, p=weight / weight.sum())])),
        hair=rgb(hair),
        brow_strength=float(rng.uniform(0.6, 0.95)),
        brow_height_m=float(rng.uniform(0.0028, 0.0045) if masculine else rng.uniform(0.0018, 0.0032)),
        beard=float(rng.choice([0.3, 0.5, 0.9])) if bearded else 0.0,
        moustache=float(rng.choice([0.4, 0.9])) if bearded else 0.0,
        scalp=0.0,
        eye_white=float(0.34 + 0.16 * min(skin.mean() / 0.4, 1.0)),
        blush=float(rng.uniform(0.1, 0.35)),
        eyeliner=float(rng.uniform(0.2, 0.6) if masculine else rng.uniform(0.4, 1.0)),
        freckles=float(max(0.0, rng.uniform(-0.6, 0.25))),
    )


@njit(cache=True, nogil=True)
def _ramp(low: float, high: float, x: float) -> float:
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True, nogil=True)
def _toward(colour: RGB, goal: RGB, share: float) -> RGB:
    return (
        colour[0] + share * (goal[0] - colour[0]),
        colour[1] + share * (goal[1] - colour[1]),
        colour[2] + share * (goal[2] - colour[2]),
    )


HAIRLINE_X_M = (-0.20, -0.13, -0.105, -0.085, -0.070, -0.055, -0.040, -0.02, 0.01, 0.05)
HAIRLINE_Y_M = (-0.075, -0.075, -0.05, 0.012, 0.010, -0.012, 0.030, 0.048, 0.060, 0.066)
"""Lower edge of scalp hair seen from the side, nape to forehead."""


@njit(cache=True, nogil=True)
def hairline_m(x: float, z: float) -> float:
    """Height of the hairline above the eyes at a place of the head."""
    temple = min(max((abs(z) - 0.035) / 0.03, 0.0), 1.0) * min(max((x + 0.045) / 0.03, 0.0), 1.0)
    last = len(HAIRLINE_X_M) - 1
    if x <= HAIRLINE_X_M[0]:
        return HAIRLINE_Y_M[0] + 0.012 * temple
    for k in range(last):
        if x <= HAIRLINE_X_M[k + 1]:
            t = (x - HAIRLINE_X_M[k]) / (HAIRLINE_X_M[k + 1] - HAIRLINE_X_M[k])
            return HAIRLINE_Y_M[k] + t * (HAIRLINE_Y_M[k + 1] - HAIRLINE_Y_M[k]) + 0.012 * temple
    return HAIRLINE_Y_M[last] + 0.012 * temple


@njit(cache=True, nogil=True)
def hairlines_m(p_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """`hairline_m` at many places. Shape: (n,), from (n, 3)."""
    out = np.empty(p_m.shape[0], np.float32)
    for i in range(p_m.shape[0]):
        out[i] = hairline_m(p_m[i, 0], p_m[i, 2])
    return out


@njit(cache=True, nogil=True)
def paint_eye(x: float, y: float, z: float, paint: FacePaint) -> RGB:
    """Colour of the eyeball: white, iris, pupil."""
    side = abs(z) - EYE_HALF_DISTANCE_M
    radius = math.sqrt(y * y + side * side)
    if x < 0.0:
        radius = 1.0
    shade = paint.eye_white * (1.0 - 0.48 * _ramp(0.004, 0.014, radius))
    colour = (shade, shade * 0.94, shade * 0.9)
    colour = _toward(colour, paint.iris, 1.0 - _ramp(0.0058, 0.0068, radius))
    return _toward(colour, (0.006, 0.005, 0.005), 1.0 - _ramp(0.0024, 0.0032, radius))


@njit(cache=True, nogil=True)
def _brow_share(x: float, y: float, side: float, paint: FacePaint, lattice: NDArray[np.float32]) -> float:
    along = (side - 0.010) / 0.044
    if along < 0.0 or along > 1.0 or x < -0.03:
        return 0.0
    arch = 0.0165 + 0.0075 * math.sin(min(along * 1.25, 1.0) * 2.2) - 0.004 * along
    thickness = paint.brow_height_m * (1.25 - 0.75 * along)
    ends = _ramp(0.0, 0.08, along) * (1.0 - _ramp(0.85, 1.0, along))
    core = 1.0 - _ramp(0.6, 1.5, abs(y - arch) / thickness)
    hairs = 0.7 + 0.5 * noise3(lattice, side * 900.0, y * 420.0, 7.0)
    return paint.brow_strength * core * ends * hairs


@njit(cache=True, nogil=True)
def _beard_share(x: float, y: float, z: float, paint: FacePaint, lattice: NDArray[np.float32]) -> float:
    """Chin and jaw below a line from the mouth's corners to the ears, and the upper lip."""
    if (paint.beard == 0.0 and paint.moustache == 0.0) or y > 0.0:
        return 0.0
    side = abs(z)
    jaw_line = -0.062 + 0.55 * max(side - 0.035, 0.0) + 0.02 * _ramp(0.0, 0.07, -x - 0.02)
    rough = 0.006 * (noise3(lattice, x * 160.0, y * 160.0, z * 160.0) - 0.5)
    cheek = 1.0 - _ramp(-0.006, 0.010, y - jaw_line + rough)
    mouth = _ramp(0.85, 1.15, math.sqrt((z / 0.025) ** 2 + ((y + 0.070) / 0.010) ** 2))
    neck = _ramp(-0.135, -0.118, y + 0.35 * max(-x - 0.02, 0.0))
    ear = _ramp(-0.098, -0.078, x)
    beard = paint.beard * cheek * mouth * neck * ear
    upper_lip = (
        1.0 - _ramp(0.6, 1.15, math.sqrt((z / 0.034) ** 2 + ((y + 0.0555 + 3.0 * z * z) / 0.0085) ** 2))
    ) * mouth
    share = max(beard, paint.moustache * upper_lip)
    return share * (0.72 + 0.4 * noise3(lattice, x * 500.0, y * 260.0, z * 500.0))


@njit(cache=True, nogil=True)
def _lip_share(x: float, y: float, side: float) -> float:
    reach = side / 0.0235
    if reach >= 1.0 or x < -0.01:
        return 0.0
    above = y + 0.0685 + 4.0 * side * side
    bow = 0.0075 + 0.0012 * math.cos(side * 520.0)
    top, bottom = bow * math.sqrt(1.0 - reach * reach), -0.0105 * (1.0 - reach * reach) ** 0.6
    return (1.0 - _ramp(top - 0.001, top + 0.001, above)) * _ramp(bottom - 0.0012, bottom + 0.0012, above)


@njit(cache=True, nogil=True)
def paint_skin(
    colour: RGB, x: float, y: float, z: float, paint: FacePaint, lattice: NDArray[np.float32]
) -> RGB:
    """Skin colour with what is painted on the head."""
    blotch = noise3(lattice, x * 26.0, y * 26.0, z * 26.0) - 0.5
    tone = 1.0 + 0.10 * blotch
    colour = (colour[0] * tone, colour[1] * (tone - 0.06 * blotch), colour[2] * (tone - 0.08 * blotch))
    if y < -0.16 or x < -0.22 or abs(z) > 0.12:  # below the head
        return colour
    side = abs(z)
    front = _ramp(-0.05, -0.01, x)
    if front > 0.0:
        colour = _paint_front(colour, x, y, z, front, paint, lattice)
    colour = _toward(colour, paint.hair, min(_beard_share(x, y, z, paint, lattice), 1.0))
    colour = _toward(colour, paint.brow, min(_brow_share(x, y, side, paint, lattice), 1.0))
    if paint.scalp > 0.0:
        rough = 0.012 * (noise3(lattice, x * 130.0, y * 130.0, z * 130.0) - 0.5)
        return _toward(colour, paint.hair, paint.scalp * _ramp(-0.007, 0.005, y - hairline_m(x, z) + rough))
    return colour


@njit(cache=True, nogil=True)
def _paint_front(
    colour: RGB, x: float, y: float, z: float, front: float, paint: FacePaint, lattice: NDArray[np.float32]
) -> RGB:
    """Blush, freckles, shaded hollows, lips and lashes."""
    side = abs(z)
    cheek = math.exp(-((side - 0.038) ** 2 + (y + 0.032) ** 2) / 0.0006)
    nose = math.exp(-(z * z / 0.00022 + (y + 0.036) ** 2 / 0.0003))
    red = paint.blush * front * (cheek + 0.7 * nose)
    colour = (colour[0] * (1.0 + 0.12 * red), colour[1] * (1.0 - 0.30 * red), colour[2] * (1.0 - 0.30 * red))
    if paint.freckles > 0.0 and noise3(lattice, x * 420.0, y * 420.0, z * 420.0) > 0.74:
        spot = (colour[0] * 0.6, colour[1] * 0.5, colour[2] * 0.45)
        colour = _toward(colour, spot, paint.freckles * front)
    # Sockets, nostrils and the mouth's line catch less light than their geometry says.
    if abs(y) < 0.04:
        socket = front * math.exp(-((side - 0.0296) ** 2 / 0.00030 + (y - 0.004) ** 2 / 0.00016))
        hollow = (colour[0] * 0.78, colour[1] * 0.74, colour[2] * 0.76)
        colour = _toward(colour, hollow, socket)
        lid = abs(math.sqrt(((side - 0.0296) / 0.0165) ** 2 + ((y - 0.0005) / 0.0065) ** 2) - 1.0)
        lashes = (1.0 - _ramp(0.05, 0.28, lid)) * _ramp(-0.004, 0.002, y)
        colour = _toward(colour, (0.02, 0.014, 0.012), paint.eyeliner * lashes * front)
    if -0.1 < y < -0.035 and side < 0.03:
        nostril = math.exp(-((side - 0.0075) ** 2 / 0.0000090 + (y + 0.0455) ** 2 / 0.0000060))
        colour = _toward(colour, (0.02, 0.008, 0.006), 0.75 * nostril * front)
        colour = _toward(colour, paint.lips, 0.85 * _lip_share(x, y, side))
        line = math.exp(-((y + 0.0685 + 4.0 * z * z) ** 2) / 0.0000016) * (1.0 - _ramp(0.020, 0.026, side))
        colour = _toward(colour, (0.05, 0.015, 0.012), 0.55 * line * front)
    return colour
