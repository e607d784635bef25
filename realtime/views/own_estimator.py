"""What each view alone gives, from the landmarks that were found for all views together."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi
from realtime.sample import Frame, PoseSample

Image = NDArray[np.uint8]


class ToldLandmarks:
    """Stands in for a landmark network whose answer for the next image is known."""

    description = "the landmarks of all views"
    n_others = 0

    def __init__(self) -> None:
        self.result: BlazePoseResult | None = None
        """Landmarks of the next image; None if it shows nobody."""

    def reset(self) -> None:
        """Nothing is remembered."""

    def step(self, image: Image, t_capture_ns: int | None = None) -> BlazePoseResult | None:
        """The landmarks that were told."""
        return self.result

    def run_roi(self, image: Image, roi: Roi) -> BlazePoseResult | None:
        """The landmarks that were told."""
        return self.result


class SingleEstimator(Protocol):
    """An estimator of a single camera."""

    def step(self, frame: Frame) -> PoseSample:
        """Estimate one frame."""

    def reset(self) -> None:
        """Forget the person."""

    def warm_up(self) -> None:
        """Do now what takes long the first time."""


class OwnEstimator:
    """Estimates the pose from one of several views.

    Args:
        landmarks: Stand-in for the landmark network of `estimator`.
        estimator: Estimator of the view's camera.
    """

    def __init__(self, landmarks: ToldLandmarks, estimator: SingleEstimator) -> None:
        self._landmarks, self._estimator = landmarks, estimator

    def reset(self) -> None:
        """Forget the person."""
        self._estimator.reset()

    def warm_up(self, result: BlazePoseResult | None) -> None:
        """Compile; see `realtime.sample.Estimator`."""
        self._landmarks.result = result
        self._estimator.warm_up()

    def step(self, moment: Frame, image: Image | None, result: BlazePoseResult | None) -> PoseSample | None:
        """The sample of one moment; None where the view is missing.

        Args:
            moment: Frame of all views.
            image: Image of this view; None if it is missing.
            result: Landmarks of this view; None if it shows nobody.
        """
        if image is None:
            return None
        self._landmarks.result = result
        return self._estimator.step(Frame(moment.frame_id, moment.t_capture_ns, image))
