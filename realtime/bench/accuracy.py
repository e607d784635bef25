"""Compare estimated coordinates with a reference recording, by name, in degrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIS_ROTATIONS, SCORED_COORDINATES
from calib.pelvis import pelvis_angles, pelvis_rotation, turned
from realtime.errors import RealtimeError

Array = NDArray[np.float64]

LAG_RANGE_S = 0.1
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


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """An estimate beside its reference, frame by frame, at the best lag."""

    lag_s: float
    """What was added to the estimate's times, beyond the offset."""
    at_edge: bool
    """Whether the best lag is the first or the last of those tried, so that a better one may lie outside."""
    time_s: Array
    """Times of the estimate within the reference. Shape: (n,)."""
    estimate_deg: dict[str, Array]
    """As published: no heading is removed. Shape of each: (n,)."""
    reference_deg: dict[str, Array]
    """At the same moments. Shape of each: (n,)."""
    differences_deg: dict[str, Array]
    """Estimate minus reference after one constant heading is removed; NaN where lost. Shapes: (n,)."""

    @property
    def n_frames(self) -> int:
        """Frames of which at least one coordinate was compared."""
        return int(np.isfinite(np.stack(list(self.differences_deg.values()))).any(0).sum())


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
    return turn_deg(estimate_deg, fitting_heading_rad(estimate_deg, reference_deg))


def fitting_heading_rad(estimate_deg: Array, reference_deg: Array) -> float:
    """The turn about the vertical that brings the estimate nearest to the reference. Shapes: (n, 3)."""
    valid = np.isfinite(estimate_deg).all(1) & np.isfinite(reference_deg).all(1)
    R_estimate, R_reference = (pelvis_rotation(np.radians(a[valid])) for a in (estimate_deg, reference_deg))
    # Least squares over heading h of |Ry(h) R_estimate - R_reference|: an angle from two sums.
    product = np.einsum("nij,nkj->ik", R_reference, R_estimate)
    return float(np.arctan2(product[0, 2] - product[2, 0], product[0, 0] + product[2, 2]))


def turn_deg(angles_deg: Array, heading_rad: float) -> Array:
    """Pelvis angles (tilt, list, rotation) after a turn about the vertical. Shape: (n, 3)."""
    R = pelvis_rotation(np.radians(angles_deg))
    return np.degrees(pelvis_angles(turned(R, np.full(len(R), heading_rad))))


def wrapped_difference_deg(a: Array, b: Array | float) -> Array:
    """`a - b` in the range -180 to 180."""
    return (a - b + 180.0) % 360.0 - 180.0


def pelvis_columns(table: dict[str, Array]) -> Array:
    """Tilt, list and rotation side by side. Shape: (n, 3)."""
    return np.stack([table[name] for name in PELVIS_ROTATIONS], -1)


def compare(
    estimate: Trajectory,
    reference: Trajectory,
    *,
    offset_s: float = 0.0,
    lag_range_s: float = LAG_RANGE_S,
    skip: Sequence[str] = (),
) -> Comparison:
    """Errors of the common coordinates at the best constant lag.

    Args:
        estimate: Coordinates over the video's time.
        reference: Coordinates over the reference's time.
        offset_s: Reference time minus video time.
        lag_range_s: Largest lag tried on either side of the offset; 0 tries none.
        skip: Coordinates whose differences are neither returned nor used to find the lag.

    Raises:
        RealtimeError: no common coordinate, no overlap in time, or nothing was tracked.
    """
    names = common_names(estimate.names, reference)
    steps = round(lag_range_s / LAG_STEP_S)
    candidates = [
        found
        for k in range(-steps, steps + 1)
        if (found := _at_lag(estimate, reference, names, skip, offset_s, k * LAG_STEP_S)) is not None
    ]
    if not candidates:
        raise RealtimeError(
            "no tracked frame lies within the reference's time; check that both start together, or say by "
            "how much they do not: --offset S (reference time = video time + S) or --offset auto"
        )
    best = min(candidates, key=lambda found: mean_error_deg(found.differences_deg))
    at_edge = steps > 0 and round(abs(best.lag_s) / LAG_STEP_S) == steps
    return Comparison(
        best.lag_s, at_edge, best.time_s, best.estimate_deg, best.reference_deg, best.differences_deg
    )


def common_names(names: Sequence[str], reference: Trajectory) -> list[str]:
    """Coordinates that the reference has, too.

    Raises:
        RealtimeError: there is none.
    """
    common = [name for name in names if name in reference.names]
    if not common:
        raise RealtimeError(
            f"the reference has none of the skeleton's coordinates; it has {', '.join(reference.names[:6])}, "
            f"... and the skeleton {', '.join(names[:6])}, ..."
        )
    return common


def _at_lag(
    estimate: Trajectory,
    reference: Trajectory,
    names: Sequence[str],
    skip: Sequence[str],
    offset_s: float,
    lag_s: float,
) -> Comparison | None:
    """The comparison with the reference read `lag_s` later; None if no tracked frame lies within it."""
    time_s = estimate.time_s + offset_s + lag_s
    inside = (time_s >= reference.time_s[0]) & (time_s <= reference.time_s[-1])
    expected = {n: _interpolate_deg(time_s[inside], reference.time_s, reference.column(n)) for n in names}
    estimated = {n: estimate.column(n)[inside] for n in names}
    fitted = dict(estimated)
    if all(n in names for n in PELVIS_ROTATIONS):
        columns = remove_heading(pelvis_columns(estimated), pelvis_columns(expected)).T
        fitted.update(zip(PELVIS_ROTATIONS, columns, strict=True))
    differences = {n: wrapped_difference_deg(fitted[n], expected[n]) for n in names if n not in skip}
    differences = {n: d for n, d in differences.items() if np.isfinite(d).any()}
    if not differences:
        return None
    return Comparison(round(lag_s, 4), False, estimate.time_s[inside], estimated, expected, differences)


def _interpolate_deg(time_s: Array, known_s: Array, known_deg: Array) -> Array:
    """Linear, across whole turns too."""
    straight = known_deg.copy()
    is_known = np.isfinite(straight)
    straight[is_known] = np.unwrap(straight[is_known], period=360.0)
    return np.interp(time_s, known_s, straight)


def scored_names(names: Sequence[str]) -> list[str]:
    """Those whose mean is the headline figure; all where none of them is there."""
    return [n for n in SCORED_COORDINATES if n in names] or list(names)


def mean_error_deg(differences_deg: dict[str, Array]) -> float:
    """Mean over the scored coordinates of their mean absolute difference."""
    names = scored_names(list(differences_deg))
    return float(np.mean([np.nanmean(np.abs(differences_deg[n])) for n in names]))


def jitter_deg(trajectory: Trajectory) -> float:
    """Frame-to-frame noise: RMS of the second difference over sqrt(6), mean over scored coordinates.

    White noise of standard deviation s has a second difference of s * sqrt(6); slow motion has almost none.
    """
    second = [np.diff(trajectory.column(n), n=2) for n in scored_names(trajectory.names)]
    return float(np.mean([np.sqrt(np.nanmean(wrapped_difference_deg(d, 0.0) ** 2) / 6.0) for d in second]))
