"""Figures of one comparison: errors over all frames, in standing, at the extremes of movement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIS_ROTATIONS
from realtime.bench.accuracy import (
    Comparison,
    fitting_heading_rad,
    pelvis_columns,
    scored_names,
    turn_deg,
    wrapped_difference_deg,
)
from realtime.sample import PersonState, PoseSample

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

EXTREME_SHARE = 0.1
"""Part of a coordinate's range that counts as its top and as its bottom."""
STANDING_WINDOW_S = (1.0, 3.0)
"""Shortest and longest stretch of standing that is looked for."""
MAX_STANDING_RANGE_DEG = 5.0
"""By how much the legs of somebody who stands still move at most."""
MAX_STANDING_DEG = 20.0
"""By how much knees and hips of somebody who stands are bent at most."""
STANDING_STEMS = ("hip_flexion", "knee_angle")
FIRST_SECOND_S = 1.0


@dataclass(frozen=True, slots=True)
class ErrorScores:
    """Errors over all compared frames, in deg; a mean is over the scored coordinates."""

    mean_mae_deg: float
    mean_bias_removed_deg: float
    median_frame_error_deg: float
    """MJAE: the mean over the scored coordinates of each frame, and of that the median over frames."""
    mae_deg: dict[str, float]
    bias_deg: dict[str, float]
    bias_removed_deg: dict[str, float]
    """Mean absolute difference after the mean difference is taken out."""
    median_deg: dict[str, float]
    """Median absolute difference."""


@dataclass(frozen=True, slots=True)
class StandingScores:
    """Errors while the person stands still."""

    from_s: float
    to_s: float
    frames: int
    mean_mae_deg: float
    mae_deg: dict[str, float]


@dataclass(frozen=True, slots=True)
class ExtremeScores:
    """Errors in the frames in which the reference is in the top or bottom tenth of its range."""

    mean_mae_deg: float
    top_deg: dict[str, float]
    bottom_deg: dict[str, float]


@dataclass(frozen=True, slots=True)
class PublishedPelvis:
    """Errors of the pelvis's angles without the heading that fits the whole trial best."""

    as_published_deg: dict[str, float]
    """Tilt and list as they were published, against the reference counted from where the person faces in the
    first second."""
    first_second_heading_deg: dict[str, float]
    """After one turn about the vertical, found in the first second only."""


def error_scores(differences_deg: dict[str, Array]) -> ErrorScores:
    """Scores of estimate minus reference. Shape of each: (n,)."""
    scored = scored_names(list(differences_deg))
    mae = mean_absolute(differences_deg)
    bias = {name: float(np.nanmean(d)) for name, d in differences_deg.items()}
    removed = mean_absolute({name: d - bias[name] for name, d in differences_deg.items()})
    table = np.abs(np.stack([differences_deg[name] for name in scored], -1))
    per_frame = np.nanmean(table[np.isfinite(table).any(1)], axis=1)
    return ErrorScores(
        mean_mae_deg=mean_of(mae, scored),
        mean_bias_removed_deg=mean_of(removed, scored),
        median_frame_error_deg=float(np.median(per_frame)),
        mae_deg=mae,
        bias_deg=bias,
        bias_removed_deg=removed,
        median_deg={name: float(np.nanmedian(np.abs(d))) for name, d in differences_deg.items()},
    )


def mean_absolute(differences_deg: dict[str, Array]) -> dict[str, float]:
    """Mean absolute value of each; without those that have no value."""
    return {n: float(np.nanmean(np.abs(d))) for n, d in differences_deg.items() if np.isfinite(d).any()}


def mean_of(values: dict[str, float], names: Sequence[str]) -> float:
    """Mean of those that are there."""
    return float(np.mean([values[name] for name in names if name in values]))


def standing_scores(comparison: Comparison, standing_s: tuple[float, float] | None) -> StandingScores | None:
    """Errors from one time of the video to another; None where nobody stands, or was tracked then.

    Args:
        comparison: Estimate and reference.
        standing_s: Start and end of a stance; None: the first still standing seconds.
    """
    found = standing_s or find_standing(comparison)
    if found is None:
        return None
    frames = (comparison.time_s >= found[0]) & (comparison.time_s <= found[1])
    mae = mean_absolute({name: d[frames] for name, d in comparison.differences_deg.items()})
    if not mae:
        return None
    return StandingScores(*found, int(frames.sum()), mean_of(mae, scored_names(list(mae))), mae)


def find_standing(comparison: Comparison) -> tuple[float, float] | None:
    """The first seconds in which the reference stands still: straight legs that hardly move."""
    legs = [v for name, v in comparison.reference_deg.items() if name.startswith(STANDING_STEMS)]
    if not legs:
        return None
    angles_deg, time_s = np.stack(legs, -1), comparison.time_s
    shortest_s, longest_s = STANDING_WINDOW_S
    for start in range(len(time_s)):
        end = int(np.searchsorted(time_s, time_s[start] + shortest_s, side="right"))
        if time_s[-1] - time_s[start] < shortest_s:
            return None
        if not _is_still(angles_deg[start:end]):
            continue
        while end < len(time_s) and time_s[end] - time_s[start] <= longest_s:
            if not _is_still(angles_deg[start : end + 1]):
                break
            end += 1
        return float(time_s[start]), float(time_s[end - 1])
    return None


def _is_still(angles_deg: Array) -> bool:
    moved = angles_deg.max(0) - angles_deg.min(0)  # NaN is not still
    return bool((moved <= MAX_STANDING_RANGE_DEG).all() and (np.abs(angles_deg) <= MAX_STANDING_DEG).all())


def extreme_scores(comparison: Comparison) -> ExtremeScores:
    """Errors at the top and at the bottom of each coordinate's range in the reference."""
    top: dict[str, float] = {}
    bottom: dict[str, float] = {}
    for name, differences in comparison.differences_deg.items():
        reference = comparison.reference_deg[name]
        compared = np.isfinite(differences)
        low, high = reference[compared].min(), reference[compared].max()
        margin = EXTREME_SHARE * (high - low)
        for table, chosen in ((top, reference >= high - margin), (bottom, reference <= low + margin)):
            table[name] = float(np.mean(np.abs(differences[compared & chosen])))
    scored = scored_names(list(top))
    return ExtremeScores(0.5 * (mean_of(top, scored) + mean_of(bottom, scored)), top, bottom)


def published_pelvis(comparison: Comparison, skip: Sequence[str] = ()) -> PublishedPelvis | None:
    """Scores of the published pelvis; None where the reference has not all three angles.

    Args:
        comparison: Estimate and reference.
        skip: Coordinates that are not scored.
    """
    tables = (comparison.estimate_deg, comparison.reference_deg)
    if not all(name in table for name in PELVIS_ROTATIONS for table in tables):
        return None
    estimate, reference = (pelvis_columns(table) for table in tables)
    is_known = np.isfinite(estimate).all(1) & np.isfinite(reference).all(1)
    start_s = comparison.time_s[is_known][0]
    first = is_known & (comparison.time_s < start_s + FIRST_SECOND_S)
    facing_only = np.where(np.isfinite(reference[first]), 0.0, np.nan)
    # The heading that fits a pelvis which faces ground's X throughout is where the reference faces.
    from_facing = turn_deg(reference, fitting_heading_rad(reference[first], facing_only))
    fitted = turn_deg(estimate, fitting_heading_rad(estimate[first], reference[first]))
    published = _pelvis_errors(estimate, from_facing, skip)
    published.pop(
        "pelvis_rotation", None
    )  # counts from the camera or the person, the reference's from the room
    return PublishedPelvis(published, _pelvis_errors(fitted, reference, skip))


def _pelvis_errors(estimate_deg: Array, reference_deg: Array, skip: Sequence[str]) -> dict[str, float]:
    differences = wrapped_difference_deg(estimate_deg, reference_deg)
    columns = dict(zip(PELVIS_ROTATIONS, differences.T, strict=True))
    return mean_absolute({name: d for name, d in columns.items() if name not in skip})


def is_known(sample: PoseSample) -> bool:
    """Whether it is known by then where landmarks lie on the person."""
    return sample.person is PersonState.KNOWN


def known_after_s(samples: Sequence[PoseSample]) -> float | None:
    """Seconds from the first frame until the person is known; None if that never happens."""
    start_ns = samples[0].t_capture_ns
    return next(((s.t_capture_ns - start_ns) * 1e-9 for s in samples if is_known(s)), None)
