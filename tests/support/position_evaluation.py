"""How well the pelvis's place agrees with a reference, and how well feet keep to the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.kinematics import forward_kinematics, station_positions
from calib.skeleton import Skeleton
from realtime.errors import RealtimeError
from realtime.geometry import camera_in_ground
from realtime.pose.foot_contact import sole_clearance
from realtime.pose.landmark_model import build_landmark_model
from realtime.sample import PoseSample, Status

Array = NDArray[np.float64]

SHIFTS = ("pelvis_tx", "pelvis_ty", "pelvis_tz")
SETTLED_S = 1.0
"""Travel is counted from the mean place of so long at the start."""
HEELS_AND_TOES = (29, 30, 31, 32)
STANDING_M, STANDING_M_S = 0.05, 0.15
"""A heel or toe that is lower and slower in truth stands."""


@dataclass(frozen=True, slots=True)
class PositionError:
    """Of a position against a known one."""

    mean_m: float
    of_distance: float
    """Mean share of the distance to the camera."""
    along_m: float
    """Mean error along the camera's optical axis, with its sign: positive is too far."""
    across_m: float
    """Mean distance from the truth across it."""


@dataclass(frozen=True, slots=True)
class FootError:
    """Of feet against those of known motion."""

    slip_m_s: float
    """Mean horizontal speed of heels and toes that stand in truth."""
    drift_m: float
    """Root mean square of their distance from the middle of each stance."""
    penetration_m: float
    """Mean depth of the deepest sole under the floor."""
    height_m: float
    """Mean absolute error of the height of those that stand."""


def pelvis_positions(
    samples: list[PoseSample], skeleton: Skeleton, camera: CameraCalibration | None = None
) -> Array:
    """Places of the pelvis, with a camera in its ground; NaN where the person was lost. Shape: (n, 3)."""
    index = [skeleton.coordinate_index(name) for name in SHIFTS]
    places = np.array([sample.q[index] for sample in samples])
    places[[sample.status is Status.LOST for sample in samples]] = np.nan
    if camera is None:
        return places
    back = [np.linalg.inv(camera_in_ground(camera, sample).T_ground_cam) for sample in samples]
    moves = camera.T_ground_cam @ np.array(back)
    return np.einsum("nij,nj->ni", moves[:, :3, :3], places) + moves[:, :3, 3]


def vertical_travel_error(time_s: Array, height_m: Array, reference_s: Array, reference_m: Array) -> float:
    """Mean absolute error of vertical travel from the first second's mean height, in m.

    Args:
        time_s: Of the estimate. Shape: (n,).
        height_m: NaN where lost. Shape: (n,).
        reference_s: On the same clock. Shape: (m,).
        reference_m: Shape: (m,).

    Raises:
        RealtimeError: too little of the first second, or of the reference's time, was tracked.
    """
    inside = (time_s >= reference_s[0]) & (time_s <= reference_s[-1]) & np.isfinite(height_m)
    start = inside & (time_s <= time_s[0] + SETTLED_S)
    if start.sum() < 5:
        raise RealtimeError(
            "too few tracked frames in the first second of the reference to count travel from"
        )
    reference = np.interp(time_s, reference_s, reference_m)
    travel = height_m - height_m[start].mean() - (reference - reference[start].mean())
    return float(np.mean(np.abs(travel[inside])))


def position_error(estimate_m: Array, truth_m: Array, camera: CameraCalibration) -> PositionError:
    """Compare places in the camera's ground; frames that are lost do not count. Shapes: (n, 3), (n, 3)."""
    known = np.isfinite(estimate_m).all(1) & np.isfinite(truth_m).all(1)
    if not known.any():
        raise RealtimeError("no frame with a position in both the estimate and the reference")
    error = (estimate_m - truth_m)[known] @ camera.T_ground_cam[:3, :3]
    distance = np.linalg.norm(truth_m[known] - camera.T_ground_cam[:3, 3], axis=1)
    size = np.linalg.norm(error, axis=1)
    return PositionError(
        mean_m=float(size.mean()),
        of_distance=float((size / distance).mean()),
        along_m=float(error[:, 2].mean()),
        across_m=float(np.linalg.norm(error[:, :2], axis=1).mean()),
    )


def foot_points(skeleton: Skeleton, q: Array, scale_factors: Array) -> tuple[Array, Array]:
    """Heels and toes in ground, and how high they are over the sole they belong to.

    Args:
        skeleton: One with feet.
        q: Shape: (n, n_q).
        scale_factors: Shape: (n_bodies, 3).

    Returns:
        Shapes: (n, 4, 3), (4,).
    """
    model = build_landmark_model(skeleton)
    rows = [int(np.flatnonzero(model.landmark == k)[0]) for k in HEELS_AND_TOES]
    body, factors = model.station_body[rows], np.array(scale_factors, dtype=np.float64)
    station_m = model.station_m[rows] * factors[body]
    T, points = np.empty((skeleton.n_bodies, 4, 4)), np.empty((len(q), len(rows), 3))
    for k, coordinates in enumerate(q):
        forward_kinematics(skeleton.tree, np.array(coordinates), factors, T)
        station_positions(T, body, station_m, points[k])
    return points, sole_clearance(skeleton, model)[rows] * factors.mean()


def foot_error(time_s: Array, estimate_m: Array, truth_m: Array, clearance_m: Array) -> FootError:
    """Compare feet on a floor at Y = 0; see `foot_points`.

    Args:
        time_s: Shape: (n,).
        estimate_m: NaN where lost. Shape: (n, 4, 3).
        truth_m: Shape: (n, 4, 3).
        clearance_m: Of the estimate's points over their soles. Shape: (4,).
    """
    step_s = np.gradient(time_s)[:, None]
    speed = np.linalg.norm(np.gradient(truth_m, axis=0), axis=2) / step_s
    stands = (speed < STANDING_M_S) & (truth_m[..., 1] < STANDING_M) & np.isfinite(estimate_m).all(2)
    if not stands.any():
        raise RealtimeError("no foot stands in the reference where the person was tracked")
    level = estimate_m[..., [0, 2]]
    slip = np.linalg.norm(np.gradient(level, axis=0), axis=2) / step_s
    sunk = np.maximum(0.0, clearance_m - estimate_m[..., 1])
    tracked = np.isfinite(sunk).all(1)
    return FootError(
        slip_m_s=float(np.nanmean(slip[stands])),
        drift_m=_drift(level, stands),
        penetration_m=float(sunk[tracked].max(1).mean()),
        height_m=float(np.abs(estimate_m[..., 1] - truth_m[..., 1])[stands].mean()),
    )


def _drift(level_m: Array, stands: NDArray[np.bool_]) -> float:
    """Root mean square distance from the mean of each stretch of standing."""
    squares: list[float] = []
    for k in range(stands.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], stands[:, k].astype(int), [0]])))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            part = level_m[start:stop, k]
            squares += ((part - part.mean(0)) ** 2).sum(1).tolist()
    return float(np.sqrt(np.mean(squares)))
