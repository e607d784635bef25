"""One person among several: where they are expected, and how well a finding fits them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.appearance import TORSO, colour_distance
from engines.blazepose.detector import alignment_roi
from engines.blazepose.roi_filter import RoiFilter
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi

Array = NDArray[np.float64]

SAME_PERSON = 0.07
"""Findings whose shoulders and hips are nearer than this on average, in sizes of the region, are of one
person."""
WAY = 0.25
"""Distance from the expected position, in sizes of the region, that weighs as much as all other colours."""
VELOCITY_S, COAST_S = 0.2, 0.5
"""Averaging time of the velocity, and time after which somebody hidden is expected to stand."""
COLOUR_GAIN = 0.05
"""Weight of a new frame in the colours of a person who is apart from others."""


@dataclass(eq=False)
class PersonTrack:
    """One person who is followed."""

    number: int
    """Number of the person, from 0, in the order in which they were found."""
    roi: Roi
    """Region in which they are looked for in the next image."""
    roi_filter: RoiFilter = field(default_factory=RoiFilter)
    colours: Array | None = None
    torso_px: Array = field(default_factory=lambda: np.full((4, 2), np.nan))
    """Shoulders and hips when last seen. Shape: (4, 2)."""
    velocity_px_s: Array = field(default_factory=lambda: np.zeros(2))
    seen_s: float = 0.0
    """Time when last seen."""
    is_visible: bool = True

    def see(self, result: BlazePoseResult, time_s: float, dt_s: float) -> None:
        """Follow the person to where they were found."""
        torso_px = result.landmarks_px[list(TORSO), :2]
        since_s = time_s - self.seen_s
        if self.is_visible and since_s > 0.0 and np.isfinite(self.torso_px).all():
            now = (torso_px.mean(axis=0) - self.torso_px.mean(axis=0)) / since_s
            self.velocity_px_s += min(1.0, since_s / VELOCITY_S) * (now - self.velocity_px_s)
        else:
            self.velocity_px_s = np.zeros(2)
            self.roi_filter.reset()
        self.torso_px, self.seen_s, self.is_visible = torso_px, time_s, True
        centre_px, edge_px = self.roi_filter.step(result.auxiliary_px[:, :2], dt_s)
        self.roi = alignment_roi(centre_px, edge_px)

    def hide(self) -> None:
        """Note that the person is not seen."""
        self.is_visible = False
        self.roi_filter.reset()

    def wear(self, colours: Array | None) -> None:
        """Learn the colours of a frame."""
        if self.colours is None or colours is None:
            self.colours = colours if self.colours is None else self.colours
        else:
            self.colours = self.colours + COLOUR_GAIN * (colours - self.colours)

    def expected_px(self, time_s: float) -> Array:
        """Expected middle of the torso. Shape: (2,)."""
        return np.asarray(
            self.torso_px.mean(axis=0) + min(time_s - self.seen_s, COAST_S) * self.velocity_px_s
        )

    def misfit(self, result: BlazePoseResult, colours: Array | None, time_s: float) -> float:
        """How little a finding fits: distance from where they are expected, and difference of colours."""
        middle_px = result.landmarks_px[list(TORSO), :2].mean(axis=0)
        way = float(np.linalg.norm(middle_px - self.expected_px(time_s))) / max(result.roi.size_px, 1.0)
        return min(way / WAY, 2.0) + colour_distance(self.colours, colours)


def is_same(a: BlazePoseResult, b: BlazePoseResult) -> bool:
    """Whether two findings are of one person, also where they differ in which side is which."""
    ends_px = [r.landmarks_px[list(TORSO), :2].reshape(2, 2, 2).mean(axis=1) for r in (a, b)]
    apart_px = np.linalg.norm(ends_px[0] - ends_px[1], axis=1)
    return bool(apart_px.mean() < SAME_PERSON * max(a.roi.size_px, b.roi.size_px))


def assigned(misfits: Array) -> list[int | None]:
    """The finding of each track, so that the sum of misfits is least.

    Args:
        misfits: Misfit of each track and finding. Shape: (n_tracks, n_findings), not more than 5 each.

    Returns:
        Index of the finding; None for tracks without one.
    """
    n_tracks, n_findings = misfits.shape
    places: Sequence[int | None] = [*range(n_findings), *[None] * max(0, n_tracks - n_findings)]

    def total(order: Iterable[int | None]) -> float:
        return float(sum(misfits[k, finding] for k, finding in enumerate(order) if finding is not None))

    return list(min(permutations(places, n_tracks), key=total))
