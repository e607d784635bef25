"""The pelvis's orientation as OpenSim's gait models tell it: body-fixed turns about Z, X and Y."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def facing(R_pelvis: Array) -> tuple[Array, Array]:
    """The person's frame, and the pelvis in it.

    Args:
        R_pelvis: Rotations from pelvis to ground. Shape: (n, 3, 3).

    Returns:
        Turn about the vertical from ground to the person's frame in rad, and tilt, list and rotation in that
        frame in rad. Shapes: (n,), (n, 3).
    """
    heading_rad = np.arctan2(R_pelvis[:, 0, 2], R_pelvis[:, 2, 2])
    return heading_rad, pelvis_angles(turned(R_pelvis, -heading_rad))


def turned(R: Array, angle_rad: Array) -> Array:
    """Rotations, turned further about the vertical (Y). Shapes: (n, 3, 3), (n,)."""
    c, s = np.cos(angle_rad)[:, None], np.sin(angle_rad)[:, None]
    return np.stack([c * R[:, 0] + s * R[:, 2], R[:, 1], c * R[:, 2] - s * R[:, 0]], 1)


def pelvis_rotation(angles_rad: Array) -> Array:
    """Pelvis to the frame that tilt, list and rotation are told in. Shapes: (n, 3) to (n, 3, 3)."""
    (ca, cb, cc), (sa, sb, sc) = np.cos(angles_rad).T, np.sin(angles_rad).T
    rows = [
        [ca * cc - sa * sb * sc, -sa * cb, ca * sc + sa * sb * cc],
        [sa * cc + ca * sb * sc, ca * cb, sa * sc - ca * sb * cc],
        [-cb * sc, sb, cb * cc],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def pelvis_angles(R: Array) -> Array:
    """Tilt, list and rotation of `pelvis_rotation`. Shapes: (n, 3, 3) to (n, 3)."""
    tilt, rotation = np.arctan2(-R[:, 0, 1], R[:, 1, 1]), np.arctan2(-R[:, 2, 0], R[:, 2, 2])
    return np.stack([tilt, np.arcsin(np.clip(R[:, 2, 1], -1.0, 1.0)), rotation], -1)


def facing_of(tilt: float, list_: float, rotation: float) -> tuple[float, tuple[float, float, float]]:
    """`facing` of one pelvis, told in ground: many times as quick as arrays are for one frame."""
    ca, cb, cc = math.cos(tilt), math.cos(list_), math.cos(rotation)
    sa, sb, sc = math.sin(tilt), math.sin(list_), math.sin(rotation)
    first = (ca * cc - sa * sb * sc, -sa * cb, ca * sc + sa * sb * cc)
    last = (-cb * sc, sb, cb * cc)
    heading = math.atan2(first[2], last[2])
    c, s = math.cos(heading), math.sin(heading)
    x, y, z = (c * b + s * a for a, b in zip(first, last, strict=True))
    angles = (math.atan2(s * last[1] - c * first[1], ca * cb), math.asin(max(-1.0, min(1.0, y))))
    return heading, (*angles, math.atan2(-x, z))


def clinical_angles(R_pelvis: Array) -> Array:
    """Rotation, obliquity and tilt of a pelvis: rotations about the vertical, forward and right axes.

    The order is Baker's (Gait & Posture 13, 2001), so obliquity and tilt do not depend on where the person
    faces. Signs are clinical: rotation is positive where the right side is forward, obliquity where the right
    side is up, tilt where it is anterior.

    Args:
        R_pelvis: Pelvis to ground. Shape: (3, 3).

    Returns:
        Angles in rad; NaN where the pelvis is unknown. Shape: (3,).
    """
    (_, _, a), (b, c, d), (_, _, e) = R_pelvis.tolist()
    if not math.isfinite(a + b + c + d + e):
        return np.full(3, np.nan)
    return np.array([math.atan2(a, e), math.asin(max(-1.0, min(1.0, d))), -math.atan2(b, c)])
