"""Arcs at the joints and dashes along guessed limbs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calib.camera import CameraCalibration
from calib.kinematics import body_transforms, joint_centres
from calib.skeleton import Skeleton, load_skeleton
from realtime.overlay.arcs import RADIUS_M, JointArcs
from realtime.overlay.overlay import Overlay
from realtime.overlay.skeleton import GUESSED
from realtime.overlay.style import LEFT
from realtime.sample import PoseSample
from tests.support.poses import sample_of

SIZE_PX = (960, 720)


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def camera() -> CameraCalibration:
    return CameraCalibration.assumed(*SIZE_PX)


def random_q(skeleton: Skeleton, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(np.maximum(skeleton.q_lower, -1.2), np.minimum(skeleton.q_upper, 1.2))


def sure(sample: PoseSample) -> PoseSample:
    return replace(sample, confidence=np.ones_like(sample.confidence))


@pytest.mark.parametrize(
    ("coordinate", "body", "pointer"),
    [
        ("knee_angle_r", "tibia_r", "talus_r"),
        ("hip_flexion_l", "femur_l", "tibia_l"),
        ("hip_adduction_r", "femur_r", "tibia_r"),
        ("lumbar_extension", "torso", "neck"),
        ("lumbar_bending", "torso", "neck"),
        ("arm_flex_r", "humerus_r", "ulna_r"),
        ("elbow_flex_l", "ulna_l", "hand_l"),
        ("ankle_angle_r", "talus_r", "toes_r"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_an_arc_runs_from_where_the_angle_is_zero_to_where_it_is(
    skeleton: Skeleton, camera: CameraCalibration, coordinate: str, body: str, pointer: str, seed: int
) -> None:
    """The zero direction is taken from the model with that coordinate at zero, not from any turning."""
    k = skeleton.coordinate_index(coordinate)
    q = random_q(skeleton, seed)
    q[k] = 0.7
    without = q.copy()
    without[k] = 0.0
    points, _ = JointArcs(skeleton, camera, [k]).arcs(sample_of(skeleton, q))
    joint, end = skeleton.body_index(body), skeleton.body_index(pointer)
    for at, row in ((without, points[0, 1]), (q, points[0, -1])):
        centres = joint_centres(skeleton, at)
        expected = (centres[end] - centres[joint]) / np.linalg.norm(centres[end] - centres[joint])
        drawn = row - points[0, 0]
        assert np.linalg.norm(drawn) <= RADIUS_M + 1e-9
        np.testing.assert_allclose(drawn / np.linalg.norm(drawn), expected, atol=2e-6)
    np.testing.assert_allclose(points[0, 0], joint_centres(skeleton, q)[joint], atol=1e-9)


def test_twists_lengths_and_angles_near_zero_have_no_arc(
    skeleton: Skeleton, camera: CameraCalibration
) -> None:
    names = ["hip_rotation_r", "arm_rot_l", "knee_angle_r", "knee_angle_l", "pelvis_tx"]
    q = np.zeros(skeleton.n_q)
    for name, value in (
        ("hip_rotation_r", 0.8),
        ("arm_rot_l", 0.8),
        ("knee_angle_l", 0.8),
        ("pelvis_tx", 2.0),
    ):
        q[skeleton.coordinate_index(name)] = value
    arcs = JointArcs(skeleton, camera, [skeleton.coordinate_index(name) for name in names])
    _, shown = arcs.arcs(sample_of(skeleton, q))
    assert shown.tolist() == [False, False, False, True]  # pelvis_tx is no angle at all


def test_a_scaled_person_has_arcs_at_scaled_joints(skeleton: Skeleton, camera: CameraCalibration) -> None:
    k = skeleton.coordinate_index("knee_angle_r")
    q = random_q(skeleton, 5)
    q[k] = 1.0
    factors = np.full((skeleton.n_bodies, 3), 1.2)
    sample = replace(
        sample_of(skeleton, q), scale_factors=factors, T_ground_body=body_transforms(skeleton, q, factors)
    )
    points, shown = JointArcs(skeleton, camera, [k]).arcs(sample)
    expected = joint_centres(skeleton, q, factors)[skeleton.body_index("tibia_r")]
    assert shown.all()
    np.testing.assert_allclose(points[0, 0], expected, atol=1e-9)


def seen_from_the_side(skeleton: Skeleton) -> PoseSample:
    q = np.where(skeleton.is_locked, skeleton.q_default, 0.0)
    stance = {"pelvis_tx": -3.0, "pelvis_rotation": np.pi / 2, "hip_flexion_l": 1.0, "knee_angle_l": 1.2}
    for name, value in stance.items():
        q[skeleton.coordinate_index(name)] = value
    return sure(sample_of(skeleton, q))


def test_an_arc_is_drawn_in_the_colour_of_its_side(skeleton: Skeleton, camera: CameraCalibration) -> None:
    image = np.full((SIZE_PX[1], SIZE_PX[0], 3), 120, np.uint8)
    sample = seen_from_the_side(skeleton)
    drawn = [
        Overlay(skeleton, camera, coordinates=["knee_angle_l"], arcs=arcs).draw(image, sample)
        for arcs in (False, True)
    ]
    differs = (drawn[0] != drawn[1]).any(axis=2)
    assert differs.sum() > 200
    points, _ = JointArcs(skeleton, camera, [skeleton.coordinate_index("knee_angle_l")]).arcs(sample)
    u, v = np.rint(camera.project(points[0].mean(axis=0))).astype(int)
    assert differs[v, u] and drawn[1][v, u, 0] > drawn[1][v, u, 2]  # blue rather than red, as the left is
    mirrored = Overlay(skeleton, camera, coordinates=["knee_angle_l"], mirror=True).draw(image, sample)
    assert mirrored[v, SIZE_PX[0] - 1 - u, 0] > mirrored[v, SIZE_PX[0] - 1 - u, 2]


def along(start: np.ndarray, end: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Colours along a line, its ends left out."""
    at = np.rint(start + np.linspace(0.12, 0.88, 200)[:, None] * (end - start)).astype(int)
    return image[at[:, 1], at[:, 0]].astype(int)


def test_a_guessed_leg_is_dashed_and_a_measured_one_is_not(
    skeleton: Skeleton, camera: CameraCalibration
) -> None:
    """Legs outside the image must not look measured."""
    sample = seen_from_the_side(skeleton)
    index = skeleton.body_index
    centres = camera.project(joint_centres(skeleton, sample.q))
    for confidence, is_dashed in ((GUESSED + 0.05, False), (GUESSED - 0.05, True)):
        doubtful = sure(sample)
        for name in ("hip_flexion_l", "hip_adduction_l", "hip_rotation_l"):
            doubtful.confidence[skeleton.coordinate_index(name)] = confidence
        image = np.full((SIZE_PX[1], SIZE_PX[0], 3), 120, np.uint8)
        drawn = Overlay(skeleton, camera, coordinates=()).draw(image, doubtful)
        thigh = along(centres[index("femur_l")], centres[index("tibia_l")], drawn)
        bare = (np.abs(thigh - 120) <= 2).all(axis=1)
        assert bare.any() == is_dashed
        # Several dashes, not one gap.
        assert not is_dashed or np.count_nonzero(np.diff(bare.astype(int)) == 1) >= 3
        shank = along(centres[index("tibia_l")], centres[index("talus_l")], drawn)
        assert (np.abs(shank - LEFT).max(axis=1) < 30).all()
