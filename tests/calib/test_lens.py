"""A lens that bends lines changes pixels, and nothing that is said of the person."""

from dataclasses import replace

import numpy as np
import pytest

from calib.camera import T_GROUND_LEVEL_CAM, CameraCalibration, Intrinsics
from calib.skeleton import load_skeleton
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi
from engines.shipped import shipped_lifter_path
from realtime.estimators.lift_network import LiftNetwork
from realtime.geometry import joint_centres
from realtime.overlay.overlay import Overlay
from realtime.pose.observation import world_in_camera
from realtime.sample import LiveStats
from tests.realtime.overlay.test_overlay import standing
from tests.support.boards import brown

STRAIGHT = Intrinsics(640, 480, 560.0, 560.0, 320.0, 240.0)
BENT = replace(STRAIGHT, distortion=(-0.25, 0.07, 0.001, -0.0005, 0.0))


def camera(k: Intrinsics) -> CameraCalibration:
    return CameraCalibration(k, T_GROUND_LEVEL_CAM.copy())


def bend(uv_px: np.ndarray) -> np.ndarray:
    """Where the bent lens shows what the straight one shows at these pixels."""
    xy = (uv_px - (320.0, 240.0)) / 560.0
    return brown(xy, BENT.distortion) * 560.0 + (320.0, 240.0)


@pytest.fixture
def seen() -> tuple[BlazePoseResult, BlazePoseResult]:
    """Somebody at the rim of the image, through either lens."""
    rng = np.random.default_rng(0)
    world_m = rng.normal(0.0, 0.3, (33, 3))
    world_m[24], world_m[23] = [-0.12, 0.0, 0.05], [0.12, 0.0, -0.05]
    uv_px, centre_px = rng.uniform((380, 60), (620, 460), (33, 2)), np.array([500.0, 260.0])
    results = []
    for landmarks_px, (x, y) in ((uv_px, centre_px), (bend(uv_px), bend(centre_px))):
        results.append(
            BlazePoseResult(
                landmarks_px=np.concatenate([landmarks_px, np.zeros((33, 1))], 1),
                world_m=world_m,
                visibility=np.ones(33),
                presence=np.ones(33),
                score=1.0,
                roi=Roi(float(x), float(y), 300.0, 0.0),
                auxiliary_px=np.zeros((2, 3)),
                detected=False,
            )
        )
    return results[0], results[1]


def test_the_lifter_sees_the_same_person(seen: tuple[BlazePoseResult, BlazePoseResult]):
    skeleton = load_skeleton()
    straight = LiftNetwork(skeleton, camera(STRAIGHT), shipped_lifter_path()).lift(seen[0])
    bent = LiftNetwork(skeleton, camera(BENT), shipped_lifter_path()).lift(seen[1])
    ignoring = LiftNetwork(skeleton, camera(STRAIGHT), shipped_lifter_path()).lift(seen[1])
    np.testing.assert_allclose(bent.q, straight.q, atol=5e-4)
    assert np.abs(ignoring.q - straight.q).max() > 5e-3


def test_landmarks_are_turned_by_the_true_ray(seen: tuple[BlazePoseResult, BlazePoseResult]):
    straight, bent = world_in_camera(seen[0], camera(STRAIGHT)), world_in_camera(seen[1], camera(BENT))
    np.testing.assert_allclose(bent, straight, atol=1e-4)


def test_the_skeleton_is_drawn_where_the_lens_shows_it():
    skeleton = load_skeleton()
    sample = standing(skeleton, pelvis_tz=0.6)
    drawn = Overlay(skeleton, camera(BENT), coordinates=()).draw(np.zeros((480, 640, 3), np.uint8), sample)
    centres = joint_centres(skeleton, sample.T_ground_body, sample.scale_factors)
    p_cam = (centres - T_GROUND_LEVEL_CAM[:3, 3]) @ T_GROUND_LEVEL_CAM[:3, :3]
    straight_px = p_cam[:, :2] / p_cam[:, 2:] * 560.0 + (320.0, 240.0)
    for body in ("calcn_r", "calcn_l", "tibia_r", "hand_l"):
        u, v = bend(straight_px[skeleton.body_index(body)]).round().astype(int)
        assert drawn[v - 2 : v + 3, u - 2 : u + 3].min(axis=(0, 1)).max() > 60, body
    moved_px = np.linalg.norm(bend(straight_px) - straight_px, axis=1)
    assert moved_px.max() > 8.0


def test_an_assumed_camera_is_said_in_the_live_picture():
    skeleton = load_skeleton()
    sample, plain = standing(skeleton), np.full((480, 640, 3), 90, np.uint8)
    stats = LiveStats(30.0, 12.0)
    measured = replace(camera(STRAIGHT), rms_px=0.2)
    drawn = [
        Overlay(skeleton, k, coordinates=()).draw(plain, sample, stats) for k in (camera(STRAIGHT), measured)
    ]
    differs = (drawn[0] != drawn[1]).any(axis=2)
    rows, columns = np.nonzero(differs)
    assert rows.size and rows.max() < 60 and columns.min() > 320  # only in the counts at the top right
