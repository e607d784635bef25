"""The numbers of a report: ranges of motion, symmetry, losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import mirrored_name, side_of, stem_of
from realtime.pose.landmark_model import POSTURE_PRIORS, UNKNOWN_COORDINATE_PRIOR_DEG
from realtime.pose.solver import FREE_COORDINATE_SIGMA_RAD
from realtime.report.data import Recording

Array = NDArray[np.float64]

STILL_RANGE = {"deg": 0.05, "m": 5e-4}
"""A coordinate that moves less has not moved."""
LEAST_COMPARED_DEG = 2.0
"""Ratios of smaller ranges would compare noise."""


@dataclass(frozen=True, slots=True)
class MotionRange:
    """One coordinate over the frames in which a person was tracked, in deg or m."""

    name: str
    unit: str
    lowest: float
    mean: float
    highest: float
    middle: float
    """Between the 5th and the 95th percentile: without the rare extremes."""
    confidence: float
    """Median; NaN where it was not recorded."""

    @property
    def range(self) -> float:
        """From the lowest to the highest."""
        return self.highest - self.lowest

    @property
    def is_still(self) -> bool:
        """Whether it has not moved."""
        return self.range < STILL_RANGE[self.unit]


@dataclass(frozen=True, slots=True)
class Symmetry:
    """How far the two sides of one joint move, rare extremes left out, in deg."""

    stem: str
    right: float
    left: float
    mean_difference: float
    """Mean of the right side - mean of the left side."""

    @property
    def difference(self) -> float:
        """How much further the right side moves."""
        return self.right - self.left

    @property
    def index_percent(self) -> float:
        """100 |R - L| / ((R + L) / 2): 0 where both sides move as far (Robinson et al. 1987).

        NaN where both ranges are too small to compare.
        """
        if max(self.right, self.left) < LEAST_COMPARED_DEG:
            return np.nan
        return 200.0 * abs(self.difference) / (self.right + self.left)


@dataclass(frozen=True, slots=True)
class Losses:
    """What did not come through; None where the files do not tell."""

    samples: int
    lost: int
    dropped: int | None
    """Frames of the source between the first and the last sample that have no sample."""
    longest_gap_s: float
    """Longest time between two samples."""


def side_word(name: str) -> str:
    """`right`, `left`, or empty for the midline."""
    return {"r": "right", "l": "left"}.get(side_of(name), "")


def motion_ranges(recording: Recording) -> dict[str, MotionRange]:
    """Coordinate -> its range, for all that were ever known."""
    tracked = ~recording.is_lost
    ranges = {}
    for k, name in enumerate(recording.names):
        values = recording.values[tracked, k]
        known = np.isfinite(values)
        if not known.any():
            continue
        confidence = np.nan
        if recording.confidence is not None:
            confidence = float(np.median(recording.confidence[tracked, k][known]))
        low, high = np.percentile(values[known], (5.0, 95.0))
        ranges[name] = MotionRange(
            name=name,
            unit=recording.units[k],
            lowest=float(values[known].min()),
            mean=float(values[known].mean()),
            highest=float(values[known].max()),
            middle=float(high - low),
            confidence=confidence,
        )
    return ranges


def symmetries(ranges: dict[str, MotionRange]) -> list[Symmetry]:
    """One for each joint angle that both sides have and that moved on either."""
    found = []
    for name, right in ranges.items():
        left = ranges.get(mirrored_name(name))
        if side_of(name) != "r" or left is None or right.unit != "deg":
            continue
        if right.is_still and left.is_still:
            continue
        found.append(Symmetry(stem_of(name), right.middle, left.middle, right.mean - left.mean))
    return found


def losses(recording: Recording) -> Losses:
    """Count what is missing."""
    dropped = None
    if recording.frame_id is not None:
        dropped = int(np.maximum(np.diff(recording.frame_id) - 1, 0).sum())
    longest_gap_s = float(np.diff(recording.time_s).max(initial=0.0))
    return Losses(len(recording.time_s), int(recording.is_lost.sum()), dropped, longest_gap_s)


def deviation_deg(recording: Recording, name: str) -> Array | None:
    """What the estimator thinks that it may be off by, one standard deviation.

    A confidence is 1 - (variance left) / (variance among postures), so what is left is
    spread sqrt(1 - confidence), with the spread among postures from the table of priors.

    Returns:
        None where no confidence was recorded, or for a translation. Shape: (n,).
    """
    k = recording.names.index(name)
    if recording.confidence is None or recording.units[k] != "deg":
        return None
    prior = POSTURE_PRIORS.get(stem_of(name))
    spread_deg = UNKNOWN_COORDINATE_PRIOR_DEG if prior is None else prior.sigma_deg
    if name == "pelvis_rotation":  # people face anywhere
        spread_deg = float(np.degrees(FREE_COORDINATE_SIGMA_RAD))
    deviation = spread_deg * np.sqrt(np.clip(1.0 - recording.confidence[:, k], 0.0, 1.0))
    return np.asarray(np.where(np.isfinite(recording.values[:, k]), deviation, np.nan))
