"""Compare estimated coordinates with a reference recording, by name, in degrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIS_ROTATIONS, SCORED_COORDINATES
from calib.pelvis import pelvis_angles, pelvis_rotation
from realtime.errors import RealtimeError

Array = NDArray[np.float64]

MAX_LAG_S = 0.1
LAG_STEP_S = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Rotational coordinates over time."""

    names: tuple[str, ...]
    time_s: Array
    """Shape: (n,)."""
    angles_deg: Array
    """NaN where lost. Shape: (n, len(names))."""

    def column(self, name: str) -> Array:
        """The angles of one coordinate. Shape: (n,)."""
        return self.angles_deg[:, self.names.index(name)]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `kinecast evaluate` writes; field names are relied upon by scripts."""

    estimator: str
    frames: int
    lag_s: float
    mean_mae_deg: float
    mae_deg: dict[str, float]
    bias_deg: dict[str, float]
    fps: float
    latency_ms: dict[str, float]
    jitter_deg: float
    lost_frames: int

    def as_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return asdict(self)


def remove_heading(estimate_deg: Array, reference_deg: Array) -> Array:
    """Turn the estimate about the vertical by the one constant angle that fits the reference best.

    The camera's heading in the laboratory is unknown; because tilt is the first rotation, a wrong
    heading would also leak into tilt and list.

    Args:
        estimate_deg: Tilt, list, rotation. Shape: (n, 3).
        reference_deg: The same of the reference at the same times. Shape: (n, 3).

    Returns:
        The turned estimate. Shape: (n, 3).
    """
    R_estimate, R_reference = (pelvis_rotation(np.radians(a)) for a in (estimate_deg, reference_deg))
    valid = np.isfinite(estimate_deg).all(1) & np.isfinite(reference_deg).all(1)
    # Least squares over heading h of |Ry(h) R_estimate - R_reference|: an angle from two sums.
    product = np.einsum("nij,nkj->ik", R_reference[valid], R_estimate[valid])
    heading = np.arctan2(product[0, 2] - product[2, 0], product[0, 0] + product[2, 2])
    c, s = np.cos(heading), np.sin(heading)
    turned = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]) @ R_estimate
    return np.degrees(pelvis_angles(turned))


def wrapped_difference_deg(a: Array, b: Array | float) -> Array:
    """`a - b` in the range -180 to 180."""
    return (a - b + 180.0) % 360.0 - 180.0


def _differences_at_lag(
    estimate: Trajectory, reference: Trajectory, names: Sequence[str], lag_s: float
) -> dict[str, Array]:
    """Estimate minus reference of each name, with the reference read `lag_s` later."""
    time_s = estimate.time_s + lag_s
    inside = (time_s >= reference.time_s[0]) & (time_s <= reference.time_s[-1])
    resampled = {n: np.interp(time_s[inside], reference.time_s, reference.column(n)) for n in names}
    estimated = {n: estimate.column(n)[inside] for n in names}
    if all(n in names for n in PELVIS_ROTATIONS):
        pair = (np.stack([table[n] for n in PELVIS_ROTATIONS], -1) for table in (estimated, resampled))
        for k, angles in enumerate(remove_heading(*pair).T):
            estimated[PELVIS_ROTATIONS[k]] = angles
    return {n: wrapped_difference_deg(estimated[n], resampled[n]) for n in names}


def _mean_scored(differences: dict[str, Array]) -> float:
    scored = [n for n in SCORED_COORDINATES if n in differences] or list(differences)
    return float(np.mean([np.nanmean(np.abs(differences[n])) for n in scored]))


def compare(estimate: Trajectory, reference: Trajectory) -> tuple[float, dict[str, Array]]:
    """Errors at the best constant lag within 0.1 s.

    Returns:
        The lag in s and, for each common coordinate, estimate minus reference in deg.

    Raises:
        RealtimeError: no common coordinate, no overlap in time, or nothing was tracked.
    """
    names = [n for n in estimate.names if n in reference.names]
    if not names:
        raise RealtimeError(
            f"the reference has none of the skeleton's coordinates; it has {', '.join(reference.names[:6])}, "
            f"... and the skeleton {', '.join(estimate.names[:6])}, ..."
        )
    overlap = (estimate.time_s >= reference.time_s[0]) & (estimate.time_s <= reference.time_s[-1])
    if not np.isfinite(estimate.angles_deg[overlap]).all(1).any():
        raise RealtimeError(
            "no tracked frame lies within the reference's time; check that both start together"
        )
    lags = np.arange(-MAX_LAG_S, MAX_LAG_S + LAG_STEP_S / 2, LAG_STEP_S)
    candidates = [(lag, _differences_at_lag(estimate, reference, names, lag)) for lag in lags]
    lag_s, differences = min(candidates, key=lambda pair: _mean_scored(pair[1]))
    return float(round(lag_s, 4)), differences


def jitter_deg(trajectory: Trajectory) -> float:
    """Frame-to-frame noise: RMS of the second difference over sqrt(6), mean over scored coordinates.

    White noise of standard deviation s has a second difference of s * sqrt(6); slow motion has almost none.
    """
    names = [n for n in SCORED_COORDINATES if n in trajectory.names] or list(trajectory.names)
    second = [np.diff(trajectory.column(n), n=2) for n in names]
    return float(np.mean([np.sqrt(np.nanmean(wrapped_difference_deg(d, 0.0) ** 2) / 6.0) for d in second]))
