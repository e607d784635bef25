"""Whether a sample's skeleton can be the person in the image: `tracking`, or `unsure`.

The published skeleton is smoothed, limited and held back where it is poorly known, so it may end up beside
the person, in a pose that looks as good as any. The landmarks of the same frame show that: trunk and legs of
a tracked person lie 2 % of the stature from where the skeleton has them (root mean square), a skeleton that
is a limb or a body's width off 6 to 30 %.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.kinematics import station_positions
from calib.skeleton import Skeleton
from engines.blazepose.pose_landmark import ANKLES, HIPS, KNEES, SHOULDERS
from engines.blazepose.tracker import BlazePoseResult
from realtime.geometry import camera_in_ground
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.observation import MIN_DEPTH_M
from realtime.sample import PoseSample, Status

Array = NDArray[np.float64]

JUDGED = (*SHOULDERS, *HIPS, *KNEES, *ANKLES)
"""Landmarks of trunk and legs. Arms may be held back for good reasons, such as a hand behind the back."""
UNSURE_SHARE, SURE_SHARE = 0.06, 0.04
"""Misfit, as a share of the stature, above which samples are unsure, and below which they are sure again.
The 99th percentile is 0.05 in the demo clip, its first frames included, and the 95th 0.03."""
UNSURE_AFTER_NS, SURE_AFTER_NS = 50_000_000, 300_000_000
"""Times for which the misfit must stay large, or small again, to change the status: landmarks of a single
frame may jump."""
LEAST_SEEN = 1.0
"""Fewer visible landmarks than this, counted by their trust, cannot confirm a skeleton."""
ORDINARY_STATURE_M = 1.70


class Certainty:
    """Judges the samples of one person, frame by frame; causal, and without a clock.

    Args:
        skeleton: Skeleton of the samples.
        model: Its landmark stations.
        camera: Camera of the estimator.
    """

    def __init__(self, skeleton: Skeleton, model: LandmarkModel, camera: CameraCalibration) -> None:
        self._camera = camera
        self._rows = np.flatnonzero(np.isin(model.landmark, JUDGED))
        self._landmark = model.landmark[self._rows]
        self._body = model.station_body[self._rows]
        self._station_m = model.station_m[self._rows]
        self.reset()

    def reset(self) -> None:
        """Forget the frames before."""
        self._is_unsure = False
        self._since_ns: int | None = None

    def judge(self, sample: PoseSample, seen: BlazePoseResult) -> PoseSample:
        """The sample, its status `unsure` where its skeleton does not fit the image.

        Args:
            sample: Sample that is about to be published.
            seen: Landmarks of its frame.
        """
        self._update(sample.t_capture_ns, self.misfit(sample, seen))
        if self._is_unsure and sample.status is Status.TRACKING:
            return replace(sample, status=Status.UNSURE)
        return sample

    def misfit(self, sample: PoseSample, seen: BlazePoseResult) -> float:
        """Root mean square distance of trunk and legs from their landmarks, as a share of the stature.

        Returns:
            Infinite where too little of the person is seen, or the skeleton is behind the camera.
        """
        trust = (seen.visibility * seen.presence)[self._landmark]
        if trust.sum() < LEAST_SEEN:
            return float("inf")
        camera = camera_in_ground(self._camera, sample)
        points_m = np.empty_like(self._station_m)
        station_positions(
            np.ascontiguousarray(sample.T_ground_body),
            self._body,
            self._station_m * sample.scale_factors[self._body],
            points_m,
        )
        p_cam_m = (points_m - camera.T_ground_cam[:3, 3]) @ camera.T_ground_cam[:3, :3]
        depth_m, uv_px = float(p_cam_m[:, 2].mean()), camera.intrinsics.project(p_cam_m)
        if not (depth_m > MIN_DEPTH_M and np.isfinite(uv_px).all()):
            return float("inf")
        stature_px = camera.intrinsics.fy * ORDINARY_STATURE_M * float(sample.scale_factors.mean()) / depth_m
        apart_px = uv_px - seen.landmarks_px[self._landmark, :2]
        return float(np.sqrt(trust @ (apart_px**2).sum(1) / trust.sum()) / stature_px)

    def _update(self, t_ns: int, misfit: float) -> None:
        """Change the judgement once the misfit has lasted, so that the status does not flicker."""
        is_off = misfit > (SURE_SHARE if self._is_unsure else UNSURE_SHARE)
        if is_off == self._is_unsure:
            self._since_ns = None
            return
        self._since_ns = t_ns if self._since_ns is None else self._since_ns
        if t_ns - self._since_ns >= (UNSURE_AFTER_NS if is_off else SURE_AFTER_NS):
            self._is_unsure, self._since_ns = is_off, None
