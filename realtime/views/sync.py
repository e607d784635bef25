"""When one video began, and how fast its clock runs, from the movement of the person whom another also shows.

With the right times, the rays of two calibrated cameras to one landmark meet. The signed distance by which
they miss is minimised over the offset and the rate of the second clock, robustly and by least squares from
the best point of a grid. How sharply it rises around the solution tells how well both are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from engines.blazepose.tracker import BlazePoseResult
from realtime.errors import SourceError
from realtime.sources.source import FrameSource
from realtime.views.agreement import COMPARED, PARALLEL, ViewedPerson

Array = NDArray[np.float64]

LONGEST_S = 10.0
"""Largest offset that is looked for."""
GRID_S = 0.05
RATES = (1.0, 0.97, 1.03)
LEAST_OVERLAP_S = 2.0
TRUSTED_GAP_M = 0.02
"""Distance of rays at which their weight is halved."""
STEP_S, STEP_RATE = 2e-3, 2e-4
ITERATIONS = 12
RELATED = 4.0
"""Factor on standard deviations: landmarks of neighbouring frames and limbs err alike."""
MAX_SIGMA_S = 0.02
MAX_COST = 0.9
"""Two phones gave 0.4 to 0.5, and 1.2 to 2 at wrong offsets."""
WATCHED_S, WATCHED_HZ = 40.0, 15.0
OTHER_S, OTHER_SHARE = 0.25, 1.5
"""Another offset so far away, with a cost at most this many times as large, is as good: movement repeats."""
SIGNIFICANT = 3.0


class LandmarkTracker(Protocol):
    """Follows one person through the images of one view."""

    def step(self, image: NDArray[np.uint8], t_capture_ns: int | None = None) -> BlazePoseResult | None:
        """The person's landmarks; None while nobody is found."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A video's clock on that of the first: common time = offset + rate times own time since its start."""

    offset_s: float
    sigma_s: float
    """Standard deviation of the offset."""
    rate: float = 1.0
    sigma_rate: float = 0.0
    """Standard deviation of the rate; 0 where the clocks run alike as far as can be told."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenMovement:
    """The person in one view over its own time."""

    eye_m: Array
    """Position of the camera. Shape: (3,)."""
    time_s: Array
    """Since the video's start. Shape: (n,)."""
    rays: Array
    """Unit directions to the landmarks compared, in ground. Shape: (n, 8, 3)."""
    weights: Array
    """Shape: (n, 8)."""

    @classmethod
    def of(cls, time_s: Sequence[float], people: Sequence[ViewedPerson | None]) -> SeenMovement:
        """The frames that show somebody.

        Raises:
            SourceError: too few do.
        """
        shown = [(t, one) for t, one in zip(time_s, people, strict=True) if one is not None]
        if len(shown) < 10 or shown[-1][0] - shown[0][0] < LEAST_OVERLAP_S:
            raise SourceError(
                "--sync auto: too few images show somebody; give the times with --offsets S,S", name="sync"
            )
        return cls(
            eye_m=shown[0][1].eye_m,
            time_s=np.array([t for t, _ in shown]),
            rays=_smoothed(np.array([one.rays[COMPARED] for _, one in shown])),
            weights=np.array([one.weights[COMPARED] for _, one in shown]),
        )

    def at(self, time_s: Array) -> tuple[Array, Array]:
        """Rays and weights at other times; no weight outside the video. Shapes: (m, 8, 3), (m, 8)."""
        after = np.clip(np.searchsorted(self.time_s, time_s), 1, len(self.time_s) - 1)
        before, step = after - 1, np.diff(self.time_s)
        share = np.clip((time_s - self.time_s[before]) / step[before], 0.0, 1.0)[:, None]
        rays = self.rays[before] + share[..., None] * (self.rays[after] - self.rays[before])
        weights = np.minimum(self.weights[before], self.weights[after])
        is_inside = (time_s >= self.time_s[0]) & (time_s <= self.time_s[-1])
        return rays, weights * is_inside[:, None]


def _smoothed(rays: Array) -> Array:
    """Binomial mean over five frames: else noise is smallest, and rays seem to meet, between two frames."""
    for _ in range(2):
        padded = np.concatenate([rays[:1], rays, rays[-1:]])
        rays = 0.25 * padded[:-2] + 0.5 * rays + 0.25 * padded[2:]
    return rays


def watch(source: FrameSource, camera: CameraCalibration, tracker: LandmarkTracker) -> SeenMovement:
    """Follow the person through the beginning of a video.

    Args:
        source: Open video; read on from where it is.
        camera: Its camera, for images of its size.
        tracker: Landmark network.

    Raises:
        SourceError: hardly anybody is seen.
    """
    time_s: list[float] = []
    people: list[ViewedPerson | None] = []
    start_ns = None
    while (frame := source.read()) is not None:
        start_ns = frame.t_capture_ns if start_ns is None else start_ns
        t_s = 1e-9 * (frame.t_capture_ns - start_ns)
        if t_s > WATCHED_S:
            break
        if time_s and t_s - time_s[-1] < 1.0 / WATCHED_HZ - 0.5 / source.fps:
            continue
        result = tracker.step(frame.image, frame.t_capture_ns)
        time_s.append(t_s)
        people.append(None if result is None else ViewedPerson.of(result, camera))
    return SeenMovement.of(time_s, people)


def find_clock(first: SeenMovement, second: SeenMovement, name: str) -> Clock:
    """The clock of the second video on that of the first.

    Args:
        first: Movement in the first view.
        second: The same movement in another view.
        name: Name of the second video, for messages.

    Raises:
        SourceError: the movement does not tell the offset, or tells more than one.
    """
    grid = [
        (_cost(first, second, offset_s, rate), offset_s, rate)
        for rate in RATES
        for offset_s in np.arange(-LONGEST_S, LONGEST_S + GRID_S, GRID_S).tolist()
    ]
    cost, offset_s, rate = min(grid)
    if not np.isfinite(cost):
        raise SourceError(f"--sync auto: {name} shows nobody at the same time as the first", name="sync")
    best = _refine(first, second, offset_s, rate)
    if _cost(first, second, best.offset_s, best.rate) > MAX_COST:
        raise SourceError(
            f"--sync auto: at no offset up to {LONGEST_S:g} s does {name} move as in the first video; is it "
            "the same person, and are the videos in the order of the cameras?",
            name="sync",
        )
    others = [c for c, o, r in grid if r == rate and abs(o - offset_s) > OTHER_S]
    is_repeated = bool(others) and min(others) < OTHER_SHARE * cost
    if best.sigma_s > MAX_SIGMA_S or is_repeated:
        why = "repeats itself" if is_repeated else f"leaves {name} open by {best.sigma_s:.3f} s"
        raise SourceError(
            f"--sync auto: the movement {why}; let the person raise an arm once, or give the times with "
            "--offsets S,S", name="sync", value=best.offset_s,
        )  # fmt: skip
    return best


def _gaps_m(first: SeenMovement, second: SeenMovement, offset_s: float, rate: float) -> tuple[Array, Array]:
    """Signed distances by which rays miss each other, and their weights. Shapes: (n, 8), (n, 8)."""
    rays, weights = second.at((first.time_s - offset_s) / rate)
    normal = np.cross(first.rays, rays)
    length = np.linalg.norm(normal, axis=2)
    gaps_m = normal @ (second.eye_m - first.eye_m) / np.maximum(length, PARALLEL)
    return gaps_m, np.sqrt(first.weights * weights) * (length > PARALLEL)


def _cost(first: SeenMovement, second: SeenMovement, offset_s: float, rate: float) -> float:
    """Robust mean of the squared distances; infinite where the videos hardly overlap."""
    gaps_m, weights = _gaps_m(first, second, offset_s, rate)
    both = weights.any(1)
    if not both.any() or np.ptp(first.time_s[both]) < LEAST_OVERLAP_S:
        return np.inf
    losses = np.log1p((gaps_m / TRUSTED_GAP_M) ** 2)
    return float((weights * losses).sum() / weights.sum())


def _refine(first: SeenMovement, second: SeenMovement, offset_s: float, rate: float) -> Clock:
    """Gauss-Newton over offset and rate; over the offset alone if the rate cannot be told from 1."""
    both = _solve(first, second, np.array([offset_s, rate]), np.array([True, True]))
    if abs(both.rate - 1.0) > SIGNIFICANT * both.sigma_rate:
        return both
    start_s = both.offset_s + (both.rate - 1.0) * float(second.time_s.mean())
    return _solve(first, second, np.array([start_s, 1.0]), np.array([True, False]))


def _solve(first: SeenMovement, second: SeenMovement, start: Array, is_free: NDArray[np.bool_]) -> Clock:
    steps, p = np.diag([STEP_S, STEP_RATE])[is_free], start.copy()
    for _ in range(ITERATIONS):
        gaps_m, weights = _gaps_m(first, second, *p.tolist())
        w = weights / (1.0 + (gaps_m / TRUSTED_GAP_M) ** 2)
        slopes = [
            (_gaps_m(first, second, *(p + s).tolist())[0] - _gaps_m(first, second, *(p - s).tolist())[0])
            / (2.0 * s.sum())
            for s in steps
        ]
        J = np.stack(slopes, -1)
        H = np.einsum("nk,nki,nkj->ij", w, J, J) + 1e-12 * np.eye(len(steps))
        p[is_free] -= np.linalg.solve(H, np.einsum("nk,nki,nk->i", w, J, gaps_m))
    variance = float((w * gaps_m**2).sum() / max(w.sum(), 1e-9))
    sigma = np.zeros(2)
    sigma[is_free] = RELATED * np.sqrt(variance * np.diag(np.linalg.inv(H)))
    return Clock(float(p[0]), float(sigma[0]), float(p[1]), float(sigma[1]))
