"""A lens whose model folds inside the image: what lies beyond the fold counts for nothing."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from calib.camera import T_GROUND_LEVEL_CAM, CameraCalibration, Intrinsics
from calib.skeleton import load_skeleton
from engines.blazepose.pose_landmark import PoseLandmark
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi
from engines.shipped import shipped_lifter_path
from realtime.estimators.lift_network import LiftNetwork
from realtime.person.personal_solver import PersonalSolver
from realtime.person.scaling import SubjectScaling
from realtime.pose.landmark_model import build_landmark_model
from realtime.pose.observation import reachable_rays, rotation_to_ray, undistorted_px

FOLDED = Intrinsics(640, 480, 420.0, 420.0, 320.0, 240.0, (-0.42, 0.0, 0.0, 0.0, 0.0))
CAMERA = CameraCalibration(FOLDED, T_GROUND_LEVEL_CAM.copy())
GRID_PX = np.stack(np.meshgrid(np.linspace(0.0, 639.0, 9), np.linspace(0.0, 479.0, 7)), -1).reshape(-1, 2)
CORNERS_PX = np.array([[0.0, 0.0], [639.0, 0.0], [0.0, 479.0], [639.0, 479.0]])


def seen_px(rays: np.ndarray, k: Intrinsics) -> np.ndarray:
    """Pixels of rays, by OpenCV's forward model."""
    still = np.zeros(3)
    return cv2.projectPoints(rays, still, still, k.matrix, np.array(k.distortion))[0][:, 0]


def test_rays_lead_to_their_pixels_and_corners_beyond_the_fold_are_told_apart() -> None:
    rays, is_reached = reachable_rays(GRID_PX, FOLDED)
    np.testing.assert_allclose(seen_px(rays[is_reached], FOLDED), GRID_PX[is_reached], atol=1e-3)
    # r (1 - 0.42 r^2) is largest at r = 1 / sqrt(3 * 0.42).
    fold = np.sqrt(1.0 / (3.0 * 0.42))
    from_centre = (GRID_PX - (320.0, 240.0)) / 420.0
    distance = np.linalg.norm(from_centre, axis=1)
    assert ((distance < fold * (1.0 - 0.42 * fold**2)) == is_reached).all()
    assert 0 < is_reached.sum() < len(GRID_PX) and np.isfinite(rays).all()
    # Beyond the fold: the same direction from the centre, as steep as the lens sees.
    steepest = fold * from_centre / np.maximum(distance, 1e-12)[:, None]
    np.testing.assert_allclose(rays[~is_reached, :2], steepest[~is_reached], rtol=3e-3)


def test_without_distortion_pixels_and_rays_are_exact() -> None:
    straight = replace(FOLDED, distortion=(0.0,) * 5)
    same_px, is_reached = undistorted_px(GRID_PX, straight)
    assert same_px is GRID_PX and is_reached.all()
    rays, is_reached = reachable_rays(GRID_PX, straight)
    assert (rays[:, :2] == (GRID_PX - (320.0, 240.0)) / (420.0, 420.0)).all() and is_reached.all()


@pytest.mark.parametrize("corner_px", CORNERS_PX)
def test_a_region_beyond_the_fold_has_a_direction(corner_px: np.ndarray) -> None:
    R = rotation_to_ray(corner_px, FOLDED)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)


def test_landmarks_beyond_the_fold_do_not_count() -> None:
    """Wherever a landmark lies that no ray reaches, the pose is the same."""
    skeleton = load_skeleton()
    model = build_landmark_model(skeleton)
    rng = np.random.default_rng(1)
    landmarks_px = np.concatenate([rng.uniform((100, 80), (540, 400), (33, 2)), np.zeros((33, 1))], 1)
    world_m, found = rng.normal(0.0, 0.3, (33, 3)), []
    for corner_px in CORNERS_PX[:2]:
        landmarks_px[PoseLandmark.NOSE, :2] = corner_px
        result = BlazePoseResult(
            landmarks_px=landmarks_px, world_m=world_m, visibility=np.ones(33), presence=np.ones(33),
            score=1.0, roi=Roi(320.0, 240.0, 400.0), auxiliary_px=np.zeros((2, 3)), detected=True,
        )  # fmt: skip
        solver = PersonalSolver(skeleton, model, CAMERA, SubjectScaling(skeleton, model))
        found.append(solver.solve(0, result).found.q)
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)


def test_the_lift_network_hears_of_them_as_hidden() -> None:
    rng = np.random.default_rng(2)
    landmarks_px = rng.uniform((100, 80), (540, 400), (33, 2))
    landmarks_px[:4] = CORNERS_PX
    result = BlazePoseResult(
        landmarks_px=np.concatenate([landmarks_px, np.zeros((33, 1))], 1),
        world_m=rng.normal(0.0, 0.3, (33, 3)),
        visibility=np.ones(33),
        presence=np.full(33, 0.9),
        score=1.0,
        roi=Roi(0.0, 0.0, 300.0, 0.0),
        auxiliary_px=np.zeros((2, 3)),
        detected=False,
    )
    network = LiftNetwork(load_skeleton(), CAMERA, shipped_lifter_path())
    batch = network.batch(result)
    assert np.isfinite(batch.landmarks_px).all() and np.isfinite(batch.roi_centre_px).all()
    assert (batch.visibility[0, :4] == 0.0).all() and (batch.visibility[0, 4:] == 0.9).all()
    pose = network.lift(result)
    assert np.isfinite(pose.q).all() and not np.isnan(pose.sigma).any()
