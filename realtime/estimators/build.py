"""Builds estimators from options, and the cameras they see through."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from calib.camera import CameraCalibration
from calib.camera_file import load_camera
from calib.errors import CameraError
from calib.skeleton import load_skeleton
from engines.shipped import (
    shipped_direct_path,
    shipped_lifter_path,
    shipped_patches_path,
    shipped_temporal_path,
)
from realtime.errors import RealtimeError
from realtime.options import HEADINGS, CameraOptions, EstimatorOptions, Neutral, is_heading
from realtime.sample import Estimator

if TYPE_CHECKING:
    from calib.rig import Rig
    from calib.skeleton import Skeleton
    from engines.blazepose.detector import SearchRegion
    from engines.blazepose.tracker import BlazePose
    from realtime.estimators.landmarks import LandmarksEstimator, LandmarkTracker
    from realtime.estimators.lift_prior import LiftPrior
    from realtime.estimators.patch_network import PatchNetwork
    from realtime.person.scaling import KnownSubject
    from realtime.pose.skeletal_layer import SkeletalLayer
    from realtime.views.own_estimator import OwnEstimator
    from realtime.views.trackers import ViewsLandmarks

logger = logging.getLogger(__name__)

ESTIMATOR_NAMES = ("lifted", "landmarks", "direct")
"""The first is the default with kinecast's own skeleton, the second with any other."""


def default_estimator(skeleton_path: Path | None) -> str:
    """The best estimator for a skeleton: the lifter is trained with kinecast's own."""
    return ESTIMATOR_NAMES[0] if skeleton_path is None else ESTIMATOR_NAMES[1]


def make_camera(options: CameraOptions, width_px: int, height_px: int, device: str = "") -> CameraCalibration:
    """The calibration that the options name, or an assumed level camera.

    Args:
        options: Camera file, or the field of view without one.
        width_px: Width of the source's images.
        height_px: Height of the source's images.
        device: Name that the computer gives the camera; empty if it has none or it is unknown.

    Raises:
        CameraError: the calibration belongs to another camera or image size.
    """
    if options.camera_path is None:
        return CameraCalibration.assumed(width_px, height_px, options.fov_deg)
    return load_camera_for(
        options.camera_path, width_px, height_px, device, may_scale=options.may_scale_camera
    )


def load_camera_for(
    path: Path, width_px: int, height_px: int, device: str = "", *, may_scale: bool = False
) -> CameraCalibration:
    """A calibration from a file, if it belongs to this camera and image size.

    Raises:
        CameraError: it does not, or cannot be read.
    """
    camera = load_camera(path)
    if device and camera.device and device != camera.device:
        raise CameraError(
            f"{path}: calibrated for {camera.device}, but this is {device}; calibrate this one: "
            "kinecast calibrate camera",
            name="camera_path", value=camera.device, accepted=(device,),
        )  # fmt: skip
    k = camera.intrinsics
    if (k.width_px, k.height_px) == (width_px, height_px):
        return camera
    if not may_scale:
        # Whether a camera shows the same scene at another size, or cuts its edges off, only people can see.
        is_same_shape = k.width_px * height_px == k.height_px * width_px
        or_scale = ", or add --scale-camera if both sizes show the same scene" if is_same_shape else ""
        raise CameraError(
            f"{path}: calibrated at {k.width_px}x{k.height_px}, but the source gives "
            f"{width_px}x{height_px}; calibrate again at this size: kinecast calibrate camera{or_scale}",
            name="camera_path", value=(k.width_px, k.height_px), accepted=((width_px, height_px),),
        )  # fmt: skip
    logger.warning("%s: scaled from %dx%d", path, k.width_px, k.height_px)
    return replace(camera, intrinsics=k.scaled_to(width_px, height_px))


def make_estimator(options: EstimatorOptions, camera: CameraCalibration) -> Estimator:
    """Build an estimator with everything it needs.

    Args:
        options: Estimator, skeleton, person and networks.
        camera: Intrinsics and pose of the camera.

    Raises:
        RealtimeError: the options name no estimator, or do not fit each other.
        CalibError: the skeleton or the subject cannot be read, or the skeleton cannot be tracked.
        EngineError: a network is missing or cannot be read.
    """
    name = options.estimator or default_estimator(options.skeleton_path)
    _check(name, options)
    skeleton = load_skeleton(options.skeleton_path)
    subject = _subject(name, options, skeleton)
    if name == "direct":
        return _make_direct(options, camera, _make_layer(name, options, skeleton, camera), subject)
    return _make_from_landmarks(name, options, skeleton, camera, subject)


def make_views_estimator(options: EstimatorOptions, rig: Rig, *, keeps_each: bool = False) -> Estimator:
    """Build an estimator for several views of one person.

    Args:
        options: Estimator, skeleton, person and networks.
        rig: The cameras, calibrated at the size of the images.
        keeps_each: Whether to estimate the pose from each view alone, too.

    Raises:
        RealtimeError: the options name no estimator for several views, or do not fit each other.
        CalibError: the skeleton or the subject cannot be read, or the skeleton cannot be tracked.
        EngineError: a network is missing or cannot be read.
    """
    from realtime.estimators.lift_network import LiftNetwork
    from realtime.estimators.lift_prior import LiftPrior
    from realtime.views.estimator import ViewsEstimator

    name = options.estimator or default_estimator(options.skeleton_path)
    _check(name, options)
    _check_views(name, options)
    skeleton = load_skeleton(options.skeleton_path)
    subject = _subject(name, options, skeleton)
    lifter_path = shipped_lifter_path()
    priors = (
        None
        if name == "landmarks"
        else [LiftPrior(LiftNetwork(skeleton, camera, lifter_path)) for camera in rig.cameras]
    )
    patches = None if priors is None else _make_patches(options, skeleton)
    return ViewsEstimator(
        skeleton,
        rig,
        _make_views_landmarks(options, rig),
        _make_layer(name, options, skeleton, rig.cameras[0]),
        priors=priors,
        patches=patches,
        height_m=options.height_m,
        scale_factors=None if subject is None else subject.scale_factors,
        learns_person=options.neutral is not Neutral.OFF,
        own=[
            _make_of_one_view(
                name, options, skeleton, camera, subject, None if priors is None else priors[k], patches
            )
            for k, camera in enumerate(rig.cameras if keeps_each else ())
        ],
    )


def _check_views(name: str, options: EstimatorOptions) -> None:
    if name == "direct" or options.apply_offsets or options.search_region:
        raise RealtimeError(
            "with --cameras, the estimator direct, --apply-offsets and --region are not possible; accepted: "
            "lifted and landmarks",
            name="estimator", value=name, accepted=("lifted", "landmarks"),
        )  # fmt: skip
    if options.n_people > 1:
        raise RealtimeError(
            "with --cameras, one person is tracked at a time; leave out --people, choose them in the first "
            "view with --person left, right or N, and track the videos once for each of them",
            name="n_people", value=options.n_people, accepted=(1,),
        )  # fmt: skip


def _make_views_landmarks(options: EstimatorOptions, rig: Rig) -> ViewsLandmarks:
    """Landmarks of whoever each view finds, or of the person who is chosen in the first."""
    from engines.assets import fetch
    from engines.blazepose.people import MOST_PEOPLE, PeopleTracker
    from engines.blazepose.tracker import BlazePose
    from realtime.views.trackers import ChosenPerson, SeparateTrackers

    paths = (
        options.model_path or fetch("pose_landmark_full", offline=options.offline),
        fetch("pose_detection", offline=options.offline),
    )
    if options.person is None:
        return SeparateTrackers([BlazePose(*paths) for _ in rig.cameras])
    first = PeopleTracker(*paths, choice=options.person)
    others = [PeopleTracker(*paths, n_followed=MOST_PEOPLE) for _ in rig.cameras[1:]]
    return ChosenPerson(rig.cameras, [first, *others])


def make_landmark_tracker(*, offline: bool) -> BlazePose:
    """A landmark network that follows one person, as the estimators use it.

    Raises:
        AssetError: its files are not here and cannot be downloaded.
    """
    from engines.assets import fetch
    from engines.blazepose.tracker import BlazePose

    return BlazePose(fetch("pose_landmark_full", offline=offline), fetch("pose_detection", offline=offline))


def _make_of_one_view(
    name: str,
    options: EstimatorOptions,
    skeleton: Skeleton,
    camera: CameraCalibration,
    subject: KnownSubject | None,
    prior: LiftPrior | None,
    patches: PatchNetwork | None,
) -> OwnEstimator:
    """What one of several views gives alone: the estimator of a single camera, told the landmarks."""
    from realtime.estimators.landmarks import LandmarksEstimator
    from realtime.person.scaling import KnownSubject, factors_of_stature
    from realtime.views.own_estimator import OwnEstimator, ToldLandmarks

    if prior is not None and subject is None and options.height_m is not None:
        subject = KnownSubject(factors_of_stature(skeleton, options.height_m))
    landmarks = ToldLandmarks()
    estimator = LandmarksEstimator(
        skeleton,
        camera,
        landmarks,
        _make_layer(name, options, skeleton, camera),
        options.height_m,
        subject,
        prior=prior,
        patches=patches,
        learns_person=options.neutral is not Neutral.OFF,
    )
    return OwnEstimator(landmarks, estimator)


def _make_layer(
    name: str, options: EstimatorOptions, skeleton: Skeleton, camera: CameraCalibration
) -> SkeletalLayer:
    # Imported here: the networks' runtime takes a while, and the names above are wanted without it.
    from realtime.pose.ground import PersonGround, has_opensim_pelvis
    from realtime.pose.skeletal_layer import SkeletalLayer
    from realtime.pose.temporal_network import TemporalNetwork

    network = TemporalNetwork(skeleton, shipped_temporal_path()) if _runs_temporal(name, options) else None
    ground = PersonGround(skeleton, camera, options.heading) if has_opensim_pelvis(skeleton) else None
    return SkeletalLayer(skeleton, smoothing=options.smoothing, temporal=network, ground=ground)


def _check(name: str, options: EstimatorOptions) -> None:
    from engines.blazepose.people import CHOICES, MOST_PEOPLE, is_choice

    if name not in ESTIMATOR_NAMES:
        raise RealtimeError(
            f"no estimator {name!r}; accepted: {', '.join(ESTIMATOR_NAMES)}",
            name="estimator", value=name, accepted=ESTIMATOR_NAMES,
        )  # fmt: skip
    if not is_heading(options.heading):
        raise RealtimeError(
            f"no heading {options.heading!r}; accepted: {', '.join(HEADINGS)}, or an angle in degrees",
            name="heading", value=options.heading, accepted=HEADINGS,
        )  # fmt: skip
    if options.person is not None and not is_choice(options.person):
        raise RealtimeError(
            f"no person {options.person!r}; accepted: {', '.join(CHOICES)}, or a number from 1 to "
            f"{MOST_PEOPLE}",
            name="person", value=options.person, accepted=CHOICES,
        )  # fmt: skip
    _check_people(name, options)
    if options.apply_offsets and options.subject_path is None:
        raise RealtimeError(
            "--apply-offsets needs the person's measures: --subject FILE.json", name="subject_path"
        )
    if name != "direct" and (options.runtime or options.precision):
        patches = ", its patches on their fastest engine" if name == ESTIMATOR_NAMES[0] else ""
        raise RealtimeError(
            "--runtime and --precision are for the estimator direct; "
            f"{name} runs on OpenVINO in fp32{patches}",
            name="estimator", value=name, accepted=("direct",),
        )  # fmt: skip


def _check_people(name: str, options: EstimatorOptions) -> None:
    from engines.blazepose.people import MOST_PEOPLE

    n = options.n_people
    if not 1 <= n <= MOST_PEOPLE:
        raise RealtimeError(
            f"cannot track {n} people; accepted: 1 to {MOST_PEOPLE}",
            name="n_people", value=n, accepted=(1, MOST_PEOPLE),
        )  # fmt: skip
    if n > 1 and name == "direct":
        raise RealtimeError(
            "the estimator direct tracks one person; leave out --people, or take --estimator lifted",
            name="n_people", value=n, accepted=(1,),
        )  # fmt: skip
    if n > 1 and (options.height_m is not None or options.subject_path is not None):
        raise RealtimeError(
            "--height and --subject are measures of one person; leave them out with --people",
            name="n_people", value=n, accepted=(1,),
        )  # fmt: skip


def _runs_temporal(name: str, options: EstimatorOptions) -> bool:
    """The temporal network is trained with kinecast's own skeleton, and needs uncertainties."""
    is_asked_for = options.smoothing and options.temporal
    return is_asked_for and options.skeleton_path is None and name != "landmarks"


def _subject(name: str, options: EstimatorOptions, skeleton: Skeleton) -> KnownSubject | None:
    from calib.subject import is_point_name, load_subject
    from realtime.person.scaling import KnownSubject

    if options.subject_path is None:
        return None
    subject = load_subject(options.subject_path, skeleton)
    offsets, looks = subject.landmark_offsets, options.patches and name == ESTIMATOR_NAMES[0]
    if looks and offsets and not any(map(is_point_name, offsets)):
        logger.warning(
            "%s: measured without the points of patches; measure again: kinecast calibrate subject, or add "
            "--no-patches",
            options.subject_path,
        )
    return KnownSubject.of(subject, apply_offsets=options.apply_offsets)


def _search_region(options: EstimatorOptions) -> SearchRegion:
    from engines.blazepose.detector import WHOLE_PICTURE, SearchRegion

    return WHOLE_PICTURE if options.search_region is None else SearchRegion(*options.search_region)


def _make_from_landmarks(
    name: str,
    options: EstimatorOptions,
    skeleton: Skeleton,
    camera: CameraCalibration,
    subject: KnownSubject | None,
) -> Estimator:
    from engines.assets import fetch
    from engines.blazepose.people import PeopleTracker
    from realtime.estimators.people import PeopleEstimator
    from realtime.views.own_estimator import ToldLandmarks

    people = PeopleTracker(
        options.model_path or fetch("pose_landmark_full", offline=options.offline),
        fetch("pose_detection", offline=options.offline),
        choice=options.person,
        search_region=_search_region(options),
        n_followed=options.n_people,
    )
    if options.n_people == 1:
        return _make_of_one_person(name, options, skeleton, camera, subject, people)
    told = [ToldLandmarks() for _ in range(options.n_people)]
    return PeopleEstimator(
        people, [(one, _make_of_one_person(name, options, skeleton, camera, None, one)) for one in told]
    )


def _make_of_one_person(
    name: str,
    options: EstimatorOptions,
    skeleton: Skeleton,
    camera: CameraCalibration,
    subject: KnownSubject | None,
    landmarks: LandmarkTracker,
) -> LandmarksEstimator:
    from realtime.estimators.landmarks import LandmarksEstimator
    from realtime.estimators.lift_network import LiftNetwork
    from realtime.estimators.lift_prior import LiftPrior
    from realtime.person.scaling import KnownSubject, factors_of_stature

    layer, height_m = _make_layer(name, options, skeleton, camera), options.height_m
    learns = options.neutral is not Neutral.OFF
    if name == "landmarks":
        return LandmarksEstimator(skeleton, camera, landmarks, layer, height_m, subject, learns_person=learns)
    if subject is None and height_m is not None:
        subject = KnownSubject(factors_of_stature(skeleton, height_m))
    return LandmarksEstimator(
        skeleton,
        camera,
        landmarks,
        layer,
        height_m,
        subject,
        prior=LiftPrior(LiftNetwork(skeleton, camera, shipped_lifter_path())),
        patches=_make_patches(options, skeleton),
        learns_person=learns,
    )


def _make_patches(options: EstimatorOptions, skeleton: Skeleton) -> PatchNetwork | None:
    """The patch network on the fastest engine that was built of it; None if it is not to run."""
    from engines.selection import EngineChoice
    from realtime.estimators.patch_network import PatchNetwork

    if not options.patches:
        return None
    return PatchNetwork(skeleton, shipped_patches_path(), EngineChoice(root=options.engines_dir))


def _make_direct(
    options: EstimatorOptions,
    camera: CameraCalibration,
    layer: SkeletalLayer,
    subject: KnownSubject | None,
) -> Estimator:
    from engines.assets import fetch
    from engines.blazepose.detector import PoseDetector
    from engines.selection import EngineChoice
    from realtime.estimators.direct import DirectEstimator
    from realtime.estimators.direct_network import DirectNetwork

    path = options.model_path or shipped_direct_path()
    if not path.exists():
        raise RealtimeError(
            f"{path}: no direct network; train one with kinecast train spatial and kinecast train export, "
            "then name it with --model-path",
            name="model_path", value=path,
        )  # fmt: skip
    choice = EngineChoice(options.runtime, options.precision, options.engines_dir)
    return DirectEstimator(
        layer.skeleton,
        camera,
        DirectNetwork(layer.skeleton, camera.intrinsics, path, choice),
        PoseDetector(fetch("pose_detection", offline=options.offline)),
        layer,
        options.height_m,
        subject,
        search_region=_search_region(options),
        choice=options.person,
    )
