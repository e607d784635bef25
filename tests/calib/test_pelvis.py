"""The pelvis's angles against scipy's rotations and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from calib.coordinates import PELVIS_ROTATIONS, PELVIS_TRANSLATIONS
from calib.kinematics import body_transforms
from calib.pelvis import clinical_angles, pelvis_angles, pelvis_rotation
from calib.pelvis_move import Move, PelvisMover, turned_angles, turned_rates
from calib.skeleton import load_skeleton

ANGLES = st.tuples(st.floats(-1.4, 1.4), st.floats(-1.4, 1.4), st.floats(-3.1, 3.1))


@settings(max_examples=50, deadline=None)
@given(ANGLES)
def test_clinical_angles_are_rotations_about_the_vertical_the_forward_and_the_right_axis(
    angles: tuple[float, float, float],
):
    """In this order, each about the axis that the ones before have turned (Baker 2001)."""
    tilt, obliquity, rotation = angles
    R = Rotation.from_euler("YXZ", [rotation, -obliquity, -tilt]).as_matrix()
    np.testing.assert_allclose(clinical_angles(R), [rotation, obliquity, tilt], atol=1e-9)


@pytest.mark.parametrize("facing_deg", [0.0, 38.0, 90.0, -150.0])
def test_obliquity_and_tilt_do_not_depend_on_where_the_person_faces(facing_deg: float):
    pelvis = Rotation.from_euler("XZ", [-4.0, -11.0], degrees=True)
    R = (Rotation.from_euler("Y", facing_deg, degrees=True) * pelvis).as_matrix()
    np.testing.assert_allclose(np.degrees(clinical_angles(R)), [facing_deg, 4.0, 11.0], atol=1e-9)
    if facing_deg == 90.0:  # while OpenSim's tilt and list have swapped places
        np.testing.assert_allclose(np.degrees(pelvis_angles(R[None])[0, :2]), [4.0, -11.0], atol=0.1)


def test_signs_are_clinical():
    """The right side forward, the right side up, the front of the pelvis down: each is positive."""
    right, front = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    for k, axis in enumerate("YXZ"):
        for angle in (0.2, -0.2):
            R = Rotation.from_euler(axis, angle).as_matrix()
            moved = ((R @ right)[0], (R @ right)[1], -(R @ front)[1])
            assert np.sign(clinical_angles(R)[k]) == np.sign(moved[k]) != 0.0


def test_an_unknown_pelvis_has_no_angles():
    assert np.isnan(clinical_angles(np.full((3, 3), np.nan))).all()


@settings(max_examples=50, deadline=None)
@given(ANGLES, st.floats(-3.1, 3.1))
def test_turned_angles_and_rates_are_those_of_the_turned_pelvis(
    angles: tuple[float, float, float], turn: float
):
    before, rates = np.array(angles), np.array([0.7, -0.4, 1.1])
    R = Rotation.from_euler("Y", turn).as_matrix() @ pelvis_rotation(before[None])[0]
    after = turned_angles(before, turn)
    np.testing.assert_allclose(pelvis_rotation(after[None])[0], R, atol=1e-9)
    if abs(np.cos(after[1])) < 0.1:
        return
    h = 1e-6
    difference = turned_angles(before + h * rates, turn) - turned_angles(before - h * rates, turn)
    difference = np.arctan2(np.sin(difference), np.cos(difference)) / (2.0 * h)
    np.testing.assert_allclose(turned_rates(before, rates, after, turn), difference, rtol=1e-4, atol=1e-5)


def test_a_moved_pelvis_takes_the_whole_body_with_it():
    skeleton, rng = load_skeleton(), np.random.default_rng(3)
    q = rng.uniform(-0.6, 0.6, skeleton.n_q)
    move = Move(0.8, np.array([1.0, -0.5, 2.0]))
    T = move.matrix @ body_transforms(skeleton, q)
    PelvisMover(skeleton.coordinate_names).move(q, np.zeros(skeleton.n_q), move)
    np.testing.assert_allclose(body_transforms(skeleton, q), T, atol=1e-9)
    assert {*PELVIS_ROTATIONS, *PELVIS_TRANSLATIONS} <= set(skeleton.coordinate_names)
    again = Move.of(move.matrix)
    assert again.turn_rad == pytest.approx(0.8) and again.shift_m.tolist() == [1.0, -0.5, 2.0]
