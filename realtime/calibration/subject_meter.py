"""Measurement of a person from observed frames: scale factors with their spread, and the neutral stance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import SCORED_COORDINATES, mirror_index, stem_of
from calib.errors import SubjectError
from calib.proportions import SCALED, SEGMENTS, expect_proportions, segment_lengths, set_segments
from calib.skeleton import Skeleton
from calib.subject import Subject, check_stature
from engines.blazepose.tracker import BlazePoseResult
from engines.features.body_proportions import is_upright
from realtime.calibration.floor_moments import NEEDED
from realtime.person.scaling import shoulder_rise, unscaled_stature
from realtime.sample import PoseSample, Status

Array = NDArray[np.float64]

MIN_TRUST = 0.5
INTERVAL_S = 0.1
MIN_LOOKS = 20
MIN_UPRIGHT = 5
"""Fewer upright frames from the front or from behind are less informative than the stature alone."""
MIN_STILL = 10
STILL_RAD_S = np.radians(25.0)
"""Joint speed, including noise, below which a person stands still."""
INDEPENDENT_S = 1.0
"""Interval above which errors of two frames count as independent."""

Residual = tuple[float, float, float]
RESIDUALS: dict[str, Residual] = {
    "femur": (0.021,) * 3,
    "patella": (0.021,) * 3,
    "tibia": (0.039,) * 3,
    "humerus": (0.018,) * 3,
    "ulna": (0.030,) * 3,
    "radius": (0.030,) * 3,
    "torso": (0.020, 0.020, 0.055),
    "pelvis": (0.020, 0.020, 0.046),
}
"""Relative standard deviations of scale factors among synthetic people of one stature, for bodies whose
lengths no regression predicts."""
OTHER_RESIDUAL: Residual = (0.03,) * 3


class SubjectMeter:
    """Collects measurements of one person from frames.

    Args:
        skeleton: The skeleton to scale.
        height_m: The person's stature.
        is_own: Whether the skeleton is kinecast's own, for which regressions of the lengths exist.
        is_female: Whether the person is female; None if unknown.

    Raises:
        SubjectError: the stature is implausible.
        SkeletonError: the skeleton lacks a body that is needed for tracking.
    """

    def __init__(
        self, skeleton: Skeleton, height_m: float, *, is_own: bool = False, is_female: bool | None = None
    ) -> None:
        self._skeleton, self._is_own, self._is_female = skeleton, is_own, is_female
        self._upright: list[Array] = []
        self._height_m = check_stature(height_m)
        self._unscaled_stature_m = unscaled_stature(skeleton)
        self._proportions: list[Array] = []
        self._still: list[Array] = []
        self._last_ns: int | None = None
        self._first_ns = 0
        # A quiet stance shows what is scored: trunk and legs.
        neutral = [n for n in SCORED_COORDINATES if n in skeleton.coordinate_names]
        self._neutral = np.array([skeleton.coordinate_index(n) for n in neutral], dtype=int)

    @property
    def n_looks(self) -> int:
        """Number of frames that showed the whole body."""
        return len(self._proportions)

    @property
    def n_still(self) -> int:
        """Number of frames in which the person stood still."""
        return len(self._still)

    def add(
        self,
        sample: PoseSample,
        seen: BlazePoseResult,
        scale_factors: Array,
        *,
        upright: Array | None = None,
        interval_s: float = INTERVAL_S,
    ) -> bool:
        """Process one frame; returns whether it was used.

        Args:
            sample: The estimate of the frame.
            seen: Landmarks of the frame.
            scale_factors: The person's proportions from this frame, at any size. Shape: (n_bodies, 3).
            upright: Body proportions of the frame (`engines.features.body_proportions`), if the person is
                upright in it.
            interval_s: Smallest interval between frames that are used; 0 for images without times.
        """
        is_soon = self._last_ns is not None and sample.t_capture_ns - self._last_ns < interval_s * 1e9
        trust = (seen.visibility * seen.presence)[list(NEEDED)].min()
        if sample.status in (Status.LOST, Status.UNSURE) or is_soon or trust < MIN_TRUST:
            return False
        if self._last_ns is None:
            self._first_ns = sample.t_capture_ns
        self._last_ns = sample.t_capture_ns
        self._proportions.append(scale_factors / self._stature(scale_factors))
        if upright is not None:
            self._upright.append(upright)
        slow = np.nanmax(np.abs(sample.qdot[self._neutral]), initial=0.0) < STILL_RAD_S
        if slow and is_upright(seen.world_m):
            self._still.append(sample.q[self._neutral])
        return True

    def result(self, source: str = "") -> Subject:
        """The person's measurements.

        Raises:
            SubjectError: the whole body was seen in too few frames.
        """
        n = self.n_looks
        if n < MIN_LOOKS:
            raise SubjectError(
                f"the whole body was seen in {n} frames, but {MIN_LOOKS} are needed; step back until head "
                "and feet are in the image, and stand, turn and move for some seconds"
            )
        proportions = np.array(self._proportions)
        mean = symmetric(self._skeleton, np.median(proportions, axis=0))
        factors = mean * (self._height_m / self._stature(mean))
        duration_s = ((self._last_ns or 0) - self._first_ns) * 1e-9
        n_independent = max(1.0, min(float(n), duration_s / INDEPENDENT_S))
        seen_spread = proportions.std(0) / proportions.mean(0) / np.sqrt(n_independent)
        scale_spread = np.hypot(seen_spread, residuals(self._skeleton))
        if self._is_own:
            looks = np.median(self._upright, axis=0) if len(self._upright) >= MIN_UPRIGHT else None
            expected = expect_proportions(self._height_m, looks, self._is_female)
            ratios = expected.lengths_m / segment_lengths(self._skeleton)
            factors = set_segments(self._skeleton, factors, ratios)
            scale_spread = set_segments(self._skeleton, scale_spread, expected.spread)
        offsets, spread = self._stance()
        return Subject(
            height_m=self._height_m,
            skeleton_name=self._skeleton.name,
            skeleton_sha=self._skeleton.sha,
            scale_factors=factors,
            scale_spread=scale_spread,
            neutral_offsets=offsets,
            neutral_spread=spread,
            n_frames=n,
            source=source,
        )

    def _stance(self) -> tuple[Array, Array]:
        offsets, spread = np.full((2, self._skeleton.n_q), np.nan)
        if len(self._still) >= MIN_STILL:
            still = np.array(self._still)
            offsets[self._neutral] = np.median(still, axis=0)
            spread[self._neutral] = still.std(0)
        return offsets, spread

    def _stature(self, scale_factors: Array) -> float:
        """Stature of a person with these factors, from the height of the shoulders above the ankles."""
        ratio = shoulder_rise(self._skeleton, scale_factors) / shoulder_rise(self._skeleton)
        return float(self._unscaled_stature_m * ratio)


def symmetric(skeleton: Skeleton, scale_factors: Array) -> Array:
    """Scale factors with both sides replaced by their mean. Shape: (n_bodies, 3)."""
    return np.asarray(0.5 * (scale_factors + scale_factors[mirror_index(skeleton.body_names)]))


def residuals(skeleton: Skeleton) -> Array:
    """`RESIDUALS` of each body. Shape: (n_bodies, 3)."""
    names = (stem_of(name) for name in skeleton.body_names)
    return np.array([RESIDUALS.get(name, OTHER_RESIDUAL) for name in names])


@dataclass(frozen=True, slots=True)
class SegmentLength:
    """A length between two joints."""

    name: str
    length_m: float
    spread_m: float


def segment_lengths_of(subject: Subject, skeleton: Skeleton) -> list[SegmentLength]:
    """Lengths of the segments that the skeleton has."""
    names = [stem_of(name) for name in skeleton.body_names]
    found = []
    for name, length_m in zip(SEGMENTS, segment_lengths(skeleton, subject.scale_factors), strict=True):
        if np.isfinite(length_m):
            bodies, axes = SCALED[name]
            row = next(names.index(body) for body in bodies[::-1] if body in names)
            spread = float(subject.scale_spread[row, axes[-1]])
            found.append(SegmentLength(name, float(length_m), float(length_m) * spread))
    return found
