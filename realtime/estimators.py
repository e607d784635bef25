"""Estimators by name."""

from __future__ import annotations

from pathlib import Path

from calib.camera import CameraCalibration
from calib.skeleton import load_skeleton
from realtime.errors import RealtimeError
from realtime.types import Estimator

ESTIMATOR_NAMES = ("landmarks",)
"""The first is the default."""


def make_estimator(
    name: str,
    *,
    camera: CameraCalibration,
    skeleton_path: Path | None = None,
    height_m: float | None = None,
    model_path: Path | None = None,
    offline: bool = False,
    smoothing: bool = True,
    search_region: tuple[float, float, float, float] | None = None,
) -> Estimator:
    """Build an estimator with everything it needs.

    Args:
        name: One of `ESTIMATOR_NAMES`.
        camera: Intrinsics and place of the camera.
        skeleton_path: An `.osim` file; None takes kinecast's own skeleton.
        height_m: The person's stature, if known.
        model_path: A BlazePose landmark network to use instead of the fetched one.
        offline: Never touch the network.
        smoothing: Whether the One-Euro filter runs.
        search_region: Left, top, width, height of the part of the picture in which the person is looked
            for, from 0 to 1.

    Raises:
        RealtimeError: no estimator has that name.
        CalibError: the skeleton cannot be read or cannot be tracked.
        EngineError: a network is not at hand.
    """
    # Imported here: the networks' runtime takes a while, and the names above are wanted without it.
    from engines.assets import fetch
    from engines.blazepose import BlazePose
    from engines.blazepose_detector import WHOLE_PICTURE, SearchRegion
    from realtime.landmarks import LandmarksEstimator
    from realtime.skeletal_layer import SkeletalLayer

    if name not in ESTIMATOR_NAMES:
        raise RealtimeError(f"no estimator {name!r}; accepted: {', '.join(ESTIMATOR_NAMES)}")
    skeleton = load_skeleton(skeleton_path)
    region = WHOLE_PICTURE if search_region is None else SearchRegion(*search_region)
    blazepose = BlazePose(
        model_path or fetch("pose_landmark_full", offline=offline),
        fetch("pose_detection", offline=offline),
        search_region=region,
    )
    layer = SkeletalLayer(skeleton, smoothing=smoothing)
    return LandmarksEstimator(skeleton, camera, blazepose, layer, height_m)
