"""Scale factors of a person: from landmarks, averaged online and then frozen, or from the stature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calib import proportions
from calib.kinematics import body_transforms, joint_centres
from calib.proportions import expect_proportions, set_segments
from calib.skeleton import Skeleton
from calib.subject import LandmarkOffset, Subject
from engines.blazepose.pose_landmark import (
    ANKLES,
    ELBOWS,
    FOOT_INDICES,
    HEELS,
    HIPS,
    KNEES,
    N_LANDMARKS,
    SHOULDERS,
    WRISTS,
    Pair,
)
from realtime.pose.landmark_model import LandmarkModel, build_landmark_model

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

N_FRAMES_FROZEN = 90
"""About 3 s at 30 fps; the mean of as many frames moves by less than a percent."""
N_FRAMES_WARM_UP = 10
SIZE_LIMITS = (0.75, 1.25)
"""Overall size against the skeleton's own, when the stature is not given."""
PROPORTION_TRUST = 0.15
PROPORTION_LIMIT = 0.08
"""On synthetic people, BlazePose's proportions in one image said almost nothing about the person's own: it
gives everybody much the same body. So only a little of a segment's deviation is used."""
SHOULDER_OVER_ANKLE_PER_STATURE = 0.7637
"""Rise from ankle to shoulder landmarks of kinecast's own skeleton, which published tables gave for 1.75 m.
On 150 synthetic adults the rise of these joints was 0.5 % less, with a deviation of 0.8 %."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownSubject:
    """Measures of a person that an estimator uses."""

    scale_factors: Array | None = None
    """Scale factors; None estimates them. Shape: (n_bodies, 3)."""
    offsets: Array | None = None
    """Offsets of the neutral pose in rad, which are subtracted; None subtracts nothing. Shape: (n_q,)."""
    landmark_offsets: Mapping[str, LandmarkOffset] = field(default_factory=dict)
    """Offsets of the landmarks by name; empty where they are not known."""

    @classmethod
    def of(cls, subject: Subject, *, apply_offsets: bool) -> KnownSubject:
        """The measures of a subject; unknown offsets are 0."""
        offsets = np.nan_to_num(subject.neutral_offsets, nan=0.0) if apply_offsets else None
        return cls(subject.scale_factors, offsets, subject.landmark_offsets)

    def without_offsets(self, q: Array) -> Array:
        """Coordinates counted from the person's neutral pose. Shape: (n_q,)."""
        return q if self.offsets is None else q - self.offsets


@dataclass(frozen=True, slots=True)
class Segment:
    """A length that landmarks show, and the bodies and axes that it scales."""

    landmark_pairs: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    """Landmarks of both ends: each end is the mean of its landmarks, and pairs (right, left) are averaged."""
    shown: float
    """Length that BlazePose shows over the true length: the median over synthetic people."""
    bodies: tuple[str, ...]
    axes: tuple[int, ...] = (0, 1, 2)


def _sides(start: Pair, end: Pair) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """The right and the left segment between two pairs of landmarks."""
    return (((start[1],), (end[1],)), ((start[0],), (end[0],)))


SEGMENTS = (
    Segment(_sides(HIPS, KNEES), 1.01, ("femur_r", "femur_l", "patella_r", "patella_l")),
    Segment(_sides(KNEES, ANKLES), 0.93, ("tibia_r", "tibia_l")),
    Segment(
        _sides(HEELS, FOOT_INDICES), 0.61, ("talus_r", "talus_l", "calcn_r", "calcn_l", "toes_r", "toes_l")
    ),
    Segment(_sides(SHOULDERS, ELBOWS), 0.87, ("humerus_r", "humerus_l")),
    Segment(_sides(ELBOWS, WRISTS), 0.89, ("ulna_r", "ulna_l", "radius_r", "radius_l")),
    Segment(((HIPS, SHOULDERS),), 0.97, ("torso", "pelvis"), (0, 1)),
    Segment((((HIPS[1],), (HIPS[0],)),), 1.08, ("pelvis",), (2,)),
    Segment((((SHOULDERS[1],), (SHOULDERS[0],)),), 0.97, ("torso",), (2,)),
)


def _both_ends() -> tuple[Indices, Indices]:
    """Landmarks of both ends of all pairs of `SEGMENTS` in a row. Shapes: (n_pairs, 2) each."""
    pairs = [pair for segment in SEGMENTS for pair in segment.landmark_pairs]
    starts, ends = zip(*pairs, strict=True)
    return np.array([(end[0], end[-1]) for end in starts]), np.array([(end[0], end[-1]) for end in ends])


_STARTS, _ENDS = _both_ends()
_N_PAIRS = np.array([len(segment.landmark_pairs) for segment in SEGMENTS])
_FIRST_PAIR = np.cumsum(_N_PAIRS) - _N_PAIRS


def segment_lengths(points: Array) -> Array:
    """Lengths of `SEGMENTS` in one set of landmarks; NaN where a landmark is NaN.

    Args:
        points: Landmarks. Shape: (33, 3).

    Returns:
        Shape: (len(SEGMENTS),).
    """
    lengths = np.linalg.norm(points[_STARTS].mean(1) - points[_ENDS].mean(1), axis=1)
    return np.asarray(np.add.reduceat(lengths, _FIRST_PAIR) / _N_PAIRS)


def _segment_weights(visibility: Array) -> Array:
    """Smallest visibility of each segment's landmarks. Shapes: (33,), (len(SEGMENTS),)."""
    shown = np.minimum(visibility[_STARTS].min(1), visibility[_ENDS].min(1))
    return np.asarray(np.minimum.reduceat(shown, _FIRST_PAIR))


def _segment_of_factor(skeleton: Skeleton) -> Indices:
    """Which of `SEGMENTS` sets each scale factor; len(SEGMENTS) for none. Shape: (n_bodies, 3)."""
    which = np.full((skeleton.n_bodies, 3), len(SEGMENTS))
    for k, segment in enumerate(SEGMENTS):
        bodies = [skeleton.body_index(body) for body in segment.bodies if body in skeleton.body_names]
        which[np.ix_(bodies, list(segment.axes))] = k
    return which


class SubjectScaling:
    """Running estimate of one person's scale factors.

    Args:
        skeleton: The skeleton to scale.
        model: Landmark stations of the skeleton.
        height_m: Stature of the person, if known; it fixes the overall size.
        known: Scale factors measured before; they never change. Shape: (n_bodies, 3).
        is_metric: Whether landmarks come from rays that meet, whose lengths are true, unlike the network's.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        model: LandmarkModel,
        height_m: float | None = None,
        *,
        known: Array | None = None,
        is_metric: bool = False,
    ) -> None:
        self._skeleton = skeleton
        points = _landmarks_of(skeleton, model)
        shown = np.array([1.0 if is_metric else segment.shown for segment in SEGMENTS])
        self._reference_m = segment_lengths(points) * shown
        self._known = known
        self._segment_of_factor = _segment_of_factor(skeleton)
        self._size = None if height_m is None else height_m / reference_stature_m(points)
        if known is not None:
            self._reference_m = self._reference_m * segment_factors(skeleton, known)
            self._size = 1.0
        self._usable = np.isfinite(self._reference_m)
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self._n_frames = 0
        self._sum_m = np.zeros(len(SEGMENTS))
        self._sum_weight = np.zeros(len(SEGMENTS))
        self.scale_factors = self._unmeasured()
        self.world_scale = 1.0
        """Factor from the network's metres to this person's."""

    @property
    def n_frames(self) -> int:
        """Number of frames seen."""
        return self._n_frames

    @property
    def is_frozen(self) -> bool:
        """Whether enough frames were seen; from then on the factors never change."""
        return self._n_frames >= N_FRAMES_FROZEN

    @property
    def is_warming_up(self) -> bool:
        """Whether the factors may still change visibly."""
        return self._n_frames < N_FRAMES_WARM_UP

    def update(self, world_m: Array, visibility: Array) -> bool:
        """Add one frame.

        Args:
            world_m: Metric landmarks. Shape: (33, 3).
            visibility: Visibility of the landmarks. Shape: (33,).

        Returns:
            Whether the scale factors changed.
        """
        if self.is_frozen:
            return False
        self._n_frames += 1
        weight = _segment_weights(visibility)
        self._sum_m += weight * segment_lengths(world_m)
        self._sum_weight += weight
        self.scale_factors = self._factors()
        return self._known is None

    def _unmeasured(self) -> Array:
        if self._known is not None:
            return self._known.copy()
        return np.full((self._skeleton.n_bodies, 3), self._size or 1.0)

    def _factors(self) -> Array:
        seen = self._usable & (self._sum_weight > 1.0)
        factors = self._unmeasured()
        if not seen.any():
            return factors
        measured_m = self._sum_m[seen] / self._sum_weight[seen]
        measured_size = measured_m.sum() / self._reference_m[seen].sum()
        size = self._size or float(np.clip(measured_size, *SIZE_LIMITS))
        self.world_scale = size / measured_size
        if self._known is not None:
            return factors
        deviation = np.zeros(len(SEGMENTS) + 1)
        deviation[:-1][seen] = PROPORTION_TRUST * (measured_m / (self._reference_m[seen] * size) - 1.0)
        deviation = np.clip(deviation, -PROPORTION_LIMIT, PROPORTION_LIMIT)
        return np.asarray(size * (1.0 + deviation[self._segment_of_factor]))


def segment_factors(skeleton: Skeleton, scale_factors: Array) -> Array:
    """Factor of the length of each of `SEGMENTS` under scale factors: the mean of those that scale it.

    Args:
        skeleton: The skeleton.
        scale_factors: Scale factors. Shape: (n_bodies, 3).

    Returns:
        1 for segments whose bodies the skeleton lacks. Shape: (len(SEGMENTS),).
    """
    factors = np.ones(len(SEGMENTS))
    for k, segment in enumerate(SEGMENTS):
        bodies = [skeleton.body_index(b) for b in segment.bodies if b in skeleton.body_names]
        if bodies:
            factors[k] = scale_factors[np.ix_(bodies, list(segment.axes))].mean()
    return factors


def factors_of_stature(skeleton: Skeleton, height_m: float) -> Array:
    """Scale factors of kinecast's own skeleton for somebody of whom only the stature is known.

    Returns:
        Shape: (n_bodies, 3).
    """
    factors = np.full((skeleton.n_bodies, 3), height_m / unscaled_stature(skeleton))
    ratios = expect_proportions(height_m).lengths_m / proportions.segment_lengths(skeleton)
    return set_segments(skeleton, factors, ratios)


def unscaled_stature(skeleton: Skeleton) -> float:
    """Stature of somebody whose bodies are as large as the skeleton's, in m."""
    return reference_stature_m(_landmarks_of(skeleton, build_landmark_model(skeleton)))


def shoulder_rise(skeleton: Skeleton, scale_factors: Array | None = None) -> float:
    """Height of the shoulders over the ankles in the default pose; without arms, of hips over knees."""
    names = ("humerus", "talus") if "humerus_r" in skeleton.body_names else ("femur", "tibia")
    centres_m = joint_centres(skeleton, skeleton.q_default, scale_factors)
    high, low = (centres_m[skeleton.body_index(f"{name}_r"), 1] for name in names)
    return float(high - low)


def reference_stature_m(points: Array) -> float:
    """Stature of a skeleton in its default pose, from shoulder over ankle height.

    Args:
        points: Landmark stations in ground, Y up. Shape: (33, 3).
    """
    rise_m = points[list(SHOULDERS), 1].mean() - points[list(ANKLES), 1].mean()
    return float(rise_m / SHOULDER_OVER_ANKLE_PER_STATURE) if np.isfinite(rise_m) else 1.70


def _landmarks_of(skeleton: Skeleton, model: LandmarkModel) -> Array:
    """Landmark stations of the skeleton in its default pose; NaN where it has none. Shape: (33, 3)."""
    is_landmark = model.landmark < N_LANDMARKS
    T = body_transforms(skeleton, skeleton.q_default)[model.station_body[is_landmark]]
    points = np.full((N_LANDMARKS, 3), np.nan)
    stations_m = np.einsum("nij,nj->ni", T[:, :3, :3], model.station_m[is_landmark]) + T[:, :3, 3]
    points[model.landmark[is_landmark]] = stations_m
    return points
