"""Estimators by name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from calib.camera import CameraCalibration
from calib.skeleton import load_skeleton
from realtime.errors import RealtimeError
from realtime.sample import Estimator

if TYPE_CHECKING:
    from engines.blazepose.detector import SearchRegion
    from engines.selection import EngineChoice
    from realtime.pose.scaling import KnownSubject
    from realtime.pose.skeletal_layer import SkeletalLayer

ESTIMATOR_NAMES = ("lifted", "landmarks", "direct")
"""The first is the default with kinecast's own skeleton, the second with any other."""


def default_estimator(skeleton_path: Path | None) -> str:
    """The best estimator for a skeleton: the lifter is trained with kinecast's own."""
    return ESTIMATOR_NAMES[0] if skeleton_path is None else ESTIMATOR_NAMES[1]


def lifter_path() -> Path:
    """The lifter that ships with kinecast."""
    return Path(str(files("engines") / "data" / "lifter.onnx"))


def direct_path() -> Path:
    """The direct network that ships with kinecast."""
    return Path(str(files("engines") / "data" / "direct.onnx"))


def temporal_path() -> Path:
    """The temporal network that ships with kinecast."""
    return Path(str(files("engines") / "data" / "temporal.onnx"))


def make_estimator(
    name: str,
    *,
    camera: CameraCalibration,
    skeleton_path: Path | None = None,
    height_m: float | None = None,
    subject_path: Path | None = None,
    apply_offsets: bool = False,
    model_path: Path | None = None,
    offline: bool = False,
    smoothing: bool = True,
    temporal: bool = True,
    search_region: tuple[float, float, float, float] | None = None,
    choice: EngineChoice | None = None,
) -> Estimator:
    """Build an estimator with everything it needs.

    Args:
        name: One of `ESTIMATOR_NAMES`.
        camera: Intrinsics and place of the camera.
        skeleton_path: An `.osim` file; None takes kinecast's own skeleton.
        height_m: The person's stature, if known.
        subject_path: A subject file, whose scale factors then stay.
        apply_offsets: Whether angles count from the subject's neutral pose.
        model_path: A network to use instead of kinecast's: a direct one for `direct`, else a BlazePose
            landmark network.
        offline: Never touch the network.
        smoothing: Whether the One-Euro filter runs.
        temporal: Whether the temporal network runs before it, where the estimator and the skeleton allow it.
        search_region: Left, top, width, height of the part of the picture in which the person is looked
            for, from 0 to 1.
        choice: Which engines of the direct network may run; None: the fastest that was built here.

    Raises:
        RealtimeError: no estimator has that name.
        CalibError: the skeleton cannot be read or cannot be tracked.
        EngineError: a network is not at hand.
    """
    # Imported here: the networks' runtime takes a while, and the names above are wanted without it.
    from calib.subject import load_subject
    from engines.assets import fetch
    from engines.blazepose.detector import WHOLE_PICTURE, SearchRegion
    from engines.blazepose.tracker import BlazePose
    from realtime.calibration.subject_meter import factors_of_stature
    from realtime.estimators.landmarks import LandmarksEstimator
    from realtime.estimators.lifted import LiftedEstimator
    from realtime.pose.scaling import KnownSubject
    from realtime.pose.skeletal_layer import SkeletalLayer
    from realtime.pose.temporal_network import TemporalNetwork

    if name not in ESTIMATOR_NAMES:
        raise RealtimeError(f"no estimator {name!r}; accepted: {', '.join(ESTIMATOR_NAMES)}")
    _check_choice(name, choice)
    skeleton = load_skeleton(skeleton_path)
    region = WHOLE_PICTURE if search_region is None else SearchRegion(*search_region)
    network = (
        TemporalNetwork(skeleton, temporal_path()) if temporal and _can_steady(name, skeleton_path) else None
    )
    layer = SkeletalLayer(skeleton, smoothing=smoothing, temporal=network)
    subject = None
    if subject_path is not None:
        subject = KnownSubject.of(load_subject(subject_path, skeleton), apply_offsets=apply_offsets)
    if name == "direct":
        network_path = model_path or direct_path()
        return _make_direct(camera, network_path, layer, height_m, subject, region, choice, offline=offline)
    blazepose = BlazePose(
        model_path or fetch("pose_landmark_full", offline=offline),
        fetch("pose_detection", offline=offline),
        search_region=region,
    )
    if name == "lifted":
        path = lifter_path()
        if subject is None and height_m is not None:
            subject = KnownSubject(factors_of_stature(skeleton, height_m))
        return LiftedEstimator(skeleton, camera, blazepose, layer, path, height_m, subject=subject)
    return LandmarksEstimator(skeleton, camera, blazepose, layer, height_m, subject)


def _can_steady(name: str, skeleton_path: Path | None) -> bool:
    """The temporal network is trained with kinecast's own skeleton, and needs uncertainties."""
    return skeleton_path is None and name != "landmarks"


def _check_choice(name: str, choice: EngineChoice | None) -> None:
    if name != "direct" and choice is not None and choice.options:
        raise RealtimeError(
            f"--runtime and --precision are for the estimator direct; {name} runs on OpenVINO in fp32"
        )


def _make_direct(
    camera: CameraCalibration,
    network_path: Path,
    layer: SkeletalLayer,
    height_m: float | None,
    subject: KnownSubject | None,
    region: SearchRegion,
    choice: EngineChoice | None,
    *,
    offline: bool,
) -> Estimator:
    from engines.assets import fetch
    from engines.blazepose.detector import PoseDetector
    from engines.selection import FASTEST
    from realtime.estimators.direct import DirectEstimator
    from realtime.estimators.direct_network import DirectNetwork

    if not network_path.exists():
        raise RealtimeError(
            f"{network_path}: no direct network; make one: kinecast train spatial, then kinecast train "
            "export, and name it with --model-path"
        )
    return DirectEstimator(
        layer.skeleton,
        camera,
        DirectNetwork(layer.skeleton, camera.intrinsics, network_path, choice or FASTEST),
        PoseDetector(fetch("pose_detection", offline=offline)),
        layer,
        height_m,
        subject,
        search_region=region,
    )
