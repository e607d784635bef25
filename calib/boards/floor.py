"""Where a camera stands over the floor: from a board that lies on it, or from a person who stands on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.errors import FloorError

Array = NDArray[np.float64]

HEIGHT_RANGE_M = (0.05, 20.0)
"""Of a camera over the floor."""
MIN_STANDING = 12
"""Fewer moments say too little: people sway and landmarks shake."""
SIGMA_M = 0.03
"""How far off the person's shoulders are of where they should be over the feet: size, shoes, landmarks."""
LEAN_M = 0.05
"""The same sideways, from leaning."""
AXIS_SIGMA_RAD = np.radians([2.5, 6.5])
"""How far the body's axis is off the vertical, as the landmark network sees it: across the line of sight, and
along it, where it guesses. Measured on 2,851 images of synthetic people who stand or walk."""
EFFECTIVE = (10.0, 4.0)
"""How many independent moments there are at most, for places in the image and for axes: the errors of one
person in one place stay the same."""
PRIOR = np.array([np.radians(15.0), np.radians(5.0), 0.8])
"""Standard deviations of pitch, roll, and height in m, around a level camera at 1.2 m."""
USUAL_HEIGHT_M = 1.2
N_STEPS = 60
START_PITCHES_RAD = np.radians(np.arange(-40.0, 31.0, 5.0))
START_HEIGHTS_M = (0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 2.6)
N_DESCENTS = 4
"""The best of the starts: where feet would be over the horizon there are false minima."""


@dataclass(frozen=True, slots=True, eq=False)
class StandingPerson:
    """Moments at which a person stood upright, as one camera that does not move saw them."""

    ankles: Array
    """Ray of the middle between the ankles, depth 1. Shape: (n, 3)."""
    shoulders: Array
    """Ray of the middle between the shoulders, depth 1. Shape: (n, 3)."""
    axis: Array
    """Unit vector from ankles to shoulders in camera directions, as the network sees it. Shape: (n, 3)."""
    ankle_height_m: float
    """Of the middle between the ankles over the floor."""
    shoulder_height_m: float


@dataclass(frozen=True, slots=True, eq=False)
class FloorFit:
    """A camera's place over the floor, and how sure it is."""

    T_ground_cam: Array
    """Shape: (4, 4)."""
    pitch_sigma_deg: float
    height_sigma_m: float
    n_used: int
    """Images of a board, or moments of a person."""

    @property
    def height_m(self) -> float:
        """Of the camera over the floor."""
        return float(self.T_ground_cam[1, 3])

    @property
    def pitch_deg(self) -> float:
        """How far the camera looks up; negative: down."""
        return float(np.degrees(np.arcsin(np.clip(self.T_ground_cam[1, 2], -1.0, 1.0))))

    @property
    def roll_deg(self) -> float:
        """How far the camera is turned about its axis; positive: its right side is lower."""
        return float(np.degrees(np.arctan2(-self.T_ground_cam[1, 0], -self.T_ground_cam[1, 1])))


def place_over_floor(up_cam: Array, height_m: float) -> Array:
    """The camera's place in a ground whose origin is on the floor below it.

    X points from where the camera looks back to the camera, so that a person who faces it looks along X.

    Args:
        up_cam: Vertical direction in camera axes. Shape: (3,).
        height_m: Height of the camera over the floor.

    Returns:
        T_ground_cam. Shape: (4, 4).

    Raises:
        FloorError: no camera stands at this height.
    """
    low, high = HEIGHT_RANGE_M
    if not low <= height_m <= high:
        raise FloorError(
            f"the camera would be {height_m:.2f} m over the floor; accepted: {low} to {high} m. Check the "
            "size of the board's squares (--square-m) or the person's height (--height), and the camera file"
        )
    up = up_cam / np.linalg.norm(up_cam)
    # Who looks straight down sees the person's front towards the lower edge of the image.
    ahead = np.array([0.0, 0.0, 1.0]) if abs(up[2]) < 0.99 else np.array([0.0, -1.0, 0.0])
    forward = ahead - (ahead @ up) * up
    x = -forward / np.linalg.norm(forward)
    T = np.eye(4)
    T[:3, :3] = np.stack([x, up, np.cross(x, up)])
    T[1, 3] = height_m
    return T


def floor_from_boards(Ts_cam_board: Array, thickness_m: float = 0.0) -> FloorFit:
    """The floor under a board that lies on it, seen once or several times by a camera that does not move.

    Args:
        Ts_cam_board: Poses of the board in the camera. Shape: (n, 4, 4).
        thickness_m: Thickness of the board.

    Raises:
        FloorError: there is no view, the board is seen edge-on, or it moved up or down between the views.
    """
    if len(Ts_cam_board) == 0:
        raise FloorError(
            "the board was never seen; lay it flat on the floor, large in the image, in even light, and "
            "check --board, --corners and --square-m"
        )
    origins, normals = Ts_cam_board[:, :3, 3], Ts_cam_board[:, :3, 2]
    # The side that the camera sees is the upper one.
    normals = -normals * np.sign(np.einsum("ni,ni->n", normals, origins))[:, None]
    heights_m = -np.einsum("ni,ni->n", normals, origins)
    up = np.median(normals, axis=0)
    up /= np.linalg.norm(up)
    height_m = float(np.median(heights_m))
    distance_m = float(np.median(np.linalg.norm(origins, axis=1)))
    if height_m < 0.1 * distance_m:
        raise FloorError(
            f"the board is seen edge-on, {height_m:.2f} m below the camera at {distance_m:.2f} m; "
            "raise the camera or bring the board nearer"
        )
    tilt = np.arccos(np.clip(normals @ up, -1.0, 1.0))
    if np.median(tilt) > np.radians(3.0) or np.median(np.abs(heights_m - height_m)) > 0.05 * distance_m:
        raise FloorError("the board or the camera moved; leave both where they are and try again")
    n = len(heights_m)
    return FloorFit(
        place_over_floor(up, height_m + thickness_m),
        float(np.degrees(np.sqrt(np.mean(tilt**2) / n))) if n > 1 else float("nan"),
        float(np.std(heights_m) / np.sqrt(n)) if n > 1 else float("nan"),
        n,
    )


def floor_from_person(seen: StandingPerson) -> FloorFit:
    """Gravity and floor from a person of known size who stands or walks about.

    Feet are on one plane, shoulders over them at the height that the person's size says, and the body's
    axis is vertical on average: pitch, roll and height by least squares (Levenberg-Marquardt). Somebody who
    walks towards the camera and away fixes the pitch by the image alone; of somebody who stays in one place
    it rests on the network's word about the axis.

    Raises:
        FloorError: too few moments, or no place of the camera explains them.
    """
    n = len(seen.ankles)
    if n < MIN_STANDING:
        raise FloorError(
            f"nobody was seen standing upright long enough ({n} moments, {MIN_STANDING} needed); have one "
            "person stand and walk about with feet and shoulders in view"
        )
    starts = [np.array([pitch, 0.0, h]) for pitch in START_PITCHES_RAD for h in START_HEIGHTS_M]
    starts.sort(key=lambda start: float(np.sum(_residuals(start, seen) ** 2)))
    fits = [_descend(start, seen) for start in starts[:N_DESCENTS]]
    x, _, J = min(fits, key=lambda fit: float(fit[1] @ fit[1]))
    T = place_over_floor(_up(x[0], x[1]), float(x[2]))
    sigma = np.sqrt(np.diag(np.linalg.inv(J.T @ J)))
    return FloorFit(T, float(np.degrees(sigma[0])), float(sigma[2]), n)


def _descend(x: Array, seen: StandingPerson) -> tuple[Array, Array, Array]:
    """Pitch, roll and height at a minimum near a start, with residuals and their derivatives."""
    damping = 1e-2
    r = _residuals(x, seen)
    for _ in range(N_STEPS):
        J = np.stack(
            [(_residuals(x + d, seen) - _residuals(x - d, seen)) / 2e-5 for d in 1e-5 * np.eye(3)], 1
        )
        H = J.T @ J
        step = np.linalg.solve(H + damping * np.diag(np.diag(H)), -J.T @ r)
        r_next = _residuals(x + step, seen)
        if x[2] + step[2] > HEIGHT_RANGE_M[0] and r_next @ r_next < r @ r:
            x, r, damping = x + step, r_next, 0.3 * damping
        else:
            damping *= 5.0
        if np.abs(step).max() < 1e-7:
            break
    return x, r, J


def _up(pitch: float, roll: float) -> Array:
    """The vertical in a camera that looks up by `pitch`, its right side lower by `roll`. Shape: (3,)."""
    return np.array(
        [-np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch), np.sin(pitch)], dtype=np.float64
    )


def _residuals(x: Array, seen: StandingPerson) -> Array:
    """What is left unexplained, in standard deviations. Shape: (4 n + 3,)."""
    up = _up(x[0], x[1])
    n = len(seen.ankles)
    fall = np.minimum(seen.ankles @ up, -1e-3)
    ankles_m = seen.ankles * (-(x[2] - seen.ankle_height_m) / fall)[:, None]
    shoulders_m = ankles_m + (seen.shoulder_height_m - seen.ankle_height_m) * up
    miss_m = seen.shoulders[:, :2] * shoulders_m[:, 2:] - shoulders_m[:, :2]
    along = up[:2] / np.linalg.norm(up[:2])
    aside = np.array([-along[1], along[0]])
    # Across the line of sight the axis is seen well, along it badly.
    side = np.cross(up, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    depth = np.cross(side, up)
    share = np.sqrt(np.minimum(1.0, np.array(EFFECTIVE) / n))
    return np.concatenate(
        [
            _soft(miss_m @ along / SIGMA_M) * share[0],
            _soft(miss_m @ aside / LEAN_M) * share[0],
            _soft(seen.axis @ side / AXIS_SIGMA_RAD[0]) * share[1],
            _soft(seen.axis @ depth / AXIS_SIGMA_RAD[1]) * share[1],
            (x - [0.0, 0.0, USUAL_HEIGHT_M]) / PRIOR,
        ]
    )


def _soft(r: Array) -> Array:
    """Large residuals count less: the square root of Huber's loss, with its bend at 2."""
    size = np.abs(r)
    return np.where(size <= 2.0, r, np.sign(r) * np.sqrt(4.0 * np.maximum(size, 2.0) - 4.0))
