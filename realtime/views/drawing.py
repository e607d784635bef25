"""Draws one skeleton into the images of all views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.rig import Rig
from calib.skeleton import Skeleton
from realtime.options import DrawingOptions
from realtime.overlay.build import make_overlay
from realtime.overlay.skeleton import SkeletonDrawing
from realtime.sample import Drawing, LiveStats, PoseSample
from realtime.views.tiles import Tiles

Image = NDArray[np.uint8]

DESIGN_HEIGHT_PX = 720
"""Height of an image in which a design pixel is one pixel."""
PALE = 0.3
"""Confidence as which the limbs of a view's own estimate are drawn: dashed."""


class ViewsDrawing:
    """The skeleton in each view, and everything else in the first.

    Args:
        skeleton: Skeleton of the samples.
        cameras: Cameras of the views, in the ground of estimates.
        first: Drawing of the first view.
    """

    def __init__(self, skeleton: Skeleton, cameras: Sequence[CameraCalibration], first: Drawing) -> None:
        self._first = first
        self._others = [SkeletonDrawing(skeleton, camera) for camera in cameras[1:]]
        self._own_of_first = SkeletonDrawing(skeleton, cameras[0])
        self._T_first_other = [
            np.linalg.inv(cameras[0].T_ground_cam) @ camera.T_ground_cam for camera in cameras[1:]
        ]
        self._tiles = Tiles(tuple((c.intrinsics.width_px, c.intrinsics.height_px) for c in cameras))

    def draw(self, image: Image, sample: PoseSample, stats: LiveStats | None = None) -> Image:
        """A new image with everything drawn on it; see `realtime.sample.Drawing`."""
        first, *others = self._tiles.split(image)
        width, height = self._tiles.sizes_px[0]
        first = np.zeros((height, width, 3), dtype=np.uint8) if first is None else first.copy()
        on_image = sample.on_image()
        own = list(sample.own_estimates) or [None] * (1 + len(others))
        self._draw_own(self._own_of_first, first, own[0])
        drawn: list[Image | None] = [self._first.draw(first, sample, stats)]
        for drawing, T, other, alone in zip(self._others, self._T_first_other, others, own[1:], strict=True):
            if other is not None:
                other = other.copy()
                self._draw_own(drawing, other, alone)
                seen = _from_camera(on_image, T)
                unit_px = other.shape[0] / DESIGN_HEIGHT_PX
                drawing.draw(other, seen, unit_px, mirrored=False, markers=False)
            drawn.append(other)
        return self._tiles.join(drawn)

    @staticmethod
    def _draw_own(drawing: SkeletonDrawing, image: Image, own: PoseSample | None) -> None:
        """Draw what a view alone gives, pale and dashed, below everything else."""
        if own is not None:
            pale = replace(own.on_image(), confidence=np.full_like(own.confidence, PALE))
            unit_px = image.shape[0] / DESIGN_HEIGHT_PX
            drawing.draw(image, pale, unit_px, mirrored=False, markers=False)


def _from_camera(sample: PoseSample, T_first_other: NDArray[np.float64]) -> PoseSample:
    """A sample whose ground states the pose of another camera than the first."""
    if sample.ground is None:
        return sample
    T_ground_cam = sample.ground.T_ground_cam @ T_first_other
    return replace(sample, ground=replace(sample.ground, T_ground_cam=T_ground_cam))


def overlay_of_views(options: DrawingOptions, skeleton: Skeleton, rig: Rig) -> ViewsDrawing:
    """The drawing that the options ask for, with the skeleton in every view.

    Args:
        options: What is drawn in the first view.
        skeleton: Skeleton of the samples.
        rig: The cameras, calibrated at the size of the images.

    Raises:
        FloorError: the floor is asked for, and the first camera has none.
    """
    camera = rig.cameras[0]
    # Cameras of a rig were measured, though other programs do not write how well.
    camera = replace(camera, rms_px=0.0) if camera.is_assumed else camera
    return ViewsDrawing(skeleton, rig.cameras, make_overlay(options, skeleton, camera))
