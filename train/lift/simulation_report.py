"""Compare simulated with rendered clips: landmark errors, their autocorrelation, and the lifter's errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import SCORED_COORDINATES
from calib.skeleton import Skeleton
from engines.blazepose.pose_landmark import N_LANDMARKS, PoseLandmark
from train.blazepose.data import LiftData, concatenated
from train.blazepose.events import SWAPS, find_swaps
from train.blazepose.model import N_WORLD, ObservationModel, place_targets
from train.blazepose.noise import autocovariance
from train.blazepose.points import TrueView, true_view
from train.blazepose.simulate import observed_again
from train.lift.exported import Lift
from train.lift.network import landmark_batch, lifted_coordinates, make_pairs

Array = NDArray[np.float64]

REPORTED = {
    "nose": PoseLandmark.NOSE,
    "shoulder": PoseLandmark.RIGHT_SHOULDER,
    "wrist": PoseLandmark.RIGHT_WRIST,
    "hip": PoseLandmark.RIGHT_HIP,
    "knee": PoseLandmark.RIGHT_KNEE,
    "ankle": PoseLandmark.RIGHT_ANKLE,
    "toe": PoseLandmark.RIGHT_FOOT_INDEX,
}
NEXT_FRAME_S = 0.05
LAGS_S = np.array([0.034, 0.5, 2.0])
"""One frame, and lags of errors that last."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipStatistics:
    """Statistics of one set of clips."""

    rms_mm: Array
    """Errors of `REPORTED` landmarks in `world_m`, left and right. Shape: (7,)."""
    rms_px: Array
    """Errors of the same landmarks in the image, in thousandths of the region's side. Shape: (7,)."""
    seen: Array
    """Mean probability of visibility. Shape: (7,)."""
    correlation: Array
    """Autocorrelation at `LAGS_S`, all landmarks pooled, of positions and of visibility. Shape: (3, 2)."""
    swapped: Array
    """Share of frames with each of `SWAPS`."""
    lifter_deg: Array
    """Mean absolute error, of its mean per clip, of the rest, and of its steps. Shape: (4,)."""

    def rows(self) -> list[tuple[str, float]]:
        """Names and values of all rows of the table."""
        named = [(f"{name} mm", v) for name, v in zip(REPORTED, self.rms_mm.tolist(), strict=True)]
        named += [(f"{name} 2D", v) for name, v in zip(REPORTED, self.rms_px.tolist(), strict=True)]
        named += [(f"{name} seen", v) for name, v in zip(REPORTED, self.seen.tolist(), strict=True)]
        for k, lag_s in enumerate(LAGS_S.tolist()):
            named += [(f"r({lag_s:.2f} s)", float(self.correlation[k, 0]))]
            named += [(f"r({lag_s:.2f} s) seen", float(self.correlation[k, 1]))]
        named += [
            (f"swapped {name} %", 100.0 * v) for name, v in zip(SWAPS, self.swapped.tolist(), strict=True)
        ]
        lifter = zip(("mean", "constant", "rest", "step"), self.lifter_deg.tolist(), strict=True)
        return named + [(f"lifter {name} deg", v) for name, v in lifter]


def clip_statistics(data: LiftData, view: TrueView, skeleton: Skeleton, lift: Lift) -> ClipStatistics:
    """Compute the statistics of clips.

    Args:
        data: Clips.
        view: Truth of the clips.
        skeleton: Skeleton of the data.
        lift: Single-frame network.
    """
    errors, seen = place_targets(data, view), (data.visibility * data.presence).astype(np.float64)
    both = np.array([[k, k.mirrored] for k in REPORTED.values()])
    world, pixels = (
        errors[:, :N_WORLD].reshape(-1, N_LANDMARKS, 3)[:, both],
        errors[:, N_WORLD:].reshape(-1, N_LANDMARKS, 2)[:, both],
    )
    correlation = [
        _correlation([(data.t_s[rows].astype(np.float64), values[rows]) for rows in data.clips()])
        for values in (errors[:, :99], seen)
    ]
    return ClipStatistics(
        1e3 * np.sqrt((world**2).sum(-1).mean((0, 2))),
        1e3 * np.sqrt((pixels**2).sum(-1).mean((0, 2))),
        seen[:, both].mean((0, 2)),
        np.stack(correlation, 1),
        find_swaps(data, view).mean(0),
        _lifter_errors(data, skeleton, lift),
    )


def _correlation(clips: list[tuple[Array, Array]]) -> Array:
    """Autocorrelation of deviations from the mean over all clips. Shape: as `LAGS_S`."""
    mean = np.concatenate([values for _, values in clips]).mean(0)
    covariance, _ = autocovariance(
        ((t_s, values - mean) for t_s, values in clips), np.concatenate([[0.0], LAGS_S])
    )
    pooled = covariance.sum(1)
    return np.asarray(pooled[1:] / pooled[0])


def _lifter_errors(data: LiftData, skeleton: Skeleton, lift: Lift) -> Array:
    names = lifted_coordinates(skeleton)
    columns = [names.index(name) for name in SCORED_COORDINATES]
    truth = make_pairs(data, skeleton, None).q.numpy().astype(np.float64)
    error = np.degrees(lift(landmark_batch(data))[0] - truth)[:, columns]
    error = (error + 180.0) % 360.0 - 180.0
    constant = np.zeros_like(error)
    for rows in data.clips():
        constant[rows] = error[rows].mean(0)
    dt_s = np.diff(data.t_s)
    steps = np.diff(error, axis=0)[(dt_s > 0.0) & (dt_s < NEXT_FRAME_S)]
    return np.array([np.abs(part).mean() for part in (error, constant, error - constant, steps)])


def compare(
    model: ObservationModel,
    clips: LiftData,
    skeleton: Skeleton,
    lift: Lift,
    *,
    repeats: int = 3,
    seed: int = 0,
) -> tuple[ClipStatistics, ClipStatistics]:
    """Statistics of rendered clips, and of repeated simulations of the same motions and cameras."""
    rng, view = np.random.default_rng(seed), true_view(clips, skeleton)
    said = [concatenated(list(observed_again(model, clips, view, rng))) for _ in range(repeats)]
    index = np.tile(np.arange(len(clips)), repeats)
    return (
        clip_statistics(clips, view, skeleton, lift),
        clip_statistics(concatenated(said), view.rows(index), skeleton, lift),
    )


def table(rendered: ClipStatistics, simulated: ClipStatistics) -> str:
    """A table of both for the console."""
    lines = [f"{'':<24}{'rendered':>10}{'simulated':>10}"]
    for (name, one), (_, other) in zip(rendered.rows(), simulated.rows(), strict=True):
        lines.append(f"{name:<24}{one:>10.2f}{other:>10.2f}")
    return "\n".join(lines)
