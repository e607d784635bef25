"""The `landmarks` estimator: BlazePose, this person's scale factors, inverse kinematics.

Landmarks are precise across the line of sight and vague along it, segment lengths are fixed by the
skeleton, and what the picture leaves open (how pelvis and lumbar joint share a bend, turns about a limb's
own axis) follows how people hold themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from engines.blazepose.tracker import BlazePose, BlazePoseResult
from engines.preprocess import Roi, letterbox_roi
from realtime.pose.estimate import Estimate
from realtime.pose.foot_lock import FootLock
from realtime.pose.landmark_model import LandmarkModel, build_landmark_model
from realtime.pose.observation import LandmarkObservation, observe, rotation_to_ray
from realtime.pose.position import PelvisPosition
from realtime.pose.scaling import KnownSubject, SubjectScaling
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.pose.solver import PoseSolver, Prior
from realtime.sample import Frame, PoseSample, Status

Array = NDArray[np.float64]

MIN_VISIBILITY = 0.1
"""Hidden landmarks still count a little: the network's guess beats none."""
LOST_RESET_NS = 2_000_000_000
"""After 2 s without anybody the next person is taken for another one."""
SAME_REGION, REGIONS_PER_S = 0.5, 4.0
"""How far, in sides of the region that holds them, somebody is found from where they were lost, and how fast
they may have run: 10 m/s."""


class LandmarksEstimator:
    """Frames to pose samples through landmarks and inverse kinematics.

    Args:
        skeleton: Any skeleton with a pelvis, legs and a torso in OpenSim's usual names.
        camera: Intrinsics and place of the camera.
        blazepose: The landmark networks.
        layer: Smooths and places the bodies.
        height_m: The person's stature, if known.
        subject: The person's measures, if they were taken; the stature above is not used then.

    Raises:
        SkeletonError: the skeleton lacks a body that a person cannot be tracked without.
    """

    name = "landmarks"
    stage = "inverse_kinematics"
    """What the time from landmarks to coordinates is called in reports."""

    def __init__(
        self,
        skeleton: Skeleton,
        camera: CameraCalibration,
        blazepose: BlazePose,
        layer: SkeletalLayer,
        height_m: float | None = None,
        subject: KnownSubject | None = None,
    ) -> None:
        self.skeleton = skeleton
        self.camera = camera
        self._blazepose = blazepose
        self._layer = layer
        self._last_seen_ns: int | None = None
        self._last_roi: Roi | None = None
        self._model = build_landmark_model(skeleton)
        self._subject = subject or KnownSubject()
        self._scaling = SubjectScaling(skeleton, self._model, height_m, known=self._subject.scale_factors)
        self._solver = PoseSolver(skeleton, self._model)
        self._position = PelvisPosition(skeleton, self._model, camera)
        self._lock = FootLock(skeleton, self._model, camera.T_ground_cam[:3, 3]) if camera.has_floor else None
        self.reset()

    @property
    def description(self) -> str:
        """What the landmark network runs on."""
        return self._blazepose.description

    @property
    def lag_s(self) -> float:
        """Mean delay that smoothing has added so far."""
        return self._layer.lag_s

    def warm_up(self) -> None:
        """Take an empty picture through every stage; see `realtime.sample.Estimator`."""
        k = self.camera.intrinsics
        image = np.zeros((k.height_px, k.width_px, 3), dtype=np.uint8)
        image.flags.writeable = False  # as frames are: numba compiles for either
        self._blazepose.step(image)
        result = self._blazepose.run_roi(image, letterbox_roi(k.width_px, k.height_px))
        if result is not None:
            # A layer of its own, so that the reported lag is that of real frames.
            estimate = self._place(0, result, self._solve(result))
            SkeletalLayer(self.skeleton).step(Frame(0, 0, image), estimate, {})
        self.reset()

    def reset(self) -> None:
        """Forget the person and the region they were in."""
        self._blazepose.reset()
        self._forget_person()

    def step(self, frame: Frame) -> PoseSample:
        """Estimate one frame; see `realtime.sample.Estimator`."""
        start_ns = time.perf_counter_ns()
        result = self._blazepose.step(frame.image, frame.t_capture_ns)
        stage_ns = {"landmarks": time.perf_counter_ns() - start_ns}
        if result is None:
            # Nothing of the frame before may be used for the next.
            self._forget_frame()
            if self._last_seen_ns is not None and frame.t_capture_ns - self._last_seen_ns > LOST_RESET_NS:
                self._forget_person()
            return self._layer.lost(frame, stage_ns)
        if result.detected and self._is_somebody_else(frame.t_capture_ns, result.roi):
            self._forget_person()
        self._last_seen_ns, self._last_roi = frame.t_capture_ns, result.roi
        start_ns = time.perf_counter_ns()
        estimate = self._solve(result)
        stage_ns[self.stage] = time.perf_counter_ns() - start_ns
        start_ns = time.perf_counter_ns()
        estimate = self._place(frame.t_capture_ns, result, estimate)
        stage_ns["pelvis_position"] = time.perf_counter_ns() - start_ns
        return self._layer.step(frame, estimate, stage_ns, self._hold_feet(frame.t_capture_ns, estimate))

    def _forget_frame(self) -> None:
        self._solver.reset()
        self._position.reset()
        if self._lock is not None:
            self._lock.reset()

    def _forget_person(self) -> None:
        self._scaling.reset()
        self._forget_frame()
        self._solver.set_scale_factors(self._scaling.scale_factors)
        self._layer.reset()
        self._last_seen_ns = None
        self._last_roi = None

    def _is_somebody_else(self, t_ns: int, roi: Roi) -> bool:
        """Whether the person lost last cannot have got here."""
        if self._last_roi is None or self._last_seen_ns is None:
            return False
        last = self._last_roi
        way_px = np.hypot(roi.centre_x_px - last.centre_x_px, roi.centre_y_px - last.centre_y_px)
        reach = SAME_REGION + REGIONS_PER_S * 1e-9 * (t_ns - self._last_seen_ns)
        return bool(way_px > reach * max(roi.size_px, last.size_px))

    def _prior(self, result: BlazePoseResult) -> Prior | None:
        """What is expected of this frame before the solver runs; None for how people hold themselves."""
        return None

    def _place(self, t_ns: int, result: BlazePoseResult, estimate: Estimate) -> Estimate:
        q = self._subject.without_offsets(estimate.q)
        return replace(estimate, q=self._position.step(t_ns, result, q, estimate.scale_factors))

    def _hold_feet(self, t_ns: int, estimate: Estimate) -> Callable[[Array, Array], None] | None:
        """What keeps planted feet in their place; None without a floor."""
        if self._lock is None:
            return None
        return partial(self._lock.step, t_ns, self._position.stances, estimate.scale_factors)

    def _solve(self, result: BlazePoseResult) -> Estimate:
        world_m = world_in_camera(result, self.camera)
        visibility = trust(result)
        if self._scaling.update(world_m, visibility):
            self._solver.set_scale_factors(self._scaling.scale_factors)
        seen = observe_model(
            result, world_m * self._scaling.world_scale, visibility, self._model, self.camera
        )
        found = self._solver.solve(seen, self._prior(result))
        return Estimate(
            q=found.q,
            confidence=found.confidence,
            sigma=found.sigma,
            in_picture=self._model.in_picture(result.presence),
            scale_factors=self._scaling.scale_factors,
            status=Status.WARM_UP if self._scaling.is_warming_up else Status.TRACKING,
            box_px=bounding_box(result.roi.corners_px()),
        )


def world_in_camera(result: BlazePoseResult, camera: CameraCalibration) -> Array:
    """Metric landmarks in the camera's directions instead of the region's. Shape: (33, 3)."""
    roi_centre_px = np.array([result.roi.centre_x_px, result.roi.centre_y_px])
    return np.asarray(result.world_m @ rotation_to_ray(roi_centre_px, camera.intrinsics).T)


def trust(result: BlazePoseResult) -> Array:
    """How much each landmark counts, 0 to 1. Shape: (33,)."""
    return np.asarray(np.clip(result.visibility, MIN_VISIBILITY, 1.0) * result.presence)


def observe_model(
    result: BlazePoseResult,
    world_m: Array,
    visibility: Array,
    model: LandmarkModel,
    camera: CameraCalibration,
) -> LandmarkObservation:
    """The landmarks that a model has stations for, placed in ground."""
    used = model.landmark
    return observe(
        result.landmarks_px[used, :2],
        world_m[used],
        model.sigma_m,
        model.sigma_depth_m,
        visibility[used],
        camera,
    )


def bounding_box(points_px: Array) -> Array:
    """Left, top, right, bottom of points. Shape: (4,)."""
    return np.concatenate([points_px.min(0), points_px.max(0)])
