"""The `direct` estimator: one network from the image to the coordinates of the skeleton."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.coordinates import PELVIS_ROTATIONS, PELVIS_TRANSLATIONS
from calib.kinematics import forward_kinematics, joint_centres, marker_positions
from calib.pelvis import pelvis_angles
from calib.skeleton import Skeleton
from engines.blazepose.detector import WHOLE_PICTURE, PoseDetector, SearchRegion
from engines.features.crop_rays import MARGIN, square_about
from engines.preprocess import Roi, letterbox_roi
from realtime.estimators.direct_network import DirectAnswer, DirectNetwork
from realtime.estimators.place_choice import PlaceChoice
from realtime.estimators.tracked_person import TrackedPerson, empty_frame, spare_layer, status_of
from realtime.person.averaged_scaling import AveragedScaling
from realtime.person.scaling import KnownSubject
from realtime.pose.estimate import Estimate
from realtime.pose.observation import bounding_box, reachable_rays, solve_translation
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame, PoseSample

Array = NDArray[np.float64]

MIN_PRESENCE = 0.5
"""Below this presence the person is lost."""
EVEN_SIGMA_RAD = np.radians(6.0)
"""Upper limit of the standard deviations. The network's uncertainty is much the same for all poses, and lasts
for seconds: no reason to hold values back, as smoothing does with an uncertainty that comes and goes."""
OUTSIDE_WEIGHT = 0.05
"""Weight of joints outside the crop in the position of the pelvis."""


class DirectEstimator:
    """Frames to pose samples through the direct network.

    The network looks where the person was in the frame before; the detector finds them at the start, and when
    the network sees nobody there.

    Args:
        skeleton: Skeleton that the network was trained with.
        camera: Intrinsics and pose of the camera.
        network: Direct network with the camera's intrinsics.
        detector: Detector of people in whole images.
        layer: Last stage: smoothing, limits and forward kinematics.
        height_m: Stature of the person, if known.
        subject: Measures of the person, if known.
        search_region: Part of the image that the detector searches.
        choice: Who is tracked where several people are in view; see `realtime.estimators.place_choice`.
    """

    name = "direct"

    def __init__(
        self,
        skeleton: Skeleton,
        camera: CameraCalibration,
        network: DirectNetwork,
        detector: PoseDetector,
        layer: SkeletalLayer,
        height_m: float | None = None,
        subject: KnownSubject | None = None,
        *,
        search_region: SearchRegion = WHOLE_PICTURE,
        choice: str | None = None,
    ) -> None:
        self.skeleton, self.camera = skeleton, camera
        self._network, self._layer = network, layer
        self._choice = PlaceChoice(detector, choice, search_region)
        self._person = TrackedPerson()
        self._subject = subject or KnownSubject()
        self._scaling = AveragedScaling(skeleton, height_m, known=self._subject.scale_factors)
        self._pelvis = skeleton.body_index("pelvis")
        self._turns = [skeleton.coordinate_index(n) for n in PELVIS_ROTATIONS]
        self._shifts = [skeleton.coordinate_index(n) for n in PELVIS_TRANSLATIONS]
        self._T = np.empty((skeleton.n_bodies, 4, 4))
        self.reset()

    @property
    def description(self) -> str:
        """Runtime, device and precision of the network."""
        return self._network.description

    @property
    def lag_s(self) -> float:
        """Mean delay that smoothing has added so far."""
        return self._layer.lag_s

    def warm_up(self) -> None:
        """Take an empty frame through every stage; see `realtime.sample.Estimator`."""
        k, frame = self.camera.intrinsics, empty_frame(self.camera)
        self._find(frame.image)
        answer = self._network.look(frame.image, letterbox_roi(k.width_px, k.height_px))
        if answer is not None:
            spare_layer(self._layer).step(frame, self._solve(answer), {})
        self.reset()

    def reset(self) -> None:
        """Forget the person and the region they were in."""
        self._forget_person()
        self._layer.forget_ground()
        self._choice.reset()

    def _forget_person(self) -> None:
        self._roi: Roi | None = None
        self._person.reset()
        self._scaling.reset()
        self._layer.reset()

    def relearn(self) -> None:
        """The network needs no neutral pose; see `realtime.sample.Estimator`."""

    def choose_at(self, x: float, y: float) -> None:
        """Track whoever is at a point of the next image; see `realtime.sample.ChoosesPeople`."""
        self._choice.choose_at(x, y)

    def about_person(self) -> dict[str, object]:
        """Nothing; see `realtime.sample.Estimator`."""
        return {}

    def look_at(self, roi: Roi) -> None:
        """Look at this region of the next frame, where the caller knows the person to be."""
        self._roi = roi

    def step(self, frame: Frame) -> PoseSample:
        """Estimate one frame; see `realtime.sample.Estimator`."""
        start_ns = time.perf_counter_ns()
        answer = self._first_seen(frame.image, self._choice.others(frame.image, frame.t_capture_ns))
        if answer is not None:
            self._forget_person()
        elif self._roi is not None:
            answer = self._network.look(frame.image, self._roi)
        if answer is None or answer.presence < MIN_PRESENCE:
            self._roi = None
            answer = self._find(frame.image)
        stage_ns = {"network": time.perf_counter_ns() - start_ns}
        if answer is None or answer.presence < MIN_PRESENCE:
            return self._lost(frame, stage_ns)
        start_ns = time.perf_counter_ns()
        estimate = self._solve(answer)
        self._person.see(frame)
        self._choice.found(answer.roi, frame.t_capture_ns)
        stage_ns["pose"] = time.perf_counter_ns() - start_ns
        return self._layer.step(frame, estimate, stage_ns)

    def _lost(self, frame: Frame, stage_ns: dict[str, int]) -> PoseSample:
        self._roi = None
        if self._person.is_gone(frame):
            self._forget_person()
            self._choice.reset()
        return self._layer.lost(frame, stage_ns)

    def _find(self, image: NDArray[np.uint8]) -> DirectAnswer | None:
        """Detect a person."""
        return self._first_seen(image, self._choice.find(image))

    def _first_seen(self, image: NDArray[np.uint8], rois: list[Roi]) -> DirectAnswer | None:
        """The first person whom the network sees, too, looked at twice.

        The detector's regions differ from the crops of the training.
        """
        height_px, width_px = image.shape[:2]
        for roi in rois:
            answer = self._network.look(image, roi)
            if answer is None or answer.presence < MIN_PRESENCE:
                continue
            again = square_about(answer.joints_px, width_px, height_px, MARGIN)
            answer = answer if again is None else self._network.look(image, again)
            if answer is not None and answer.presence >= MIN_PRESENCE:
                return answer
        return None

    def _solve(self, answer: DirectAnswer) -> Estimate:
        self._scaling.update(answer.scale_factors, answer.presence * answer.is_in_crop.mean())
        q = self._place(answer)
        self._roi = self._region_of(q, answer)
        return Estimate(
            q=self._subject.without_offsets(q),
            confidence=answer.confidence,
            sigma=np.minimum(answer.sigma, EVEN_SIGMA_RAD),
            scale_factors=self._scaling.scale_factors,
            status=status_of(self._scaling),
            box_px=bounding_box(answer.roi.corners_px()),
        )

    def _place(self, answer: DirectAnswer) -> Array:
        """All coordinates, the pelvis placed so that joints project to the network's. Shape: (n_q,)."""
        R_ground_cam, t_ground_cam = self.camera.T_ground_cam[:3, :3], self.camera.T_ground_cam[:3, 3]
        q = answer.q.copy()
        q[self._turns] = pelvis_angles((R_ground_cam @ answer.R_cam_pelvis)[None])[0]
        q[self._shifts] = 0.0
        scale_factors = self._scaling.scale_factors
        forward_kinematics(self.skeleton.tree, q, scale_factors, self._T)
        origin = self._T[self._pelvis, :3, 3].copy()
        joints_cam_m = (joint_centres(self.skeleton, q, scale_factors) - origin) @ R_ground_cam
        rays, is_reached = reachable_rays(answer.joints_px, self.camera.intrinsics)
        weight = np.where(answer.is_in_crop, 1.0, OUTSIDE_WEIGHT) * is_reached
        pelvis_m = R_ground_cam @ solve_translation(joints_cam_m, rays, weight) + t_ground_cam
        q[self._shifts] = pelvis_m - origin
        return q

    def _region_of(self, q: Array, answer: DirectAnswer) -> Roi | None:
        """Region of the next frame: around the skeleton as estimated, and around the network's joints.

        The skeleton alone would feed back: legs wrongly estimated as drawn up would leave the crop for good.
        """
        k = self.camera.intrinsics
        markers_m = marker_positions(self.skeleton, q, self._scaling.scale_factors)
        points_px = np.concatenate([answer.joints_px, self.camera.project(markers_m)])
        return square_about(points_px, k.width_px, k.height_px, MARGIN)
