"""What all estimators keep of the person they track, however they find them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame, Status

LOST_RESET_NS = 2_000_000_000
"""After 2 s without anybody, the next person is taken for another one."""


class Scaling(Protocol):
    """Running estimate of the scale factors."""

    @property
    def is_warming_up(self) -> bool:
        """Whether the factors may still change visibly."""


class TrackedPerson:
    """When the person was last seen, and whether the next one is taken for another one."""

    def __init__(self) -> None:
        self.last_seen_ns: int | None = None
        """Capture time of the last frame with the person; None before the first."""

    def reset(self) -> None:
        """Forget the person."""
        self.last_seen_ns = None

    def see(self, frame: Frame) -> None:
        """Note that a frame shows the person."""
        self.last_seen_ns = frame.t_capture_ns

    def is_gone(self, frame: Frame) -> bool:
        """Whether a frame without anybody comes so late that the person is given up."""
        return self.last_seen_ns is not None and frame.t_capture_ns - self.last_seen_ns > LOST_RESET_NS


def status_of(scaling: Scaling) -> Status:
    """Status of a frame that shows the person."""
    return Status.WARM_UP if scaling.is_warming_up else Status.TRACKING


def empty_frame(camera: CameraCalibration) -> Frame:
    """A black frame to warm up with; read-only as all frames are, since numba compiles for either."""
    k = camera.intrinsics
    image: NDArray[np.uint8] = np.zeros((k.height_px, k.width_px, 3), dtype=np.uint8)
    image.flags.writeable = False
    return Frame(0, 0, image)


def spare_layer(layer: SkeletalLayer) -> SkeletalLayer:
    """A layer to warm up with, so that the reported lag is that of real frames."""
    return SkeletalLayer(layer.skeleton)
