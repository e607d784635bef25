"""Observation, scaling, solver and skeletal layer of the landmarks estimator, on people known exactly."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from calib.camera import CameraCalibration, Intrinsics
from calib.errors import SkeletonError
from calib.kinematics import body_transforms, marker_positions
from calib.skeleton import Skeleton, load_skeleton
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi
from realtime.estimators.landmarks import LandmarksEstimator
from realtime.person.scaling import N_FRAMES_FROZEN, PROPORTION_LIMIT, SubjectScaling
from realtime.pose.estimate import Estimate
from realtime.pose.landmark_model import LandmarkModel, build_landmark_model
from realtime.pose.observation import reachable_rays, rotation_to_ray, solve_translation
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.pose.solver import PoseSolver
from realtime.sample import Frame, Status
from tests.support.observed import observe

RNG = np.random.default_rng(11)
CAMERA = CameraCalibration.assumed(640, 480)
DISTORTED = Intrinsics(640, 480, 600.0, 610.0, 310.0, 250.0, (-0.2, 0.05, 0.001, -0.001, 0.0))


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def model(skeleton: Skeleton) -> LandmarkModel:
    return build_landmark_model(skeleton)


def person(skeleton: Skeleton, distance_m: float = 3.0, **angles_deg: float) -> np.ndarray:
    """Coordinates of somebody in front of the camera, who faces it."""
    q = skeleton.q_default.copy()
    for name, value in angles_deg.items():
        q[skeleton.coordinate_index(name)] = np.radians(value)
    q[skeleton.coordinate_index("pelvis_tx")] = -distance_m
    q[skeleton.coordinate_index("pelvis_ty")] = 0.0
    return q


def landmarks(
    skeleton: Skeleton, model: LandmarkModel, q: np.ndarray, scale_factors: np.ndarray
) -> np.ndarray:
    """Stations in the camera, in m. Shape: (n, 3)."""
    T = body_transforms(skeleton, q, scale_factors)[model.station_body]
    p_ground = (
        np.einsum("nij,nj->ni", T[:, :3, :3], model.station_m * scale_factors[model.station_body])
        + T[:, :3, 3]
    )
    return (p_ground - CAMERA.T_ground_cam[:3, 3]) @ CAMERA.T_ground_cam[:3, :3]


def pixels(p_cam: np.ndarray) -> np.ndarray:
    return p_cam[:, :2] / p_cam[:, 2:] * CAMERA.intrinsics.fx + [CAMERA.intrinsics.cx, CAMERA.intrinsics.cy]


def test_rays_undo_distortion_as_opencv_makes_it() -> None:
    p_cam = RNG.uniform([-1, -0.7, 2], [1, 0.7, 4], (40, 3))
    uv_px = cv2.projectPoints(
        p_cam, np.zeros(3), np.zeros(3), DISTORTED.matrix, np.array(DISTORTED.distortion)
    )[0]
    rays, is_reached = reachable_rays(uv_px[:, 0], DISTORTED)
    np.testing.assert_allclose(rays, p_cam / p_cam[:, 2:], atol=1e-9)
    assert is_reached.all()


def test_the_turned_camera_looks_along_the_ray() -> None:
    R = rotation_to_ray(np.array([500.0, 90.0]), CAMERA.intrinsics)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    ray = np.linalg.inv(CAMERA.intrinsics.matrix) @ [500.0, 90.0, 1.0]
    np.testing.assert_allclose(R @ [0.0, 0.0, 1.0], ray / np.linalg.norm(ray), atol=1e-12)


def test_translation_is_found_from_exact_projections() -> None:
    points_m, t = RNG.normal(0.0, 0.5, (20, 3)), np.array([0.3, -0.2, 3.1])
    rays = (points_m + t) / (points_m + t)[:, 2:]
    np.testing.assert_allclose(solve_translation(points_m, rays, np.ones(20)), t, atol=1e-9)


def test_exact_landmarks_give_the_pose_back(skeleton: Skeleton, model: LandmarkModel) -> None:
    bent = {"hip_flexion_r": 60, "hip_flexion_l": 55, "knee_angle_r": 70, "knee_angle_l": 65}
    truth = person(skeleton, **bent, elbow_flex_r=80, elbow_flex_l=30)
    scale_factors = np.ones((skeleton.n_bodies, 3))
    p_cam = landmarks(skeleton, model, truth, scale_factors)
    weights = np.ones(len(p_cam))
    # Sure of everything: the prior must not pull.
    seen = observe(
        pixels(p_cam),
        p_cam - p_cam.mean(0),
        np.full(len(p_cam), 1e-4),
        np.full(len(p_cam), 1e-4),
        weights,
        CAMERA,
    )
    found = PoseSolver(skeleton, model).solve(seen)
    q, confidence = found.q, found.confidence
    # What no landmark shows (toes, rotation of the forearm) stays with the prior.
    shown = [
        n for n in skeleton.coordinate_names if n.startswith(("hip_f", "hip_a", "knee", "elbow", "pelvis_t"))
    ]
    for name in shown:
        k = skeleton.coordinate_index(name)
        assert q[k] == pytest.approx(truth[k], abs=0.02), name
        assert confidence[k] > 0.9, name


def test_hidden_legs_have_little_confidence_and_stay_near_habit(
    skeleton: Skeleton, model: LandmarkModel
) -> None:
    truth = person(skeleton, 1.2, hip_flexion_r=85, knee_angle_r=85, hip_flexion_l=85, knee_angle_l=85)
    p_cam = landmarks(skeleton, model, truth, np.ones((skeleton.n_bodies, 3)))
    weights = np.where(np.isin(model.landmark, range(25, 33)), 0.0, 1.0)
    seen = observe(pixels(p_cam), p_cam - p_cam.mean(0), model.sigma_m, model.sigma_depth_m, weights, CAMERA)
    found = PoseSolver(skeleton, model).solve(seen)
    q, confidence = found.q, found.confidence
    for name in ("knee_angle_r", "knee_angle_l", "ankle_angle_r"):
        k = skeleton.coordinate_index(name)
        assert confidence[k] < 0.05
        assert q[k] == pytest.approx(model.q_prior[k], abs=0.05)
    assert confidence[skeleton.coordinate_index("elbow_flex_r")] > 0.5


def test_scale_factors_follow_the_size_seen_then_freeze(skeleton: Skeleton, model: LandmarkModel) -> None:
    world_m = np.full((33, 3), np.nan)
    world_m[model.landmark] = landmarks(skeleton, model, person(skeleton), np.ones((skeleton.n_bodies, 3)))
    small, large = SubjectScaling(skeleton, model), SubjectScaling(skeleton, model)
    for _ in range(N_FRAMES_FROZEN):
        small.update(world_m, np.ones(33))
        large.update(1.1 * world_m, np.ones(33))
    np.testing.assert_allclose(large.scale_factors, 1.1 * small.scale_factors, rtol=1e-9)
    # Proportions stay close together, whatever one image seems to show.
    assert np.ptp(small.scale_factors) < 2.0 * PROPORTION_LIMIT * small.scale_factors.mean()
    assert small.is_frozen and not small.update(world_m * 2.0, np.ones(33))


def test_long_thighs_lengthen_the_femur_and_little_else(skeleton: Skeleton, model: LandmarkModel) -> None:
    ordinary, long_thighs = (np.full((33, 3), np.nan) for _ in range(2))
    factors = np.ones((skeleton.n_bodies, 3))
    ordinary[model.landmark] = landmarks(skeleton, model, person(skeleton), factors)
    for side in "rl":
        factors[skeleton.body_index(f"femur_{side}")] = 1.2
    long_thighs[model.landmark] = landmarks(skeleton, model, person(skeleton), factors)
    before, after = SubjectScaling(skeleton, model, 1.75), SubjectScaling(skeleton, model, 1.75)
    for _ in range(N_FRAMES_FROZEN):
        before.update(ordinary, np.ones(33))
        after.update(long_thighs, np.ones(33))
    change = (after.scale_factors / before.scale_factors).mean(1)
    assert change[skeleton.body_index("femur_r")] > 1.02
    assert change[skeleton.body_index("tibia_r")] == pytest.approx(1.0, abs=0.005)


def test_a_given_height_sets_the_size(skeleton: Skeleton, model: LandmarkModel) -> None:
    scaling = SubjectScaling(skeleton, model, height_m=1.90)
    head = [
        k
        for k, n in enumerate(skeleton.marker_names)
        if marker_positions(skeleton, skeleton.q_default)[k, 1] > 1.5
    ]
    assert head, "the default skeleton has markers on the head"
    heights_m = marker_positions(skeleton, skeleton.q_default, scaling.scale_factors)[:, 1]
    # The default pose stands at a fixed pelvis height, so stature is top minus sole.
    assert heights_m.max() - heights_m.min() == pytest.approx(1.90, abs=0.08)


def test_a_skeleton_without_legs_is_refused(skeleton: Skeleton, shared_data: Path) -> None:
    arm = load_skeleton(shared_data / "models" / "arm26.osim")
    with pytest.raises(SkeletonError, match="femur_r"):
        build_landmark_model(arm)


def test_a_skeleton_without_arms_is_tracked(shared_data: Path) -> None:
    legs = load_skeleton(shared_data / "models" / "gait10dof18musc.osim")
    model = build_landmark_model(legs)
    truth = person(legs, hip_flexion_r=30, hip_flexion_l=-10, knee_angle_r=-40, knee_angle_l=-15)
    trunk = legs.coordinate_index("lumbar_extension")
    truth[trunk] = model.q_prior[trunk]  # no landmark shows it
    p_cam = landmarks(legs, model, truth, np.ones((legs.n_bodies, 3)))
    sure = np.full(len(p_cam), 1e-4)
    seen = observe(pixels(p_cam), p_cam - p_cam.mean(0), sure, sure, np.ones(len(p_cam)), CAMERA)
    q = PoseSolver(legs, model).solve(seen).q
    np.testing.assert_allclose(q, truth, atol=0.02)


def test_the_layer_smooths_but_keeps_lost_frames_undefined(skeleton: Skeleton) -> None:
    layer = SkeletalLayer(skeleton)
    image = np.zeros((4, 4, 3), np.uint8)
    knee = skeleton.coordinate_index("knee_angle_r")
    truth = person(skeleton)
    spread = []
    for k in range(120):
        q = truth.copy()
        q[knee] = 0.5 + RNG.normal(0.0, 0.02)
        estimate = Estimate(
            q, np.ones(skeleton.n_q), np.ones((skeleton.n_bodies, 3)), Status.TRACKING, np.zeros(4)
        )
        sample = layer.step(Frame(k, k * 33_000_000, image), estimate, {})
        spread.append(sample.q[knee])
        np.testing.assert_allclose(sample.T_ground_body, body_transforms(skeleton, sample.q), atol=1e-12)
    assert np.std(spread[30:]) < 0.012
    lost = layer.lost(Frame(121, 121 * 33_000_000, image), {})
    assert np.isnan(lost.q).all() and np.isnan(lost.T_ground_body).all() and not lost.confidence.any()


def test_what_is_out_of_the_picture_is_not_known_however_likely(
    skeleton: Skeleton, model: LandmarkModel
) -> None:
    presence = np.ones(33)
    presence[25:] = 0.02  # from the knees on
    shown = model.in_picture(presence)
    for name, expected in (
        ("hip_flexion_r", 0.02), ("hip_rotation_l", 0.02), ("knee_angle_r", 0.02), ("ankle_angle_l", 0.02),
        ("lumbar_extension", 1.0), ("pelvis_tilt", 1.0), ("elbow_flex_r", 1.0), ("neck_flexion", 1.0),
    ):  # fmt: skip
        assert shown[skeleton.coordinate_index(name)] == expected, name
    presence[26] = 0.9  # the right knee shows the thigh, and nothing of the shank
    shown = model.in_picture(presence)
    for name, expected in (("hip_flexion_r", 0.9), ("knee_angle_r", 0.02), ("hip_flexion_l", 0.02)):
        assert shown[skeleton.coordinate_index(name)] == expected, name
    estimate = Estimate(
        person(skeleton),
        np.full(skeleton.n_q, 0.5),
        np.ones((skeleton.n_bodies, 3)),
        Status.TRACKING,
        np.zeros(4),
        in_picture=shown,
    )
    sample = SkeletalLayer(skeleton).step(Frame(0, 0, np.zeros((4, 4, 3), np.uint8)), estimate, {})
    np.testing.assert_allclose(sample.confidence, 0.5 * shown)


class Watched:
    """BlazePose that sees one standing person wherever it is told to."""

    description = "watched"
    n_others = 0

    def __init__(self, skeleton: Skeleton, model: LandmarkModel) -> None:
        p_cam = landmarks(skeleton, model, person(skeleton, 4.0), np.ones((skeleton.n_bodies, 3)))
        hips_m = p_cam[[list(model.landmark).index(k) for k in (23, 24)]].mean(0)
        self._px, self._world_m = np.zeros((33, 3)), np.zeros((33, 3))
        self._px[model.landmark, :2] = pixels(p_cam) - pixels(hips_m[None])
        self._world_m[model.landmark] = p_cam - hips_m
        self.hips_px, self.is_detected = np.array([320.0, 240.0]), False

    def reset(self) -> None:
        pass

    def step(self, image: np.ndarray, t_capture_ns: int) -> BlazePoseResult:
        px = self._px.copy()
        px[:, :2] += self.hips_px
        return BlazePoseResult(
            landmarks_px=px,
            world_m=self._world_m,
            visibility=np.ones(33),
            presence=np.ones(33),
            score=1.0,
            roi=Roi(*self.hips_px, 300.0),
            auxiliary_px=np.zeros((2, 3)),
            detected=self.is_detected,
        )


@pytest.mark.parametrize(
    ("way_px", "is_detected", "is_new"), [(400.0, True, True), (400.0, False, False), (60.0, True, False)]
)
def test_somebody_found_too_far_away_is_somebody_else(
    skeleton: Skeleton, model: LandmarkModel, way_px: float, is_detected: bool, is_new: bool
) -> None:
    watched = Watched(skeleton, model)
    estimator = LandmarksEstimator(skeleton, CAMERA, watched, SkeletalLayer(skeleton))  # type: ignore[arg-type]
    image = np.zeros((480, 640, 3), np.uint8)
    watched.hips_px[0] = 120.0
    for k in range(60):
        before = estimator.step(Frame(k, k * 33_000_000, image))
    watched.hips_px[0] += way_px
    watched.is_detected = is_detected
    after = estimator.step(Frame(60, 60 * 33_000_000, image))
    assert before.status is Status.TRACKING
    assert (after.status is Status.WARM_UP) == is_new
    if is_new:
        pelvis_m = after.T_ground_body[skeleton.body_index("pelvis"), :3, 3]
        assert CAMERA.project(pelvis_m[None])[0, 0] == pytest.approx(520.0, abs=15.0)


def test_without_smoothing_values_pass_unchanged(skeleton: Skeleton) -> None:
    q = person(skeleton, knee_angle_r=30)
    estimate = Estimate(
        q, np.ones(skeleton.n_q), np.ones((skeleton.n_bodies, 3)), Status.TRACKING, np.zeros(4)
    )
    layer = SkeletalLayer(skeleton, smoothing=False)
    sample = layer.step(Frame(0, 0, np.zeros((4, 4, 3), np.uint8)), estimate, {})
    np.testing.assert_array_equal(sample.q, q)
    assert layer.lag_s == 0.0
