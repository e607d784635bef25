"""What is drawn on a frame is the pose of that frame, without the delay of smoothing."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.kinematics import body_transforms
from calib.skeleton import Skeleton, load_skeleton
from realtime.geometry import joint_centres
from realtime.overlay.overlay import Overlay
from realtime.pose.estimate import Estimate
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame, PoseSample, Status

SIZE_PX, RATE_HZ = (640, 480), 30.0
CAMERA = CameraCalibration.assumed(*SIZE_PX)


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def walker(skeleton: Skeleton, t_s: float) -> NDArray[np.float64]:
    """Somebody who crosses the image 4 m away at 1.4 m/s, swinging the legs once a second."""
    q = np.where(skeleton.is_locked, skeleton.q_default, 0.0)
    swing = np.sin(2.0 * np.pi * t_s)
    pose = {"pelvis_tx": -4.0, "pelvis_tz": -0.8 + 1.4 * t_s, "pelvis_rotation": -np.pi / 2}
    pose |= {"hip_flexion_r": 0.5 * swing, "hip_flexion_l": -0.5 * swing, "knee_angle_r": 0.4 - 0.4 * swing}
    for name, value in pose.items():
        q[skeleton.coordinate_index(name)] = value
    return q


def track(skeleton: Skeleton, n: int, sigma_deg: float = 4.0) -> list[PoseSample]:
    layer, samples = SkeletalLayer(skeleton), []
    for k in range(n):
        sigma = np.where(skeleton.is_rotational, np.radians(sigma_deg), 0.02)
        estimate = Estimate(
            q=walker(skeleton, k / RATE_HZ),
            confidence=np.ones(skeleton.n_q),
            scale_factors=np.ones((skeleton.n_bodies, 3)),
            status=Status.TRACKING,
            box_px=np.zeros(4),
            sigma=sigma,
        )
        frame = Frame(k, round(k * 1e9 / RATE_HZ), np.zeros((1, 1, 3), np.uint8))
        samples.append(layer.step(frame, estimate, {}))
    return samples


def true_px(skeleton: Skeleton, q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Joints in the image by OpenCV's projection. Shape: (n_bodies, 2)."""
    joints_m = joint_centres(skeleton, body_transforms(skeleton, q), np.ones((skeleton.n_bodies, 3)))
    T = np.linalg.inv(CAMERA.T_ground_cam)
    uv_px, _ = cv2.projectPoints(
        joints_m, cv2.Rodrigues(T[:3, :3])[0], T[:3, 3], CAMERA.intrinsics.matrix, None
    )
    return uv_px[:, 0]


def test_the_drawn_skeleton_does_not_trail_a_walking_person(skeleton: Skeleton) -> None:
    samples = track(skeleton, 34)
    foot, trailing = skeleton.body_index("talus_r"), []
    for k, sample in enumerate(samples[5:], start=5):
        expected = true_px(skeleton, walker(skeleton, k / RATE_HZ))
        seen = sample.on_image()
        drawn = CAMERA.project(joint_centres(skeleton, seen.T_ground_body, seen.scale_factors))
        np.testing.assert_allclose(drawn, expected, atol=0.05)
        published = CAMERA.project(joint_centres(skeleton, sample.T_ground_body, sample.scale_factors))
        trailing.append(np.linalg.norm(published - expected, axis=1)[foot])
    assert max(trailing) > 3.0  # what is published is smoothed, and would be seen to trail


def test_the_overlay_draws_the_pose_on_the_image(skeleton: Skeleton) -> None:
    sample, gray = track(skeleton, 20)[-1], np.full((480, 640, 3), 128, np.uint8)
    drawn, trailing, expected = (
        Overlay(skeleton, CAMERA, coordinates=()).draw(gray, one).astype(int)
        for one in (sample, replace(sample, unsmoothed=None), sample.on_image())
    )
    np.testing.assert_array_equal(drawn, expected)
    assert (drawn != trailing).any(axis=2).sum() > 200


def test_guesses_hold_still_in_the_image_too(skeleton: Skeleton) -> None:
    samples = track(skeleton, 34, sigma_deg=60.0)
    foot = skeleton.body_index("talus_r")
    hip = skeleton.coordinate_index("hip_flexion_r")
    swing = np.ptp([sample.on_image().q[hip] for sample in samples])
    assert swing < 0.1 * np.ptp([walker(skeleton, k / RATE_HZ)[hip] for k in range(34)])
    assert np.isfinite(samples[-1].on_image().T_ground_body[foot]).all()


def test_numbers_are_the_published_ones(skeleton: Skeleton) -> None:
    samples = track(skeleton, 20)
    lag = samples[-1].q - samples[-1].on_image().q
    assert np.abs(lag[skeleton.coordinate_index("hip_flexion_r")]) > np.radians(0.5)


def test_without_smoothing_both_are_one(skeleton: Skeleton) -> None:
    layer = SkeletalLayer(skeleton, smoothing=False)
    estimate = Estimate(
        q=walker(skeleton, 0.3),
        confidence=np.ones(skeleton.n_q),
        scale_factors=np.ones((skeleton.n_bodies, 3)),
        status=Status.TRACKING,
        box_px=np.zeros(4),
    )
    sample = layer.step(Frame(0, 0, np.zeros((1, 1, 3), np.uint8)), estimate, {})
    assert sample.on_image() is sample
