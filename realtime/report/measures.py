"""Measures of a report (ranges of motion, symmetry, losses), and titles and groups of coordinates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIC_ANGLES, PELVIS_ROTATIONS, mirrored_name, side_of, stem_of
from realtime.events.measures import symmetry_index_percent
from realtime.pose.landmark_model import POSTURE_PRIORS, UNKNOWN_COORDINATE_PRIOR_DEG
from realtime.pose.solver import FREE_COORDINATE_SIGMA_RAD
from realtime.report.data import Recording

Array = NDArray[np.float64]

STILL_RANGE = {"deg": 0.05, "m": 5e-4}
"""A coordinate with a smaller range has not moved."""
CLINICAL_PRIORS = dict(zip(PELVIC_ANGLES, ("pelvis_rotation", "pelvis_list", "pelvis_tilt"), strict=True))
"""The clinical angles of the pelvis and the coordinates with the same spread among people."""


@dataclass(frozen=True, slots=True)
class MotionRange:
    """One coordinate over the frames in which a person was surely tracked, in deg or m."""

    name: str
    unit: str
    lowest: float
    mean: float
    highest: float
    middle: float
    """Range from the 5th to the 95th percentile, without rare extremes."""
    confidence: float
    """Median confidence; NaN if it was not recorded."""

    @property
    def range(self) -> float:
        """Difference between the highest and the lowest value."""
        return self.highest - self.lowest

    @property
    def is_still(self) -> bool:
        """Whether the coordinate has not moved."""
        return self.range < STILL_RANGE[self.unit]


@dataclass(frozen=True, slots=True)
class Symmetry:
    """Ranges of motion of the two sides of one joint, without rare extremes, in deg."""

    stem: str
    right: float
    left: float
    mean_difference: float
    """Mean of the right side minus mean of the left side."""

    @property
    def difference(self) -> float:
        """Range of the right side minus range of the left side."""
        return self.right - self.left

    @property
    def index_percent(self) -> float:
        """As `symmetry_index_percent`."""
        return symmetry_index_percent(self.right, self.left)


@dataclass(frozen=True, slots=True)
class Losses:
    """Frames and samples that were lost; None if the files do not contain the number."""

    samples: int
    lost: int
    unsure: int
    """Number of samples whose skeleton does not fit the image."""
    dropped: int | None
    """Number of the source's frames between the first and the last sample that have no sample."""
    longest_gap_s: float
    """Longest time between two samples."""


def side_word(name: str) -> str:
    """Side of a coordinate: `right`, `left`, or empty for the midline."""
    return {"r": "right", "l": "left"}.get(side_of(name), "")


def motion_ranges(recording: Recording) -> dict[str, MotionRange]:
    """Coordinate -> its range, for all coordinates that were ever known; unsure frames are left out."""
    tracked = ~(recording.is_lost | recording.is_unsure)
    ranges = {}
    for k, name in enumerate(recording.names):
        if name in PELVIS_ROTATIONS and PELVIC_ANGLES[0] in recording.names:
            continue  # mixed when the person turns; the clinical angles are shown instead
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
    """Symmetry of each joint angle that exists on both sides and moved on either."""
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
    """Count missing frames and samples."""
    dropped = None
    if recording.frame_id is not None:
        dropped = int(np.maximum(np.diff(recording.frame_id) - 1, 0).sum())
    longest_gap_s = float(np.diff(recording.time_s).max(initial=0.0))
    n_lost, n_unsure = int(recording.is_lost.sum()), int(recording.is_unsure.sum())
    return Losses(len(recording.time_s), n_lost, n_unsure, dropped, longest_gap_s)


def deviation_deg(recording: Recording, name: str) -> Array | None:
    """Standard deviation of a coordinate as estimated from its confidence.

    Confidence is defined as c = 1 - s^2 / S^2, with s the posterior standard deviation and S that of the
    prior over postures, so s = S sqrt(1 - c). S is taken from the table of priors.

    Returns:
        Standard deviation in deg, shape (n,); None for a translation, or if no confidence was recorded.
    """
    k = recording.names.index(name)
    if recording.confidence is None or recording.units[k] != "deg":
        return None
    prior = POSTURE_PRIORS.get(CLINICAL_PRIORS.get(name, stem_of(name)))
    spread_deg = UNKNOWN_COORDINATE_PRIOR_DEG if prior is None else prior.sigma_deg
    if name in ("pelvis_rotation", "pelvic_rotation"):  # people face anywhere
        spread_deg = float(np.degrees(FREE_COORDINATE_SIGMA_RAD))
    deviation = spread_deg * np.sqrt(np.clip(1.0 - recording.confidence[:, k], 0.0, 1.0))
    return np.asarray(np.where(np.isfinite(recording.values[:, k]), deviation, np.nan))


TITLES = {
    "pelvic_rotation": "Pelvic rotation (right side forward +)",
    "pelvic_obliquity": "Pelvic obliquity (right side up +)",
    "pelvic_tilt": "Pelvic tilt (anterior +)",
    "pelvis_tx": "Pelvis position, forward",
    "pelvis_ty": "Pelvis position, up",
    "pelvis_tz": "Pelvis position, to the right",
    "knee_angle": "Knee flexion",
    "ankle_angle": "Ankle dorsiflexion",
    "mtp_angle": "Toe angle",
    "arm_flex": "Arm flexion",
    "arm_add": "Arm adduction",
    "arm_rot": "Arm rotation",
    "elbow_flex": "Elbow flexion",
    "pro_sup": "Forearm pronation",
    "wrist_flex": "Wrist flexion",
    "wrist_dev": "Wrist deviation",
}
"""Titles of coordinates whose names do not read as a title."""

GROUPS = {
    "Legs": ("hip", "knee", "ankle", "subtalar", "mtp"),
    "Pelvis": ("pelvic", "pelvis"),
    "Trunk and neck": ("lumbar", "neck"),
    "Arms": ("arm", "elbow", "pro", "wrist"),
}
"""Group -> first words of the coordinates' names."""
OTHERS = "Other coordinates"


def title_of(name: str) -> str:
    """Title of a coordinate, without its side."""
    stem = stem_of(name)
    return TITLES.get(stem, stem.replace("_", " ").capitalize())


def grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """Stems of coordinates by group, each once, in order."""
    groups: dict[str, list[str]] = {group: [] for group in (*GROUPS, OTHERS)}
    for stem in dict.fromkeys(stem_of(name) for name in names):
        first = stem.partition("_")[0]
        group = next((group for group, words in GROUPS.items() if first in words), OTHERS)
        groups[group].append(stem)
    return {group: stems for group, stems in groups.items() if stems}
