"""A model of BlazePose for people who are not rendered: a mean that depends on the truth, plus errors.

It simulates the region of interest, then visibility and presence, then the landmark positions given those.
Each step has a mean, fitted to images, and errors correlated in time, fitted to clips; swaps, losses and
covers are added at the rates measured on clips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.detector import ROI_MARGIN
from engines.blazepose.pose_landmark import HIPS, N_LANDMARKS
from engines.blazepose.roi_filter import RoiFilter
from train.blazepose.data import LiftData
from train.blazepose.events import ARMS, LEGS, TRUNK, EventRates, draw_covered, draw_found, draw_swaps
from train.blazepose.network import MeanNetwork
from train.blazepose.noise import ErrorClock, ResidualNoise
from train.blazepose.points import (
    TrueView,
    points_from_hips,
    view_features,
)

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

N_SIGHT, N_PLACE, N_REGION = 2 * N_LANDMARKS, 5 * N_LANDMARKS, 4
N_WORLD = 3 * N_LANDMARKS
"""Of `N_PLACE`: metric places; pixels follow."""
LARGEST_LOGIT = 12.0
LARGEST_LOG_SIZE = 1.5


def _place_group() -> NDArray[np.int64]:
    """Group of each of `place_targets`: head, trunk, arms, legs, each across, in depth and in the image."""
    part = np.zeros(N_LANDMARKS, dtype=np.int64)
    part[list(TRUNK)], part[list(ARMS)], part[list(LEGS)] = 1, 2, 3
    return np.concatenate([(3 * part[:, None] + [0, 0, 1]).ravel(), (3 * part + 2).repeat(2)])


PLACE_GROUP = _place_group()
N_GROUPS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """Simulated output for the frames of a clip; fields as in `LiftData`."""

    landmarks_px: Floats
    world_m: Floats
    visibility: Floats
    presence: Floats
    roi: Floats
    swapped: NDArray[np.bool_]
    """Shape: (n, n_swaps)."""
    found: NDArray[np.bool_]
    """Shape: (n,)."""


@dataclass(frozen=True, slots=True, eq=False)
class ObservationModel:
    """Means, errors and events, fitted by `train.blazepose.fit`."""

    region: MeanNetwork
    """Network from the view to `region_targets`."""
    sight: MeanNetwork
    """Network from the view to `sight_logits`."""
    place: MeanNetwork
    """View and probability of visibility to `place_targets`."""
    region_noise: ResidualNoise
    sight_noise: ResidualNoise
    place_noise: ResidualNoise
    """Noise in units of `std_of_place` times the factor of `spread`."""
    spread: MeanNetwork
    """Inputs of `place` to logarithms of the error sizes of `PLACE_GROUP`: some views are hard."""
    clock: ErrorClock
    """Clock of the errors."""
    place_variance: Array
    """Error variances of `place_targets` for visible and hidden landmarks. Shape: (N_PLACE, 2)."""
    unseen_logit: Array
    """Mean and standard deviation of logits of what is out of the image. Shape: (2, N_SIGHT)."""
    depth_scale: float
    """Depths in `landmarks_px` over depths in `world_m` times pixels per metre."""
    events: EventRates

    def observe(self, view: TrueView, t_s: Array, rng: np.random.Generator) -> Observation:
        """Simulate BlazePose's output for a clip, each frame from the frames before it.

        Args:
            view: Truth of n frames.
            t_s: Rising time stamps. Shape: (n,).
            rng: Random generator.
        """
        # The number of draws depends on the time stamps only, so that no frame changes an earlier one.
        clock_s = self.clock.times(t_s, view.speed_m_s(t_s), rng)
        noise = [n.draw(clock_s, rng) for n in (self.region_noise, self.sight_noise, self.place_noise)]
        covered, level = draw_covered(view, t_s, rng), rng.normal(size=N_SIGHT)
        roi = follow_region(view, self.region.mean(view_features(view, view.nominal_region())), noise[0], t_s)
        features = view_features(view, roi)
        logits = self.sight.mean(features) + noise[1]
        hidden = np.tile(covered, (1, 2))
        logits = np.where(hidden, self.unseen_logit[0] + self.unseen_logit[1] * level, logits)
        sight = 1.0 / (1.0 + np.exp(-logits.clip(-LARGEST_LOGIT, LARGEST_LOGIT)))
        seen = sight[:, :N_LANDMARKS] * sight[:, N_LANDMARKS:]
        inputs = np.concatenate([features, seen], 1, dtype=np.float32)
        std = std_of_place(self.place_variance, seen) * factor_of_place(self.spread.mean(inputs))
        place = self.place.mean(inputs) + std * noise[2]
        world, landmarks_px = placed(view, roi, place, self.depth_scale)
        return Observation(
            landmarks_px.astype(np.float32),
            world.astype(np.float32),
            sight[:, :N_LANDMARKS].astype(np.float32),
            sight[:, N_LANDMARKS:].astype(np.float32),
            roi.astype(np.float32),
            draw_swaps(self.events, view, t_s, rng),
            draw_found(self.events, view.share_seen(covered), t_s, rng),
        )


def std_of_place(variance: Array, seen: Array) -> Array:
    """Standard deviations of errors of `place_targets`: each landmark's position in m, then in the image.

    Args:
        variance: Variances for visible and hidden landmarks. Shape: (N_PLACE, 2).
        seen: Probability that each landmark is visible. Shape: (n, 33).
    """
    p = np.concatenate([seen.repeat(3, 1), seen.repeat(2, 1)], 1)
    return np.asarray(np.sqrt(variance[:, 0] * p + variance[:, 1] * (1.0 - p)))


def factor_of_place(log_sizes: Array) -> Array:
    """Factors of the errors of `place_targets`, group by group. Shapes: (n, N_GROUPS) to (n, N_PLACE)."""
    return np.exp(log_sizes.clip(-LARGEST_LOG_SIZE, LARGEST_LOG_SIZE))[:, PLACE_GROUP]


def placed(view: TrueView, region: Array, place: Array, depth_scale: float) -> tuple[Array, Array]:
    """`world_m` and `landmarks_px` from errors in the form of `place_targets`. Shapes: (n, 33, 3) twice."""
    world = points_from_hips(view, region) + place[:, :N_WORLD].reshape(-1, N_LANDMARKS, 3)
    uv_px = view.projected_px() + region[:, 2, None, None] * place[:, N_WORLD:].reshape(-1, N_LANDMARKS, 2)
    depth_px = depth_scale * view.px_per_m[:, None] * world[..., 2]
    return world, np.concatenate([uv_px, depth_px[..., None]], -1)


def place_targets(data: LiftData, view: TrueView) -> Array:
    """Landmark errors: in m, then in the image in sides of the region. Shape: (n, N_PLACE)."""
    roi, world = data.roi.astype(np.float64), data.world_m.astype(np.float64)
    world = world - 0.5 * (world[:, HIPS[0]] + world[:, HIPS[1]])[:, None]
    off_px = (data.landmarks_px[..., :2] - view.projected_px()) / roi[:, 2, None, None]
    parts = (world - points_from_hips(view, roi), off_px)
    return np.concatenate([part.reshape(len(data), -1) for part in parts], 1)


def sight_logits(data: LiftData) -> Array:
    """Logits of visibility, then of presence. Shape: (n, N_SIGHT)."""
    p = np.concatenate([data.visibility, data.presence], 1).astype(np.float64)
    p = p.clip(1e-9, 1.0 - 1e-9)
    return np.log(p / (1.0 - p)).clip(-LARGEST_LOGIT, LARGEST_LOGIT)


def region_targets(roi: Array, view: TrueView) -> Array:
    """Centre and upper end of the region, relative to `TrueView.nominal_region`. Shape: (n, N_REGION)."""
    nominal = view.nominal_region()
    up = np.stack([np.sin(roi[:, 3]), -np.cos(roi[:, 3])], 1) * (roi[:, 2:3] / (2.0 * ROI_MARGIN))
    points = np.concatenate([roi[:, :2] - nominal[:, :2], up], 1)
    return np.asarray(points / nominal[:, 2:3])


def follow_region(view: TrueView, targets: Array, errors: Array, t_s: Array) -> Array:
    """The region of each frame: derived from the frame before and filtered as in live use.

    Args:
        view: View of n frames.
        targets: Error-free regions as in `region_targets`. Shape: (n, N_REGION).
        errors: Errors of the resulting region, in the same units. Shape: (n, N_REGION).
        t_s: Shape: (n,).

    Returns:
        As `LiftData.roi`. Shape: (n, 4).
    """
    nominal = view.nominal_region()
    sides = nominal[:, 2:3]
    centre = nominal[:, :2] + sides * targets[:, :2]
    points = np.stack([centre, centre + sides * targets[:, 2:]], 1)
    dt_s = np.diff(t_s, prepend=t_s[:1])
    filtered, region_filter = points.copy(), RoiFilter()
    for k in range(len(points) - 1):
        filtered[k + 1] = region_filter.step(points[k], float(dt_s[k]))
    # The detector finds the first region; errors are those of the region that the filter gives.
    up = filtered[:, 1] - filtered[:, 0] + sides * errors[:, 2:]
    centre = filtered[:, 0] + sides * errors[:, :2]
    size_px = 2.0 * ROI_MARGIN * np.hypot(up[:, 0], up[:, 1])
    smallest = 0.2 * sides[:, 0]
    return np.column_stack([centre, np.maximum(size_px, smallest), np.arctan2(up[:, 0], -up[:, 1])])
