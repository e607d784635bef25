"""Fit the observation model: means to single images, errors and events to clips."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from calib.skeleton import Skeleton
from engines.blazepose.pose_landmark import N_LANDMARKS
from engines.features.landmarks import MIRRORED
from train.blazepose.data import LiftData, concatenated
from train.blazepose.events import exchange, find_swaps, measure_events
from train.blazepose.model import (
    N_GROUPS,
    N_PLACE,
    PLACE_GROUP,
    ObservationModel,
    factor_of_place,
    follow_region,
    place_targets,
    region_targets,
    sight_logits,
    std_of_place,
)
from train.blazepose.network import MeanNetwork, MeanOptions, fit_mean
from train.blazepose.noise import ErrorClock, ResidualNoise, fit_noise
from train.blazepose.points import TrueView, mirrored_view, true_view, view_features
from train.errors import TrainError

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

OTHERS_EVERY = 6
"""Images of every sixth adult are held out, to measure the errors."""
MAX_PICTURES = 15000
"""Number of images beyond which the small networks do not improve."""
N_PLACE_COMPONENTS, N_SIGHT_COMPONENTS = 60, 24
LARGEST_ERROR = 6.0
"""Largest error in standard deviations; beyond it BlazePose follows something else."""
PRESENT_LOGIT, ABSENT_LOGIT = 3.0, -1.0
COVERED_LANDMARKS = 3
CLOCK_PERIOD_S, CLOCK_TOLERANCE_S = 1.0 / 30.0, 0.004
MIN_CLOCK_STEPS = 50
SPREAD_OPTIONS = MeanOptions(
    steps=600, width=48, dropout=0.2, input_noise=0.2, learning_rate=2e-3, weight_decay=0.2
)
"""Strong regularisation, because few people are held out."""
MAX_SPREAD_ROWS = 4000
SMALL_SQUARE = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class LabelledObservations:
    """Observations with the truth beside them, left/right swaps undone."""

    data: LiftData
    view: TrueView

    @classmethod
    def of(cls, data: LiftData, skeleton: Skeleton) -> LabelledObservations:
        """Find and undo the swaps."""
        view = true_view(data, skeleton)
        return cls(exchange(data, find_swaps(data, view)), view)

    def rows(self, mask: NDArray[np.bool_] | slice) -> LabelledObservations:
        """Select observations."""
        return LabelledObservations(self.data.rows(mask), self.view.rows(mask))

    def mirrored(self) -> LabelledObservations:
        """Mirrored observations; their coordinates stay unmirrored and must not be used."""
        data, flip = self.data, np.array([-1.0, 1.0, 1.0], dtype=np.float32)
        landmarks_px, roi = data.landmarks_px[:, MIRRORED].copy(), data.roi.copy()
        landmarks_px[..., 0] = 2.0 * data.camera[:, 1:2] - landmarks_px[..., 0]
        roi[:, 0] = 2.0 * data.camera[:, 1] - roi[:, 0]
        roi[:, 3] *= -1.0
        seen = replace(
            data, landmarks_px=landmarks_px, world_m=data.world_m[:, MIRRORED] * flip,
            visibility=data.visibility[:, MIRRORED], presence=data.presence[:, MIRRORED], roi=roi,
        )  # fmt: skip
        return LabelledObservations(seen, mirrored_view(self.view))

    @property
    def roi(self) -> Array:
        """Shape: (n, 4)."""
        return self.data.roi.astype(np.float64)

    @property
    def seen(self) -> Array:
        """Probability that each landmark is visible. Shape: (n, 33)."""
        return (self.data.visibility * self.data.presence).astype(np.float64)

    def place_inputs(self) -> Floats:
        """Inputs of `ObservationModel.place`. Shape: (n, n_inputs)."""
        return np.concatenate([view_features(self.view, self.roi), self.seen], 1, dtype=np.float32)


def split_sources(sources: list[LiftData]) -> tuple[LiftData, LiftData]:
    """Images that stand alone, and clips.

    Raises:
        TrainError: one of the two is missing.
    """
    clips = [source for source in sources if source.t_s.any()]
    pictures = [source for source in sources if not source.t_s.any()]
    if not clips or not pictures:
        have, need = ("clips", "lift-data") if clips else ("pictures", "lift-clips")
        raise TrainError(f"there are only {have}; make the rest and name it too: kinecast train {need}")
    return concatenated(pictures), concatenated(clips)


def fit_observation(
    pictures: LiftData, clips: LiftData, skeleton: Skeleton, options: MeanOptions | None = None
) -> ObservationModel:
    """Fit all parts.

    Args:
        pictures: Images of many people, for the means.
        clips: Clips for the errors and events; their adults may occur in `images` too.
        skeleton: Skeleton of both.
        options: Training options of the means.

    Raises:
        TrainError: too little data.
    """
    if len(pictures) < 2 * OTHERS_EVERY or not any(len(clips.t_s[rows]) > 2 for rows in clips.clips()):
        raise TrainError(
            f"{len(pictures)} pictures and {len(clips)} frames of clips are too few; make more: "
            "kinecast train lift-data, kinecast train lift-clips"
        )
    options = options or MeanOptions()
    pictures = pictures.rows(slice(None, None, -(-len(pictures) // MAX_PICTURES)))
    filmed, shot = LabelledObservations.of(clips, skeleton), LabelledObservations.of(pictures, skeleton)
    other = pictures.adult % OTHERS_EVERY == 0
    region, sight, place = fit_means(shot.rows(~other), options)
    shown = shot.rows(other)
    variance = _place_variance([shown, filmed], place)
    spread = _fit_spread([shown, filmed], place, variance, options.seed)
    errors = _place_errors(filmed, place, variance, spread)
    clock = _fit_clock(filmed, errors)
    times = _clock_times(filmed, clock)
    timed = [(times[rows], errors[rows]) for rows in clips.clips()]
    prior = _place_errors(shown, place, variance, spread)
    place_noise = fit_noise(timed, N_PLACE_COMPONENTS, prior=prior)
    clock = clock.with_bursts(_speedy(filmed, errors @ place_noise.basis))
    return ObservationModel(
        region, sight, place,
        _region_noise(filmed, region, times), _sight_noise(filmed, sight, times), place_noise, spread, clock,
        variance, _unseen_logit(shot), _depth_scale(shot), measure_events(clips, filmed.view),
    )  # fmt: skip


def fit_means(
    shot: LabelledObservations, options: MeanOptions
) -> tuple[MeanNetwork, MeanNetwork, MeanNetwork]:
    """Networks of region, visibility and position, from images and their mirror images."""
    both = (shot, shot.mirrored())
    nominal = [view_features(b.view, b.view.nominal_region()) for b in both]
    regions = [region_targets(b.roi, b.view) for b in both]
    views, inputs = [view_features(b.view, b.roi) for b in both], [b.place_inputs() for b in both]
    logits, places = [sight_logits(b.data) for b in both], [place_targets(b.data, b.view) for b in both]
    pairs = ((nominal, regions), (views, logits), (inputs, places))
    region, sight, place = (fit_mean(np.concatenate(x), np.concatenate(y), options) for x, y in pairs)
    return region, sight, place


def _fit_clock(filmed: LabelledObservations, errors: Array) -> ErrorClock:
    """Fit the clock to changes between frames at the most common frame rate."""
    t_s = filmed.data.t_s.astype(np.float64)
    near = np.abs(np.diff(t_s) - CLOCK_PERIOD_S) < CLOCK_TOLERANCE_S
    speed_m_s = filmed.view.speed_m_s(t_s)[1:]
    if near.sum() < MIN_CLOCK_STEPS:
        return ErrorClock(1.0, 0.0)
    return ErrorClock.fit((np.diff(errors, axis=0)[near] ** 2).mean(1), speed_m_s[near])


def _speedy(filmed: LabelledObservations, errors: Array) -> list[tuple[Array, Array, Array]]:
    """Stamps, errors and speeds of each clip."""
    clips = []
    for rows in filmed.data.clips():
        t_s = filmed.data.t_s[rows].astype(np.float64)
        clips.append((t_s, errors[rows], filmed.view.rows(rows).speed_m_s(t_s)))
    return [clip for clip in clips if len(clip[0]) > 2]


def _clock_times(filmed: LabelledObservations, clock: ErrorClock) -> Array:
    """Clock time at each frame of each clip. Shape: (n,)."""
    times = np.empty(len(filmed.data))
    for rows in filmed.data.clips():
        t_s = filmed.data.t_s[rows].astype(np.float64)
        times[rows] = clock.times(t_s, filmed.view.rows(rows).speed_m_s(t_s))
    return times


def _place_variance(looked: list[LabelledObservations], place: MeanNetwork) -> Array:
    """Variances for visible and hidden landmarks, both sources weighted equally."""
    total, right = np.zeros((N_PLACE, 2, 2)), np.zeros((N_PLACE, 2))
    for one in looked:
        squares = (place_targets(one.data, one.view) - place.mean(one.place_inputs())) ** 2
        squares = np.minimum(squares, LARGEST_ERROR**2 * np.median(squares, 0) / 0.455)
        seen = np.concatenate([one.seen.repeat(3, 1), one.seen.repeat(2, 1)], 1)
        design = np.stack([seen, 1.0 - seen], -1)
        total += np.einsum("ndi,ndj->dij", design, design) / len(squares)
        right += np.einsum("ndi,nd->di", design, squares) / len(squares)
    small = 1e-9 * np.eye(2)
    return np.array([nnls(a + small, b)[0] for a, b in zip(total, right, strict=True)]) + 1e-8


def _place_errors(
    looked: LabelledObservations, place: MeanNetwork, variance: Array, spread: MeanNetwork | None = None
) -> Array:
    inputs = looked.place_inputs()
    errors = (place_targets(looked.data, looked.view) - place.mean(inputs)) / std_of_place(
        variance, looked.seen
    )
    if spread is not None:
        errors /= factor_of_place(spread.mean(inputs))
    return errors.clip(-LARGEST_ERROR, LARGEST_ERROR)


def _fit_spread(
    looked: list[LabelledObservations], place: MeanNetwork, variance: Array, seed: int
) -> MeanNetwork:
    """Fit the size of each group's errors in a view, on data that `place` was not trained on."""
    values, sizes = [], []
    for one in looked:
        step = max(1, len(one.data) // MAX_SPREAD_ROWS)
        kept = one.rows(slice(None, None, step))
        squares = _place_errors(kept, place, variance) ** 2
        groups = [squares[:, group == PLACE_GROUP].mean(1) for group in range(N_GROUPS)]
        values.append(kept.place_inputs())
        sizes.append(0.5 * np.log(np.stack(groups, 1) + SMALL_SQUARE))
    return fit_mean(np.concatenate(values), np.concatenate(sizes), replace(SPREAD_OPTIONS, seed=seed))


def _sight_noise(filmed: LabelledObservations, sight: MeanNetwork, times: Array) -> ResidualNoise:
    mean = sight.mean(view_features(filmed.view, filmed.roi))
    logits = sight_logits(filmed.data)
    # Covers are simulated as events and must not count twice.
    absent = (mean[:, N_LANDMARKS:] > PRESENT_LOGIT) & (logits[:, N_LANDMARKS:] < ABSENT_LOGIT)
    clear = absent.sum(1) < COVERED_LANDMARKS
    errors = logits - mean
    clips = [(times[rows][clear[rows]], errors[rows][clear[rows]]) for rows in filmed.data.clips()]
    return fit_noise([clip for clip in clips if len(clip[0]) > 2], N_SIGHT_COMPONENTS)


def _region_noise(filmed: LabelledObservations, region: MeanNetwork, times: Array) -> ResidualNoise:
    targets = region.mean(view_features(filmed.view, filmed.view.nominal_region()))
    clips = []
    for rows in filmed.data.clips():
        view, t_s = filmed.view.rows(rows), filmed.data.t_s[rows].astype(np.float64)
        calm = np.zeros((len(t_s), targets.shape[1]))
        expected = follow_region(view, targets[rows], calm, t_s)
        errors = region_targets(filmed.roi[rows], view) - region_targets(expected, view)
        clips.append((times[rows], errors.clip(-0.3, 0.3)))
    return fit_noise(clips, targets.shape[1])


def _unseen_logit(shot: LabelledObservations) -> Array:
    logits, outside = sight_logits(shot.data), np.tile(shot.view.outside(), (1, 2))
    kept = np.where(outside, logits, np.nan)
    few = outside.sum(0) < 2
    kept[0, few], kept[1, few] = -6.0, -4.0
    return np.stack([np.nanmean(kept, 0), np.nanstd(kept, 0)])


def _depth_scale(shot: LabelledObservations) -> float:
    """Regression of the depths in the image on those in m."""
    z_m = shot.data.world_m[..., 2] * shot.view.px_per_m[:, None]
    return float((z_m * shot.data.landmarks_px[..., 2]).sum() / max(float((z_m**2).sum()), 1e-9))
