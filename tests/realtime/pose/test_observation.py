"""A lens whose model folds inside the image: what lies beyond the fold counts for nothing."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from calib.camera import T_GROUND_LEVEL_CAM, CameraCalibration, Intrinsics
from calib.skeleton import load_skeleton
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi
from engines.shipped import shipped_lifter_path
from realtime.estimators.lift_network import LiftNetwork
from realtime.pose.observation import observe, reachable_rays, rotation_to_ray, undistorted_px

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
    rng = np.random.default_rng(1)
    uv_px, world_m = rng.uniform((100, 80), (540, 400), (8, 2)), rng.normal(0.0, 0.3, (8, 3))
    sigma_m, weights = np.full(8, 0.02), np.ones(8)
    without = observe(uv_px[1:], world_m[1:], sigma_m[1:], sigma_m[1:], weights[1:], CAMERA)
    uv_px[0] = CORNERS_PX[0]
    seen = observe(uv_px, world_m, sigma_m, sigma_m, weights, CAMERA)
    assert np.isfinite(seen.points_m).all() and (seen.information[0] == 0.0).all()
    np.testing.assert_allclose(seen.points_m[1:], without.points_m, atol=1e-12)
    np.testing.assert_allclose(seen.information[1:], without.information)


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
