"""Builds the drawing that options ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime.options import DrawingOptions
from realtime.overlay.floor_grid import FloorDrawing
from realtime.overlay.overlay import Overlay
from realtime.sample import Drawing

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton


def make_overlay(
    options: DrawingOptions, skeleton: Skeleton, camera: CameraCalibration, *, mirror: bool = False
) -> Drawing:
    """The overlay, on the floor of the camera file if that is asked for.

    Args:
        options: Angles and other parts that are drawn.
        skeleton: Skeleton of the samples.
        camera: Camera that projects the skeleton onto the image.
        mirror: Whether to mirror the image.

    Raises:
        FloorError: the floor is asked for, and the camera file has none.
        SkeletonError: a coordinate is unknown; the text lists the known ones.
    """
    overlay = Overlay(
        skeleton,
        camera,
        coordinates=options.show,
        mirror=mirror,
        plots=options.plot,
        arcs=options.arcs,
        panels=options.panels,
    )
    return FloorDrawing(camera, overlay) if options.floor else overlay
