"""Scoring against a reference, checked with errors put in on purpose."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.coordinates import PELVIS_ROTATIONS
from calib.pelvis import facing, facing_of, pelvis_angles, pelvis_rotation
from realtime.bench.accuracy import (
    Trajectory,
    compare,
    jitter_deg,
    remove_heading,
    wrapped_difference_deg,
)
from realtime.errors import RealtimeError

NAMES = (*PELVIS_ROTATIONS, "knee_angle_r")
RNG = np.random.default_rng(5)


def moving(time_s: np.ndarray) -> np.ndarray:
    """Smooth angles of the four coordinates."""
    return np.stack([A * np.sin(w * time_s + A) for A, w in ((12, 3.0), (4, 2.0), (9, 1.5), (50, 4.0))], -1)


def test_pelvis_matrices_are_intrinsic_z_x_y() -> None:
    angles_deg = RNG.uniform(-80, 80, (50, 3))
    expected = Rotation.from_euler("ZXY", angles_deg, degrees=True).as_matrix()
    np.testing.assert_allclose(pelvis_rotation(np.radians(angles_deg)), expected, atol=1e-12)
    np.testing.assert_allclose(np.degrees(pelvis_angles(expected)), angles_deg, atol=1e-9)


@pytest.mark.parametrize("heading_deg", [-170.0, -40.0, 90.0, 135.0])
def test_a_constant_heading_is_removed_from_all_three_angles(heading_deg: float) -> None:
    reference_deg = RNG.uniform(-25, 25, (80, 3))
    turned = Rotation.from_euler("y", heading_deg, degrees=True) * Rotation.from_euler(
        "ZXY", reference_deg, degrees=True
    )
    estimate_deg = np.degrees(pelvis_angles(turned.as_matrix()))
    np.testing.assert_allclose(remove_heading(estimate_deg, reference_deg), reference_deg, atol=1e-6)


def test_a_lag_is_found_and_the_rest_is_exact() -> None:
    time_s = np.arange(0.0, 4.0, 0.01)
    reference = Trajectory(NAMES, time_s, moving(time_s))
    seen_s = np.arange(0.2, 3.5, 1 / 60)
    estimate = Trajectory(NAMES, seen_s, moving(seen_s - 0.05))
    lag_s, differences = compare(estimate, reference)
    assert lag_s == pytest.approx(-0.05)
    assert max(np.abs(d).max() for d in differences.values()) < 0.05


def test_a_bias_is_reported_as_it_is() -> None:
    time_s = np.arange(0.0, 4.0, 0.01)
    reference = Trajectory(NAMES, time_s, moving(time_s))
    biased = moving(time_s)
    biased[:, 3] += 7.0
    _, differences = compare(Trajectory(NAMES, time_s, biased), reference)
    assert differences["knee_angle_r"].mean() == pytest.approx(7.0, abs=0.1)
    assert abs(differences["pelvis_tilt"]).max() < 0.2


def test_lost_frames_do_not_count() -> None:
    time_s = np.arange(0.0, 2.0, 0.01)
    angles_deg = moving(time_s)
    with_gap = angles_deg.copy()
    with_gap[50:90] = np.nan
    _, differences = compare(Trajectory(NAMES, time_s, with_gap), Trajectory(NAMES, time_s, angles_deg))
    assert np.nanmax(np.abs(differences["knee_angle_r"])) < 1e-9


def test_whole_turns_are_no_error() -> None:
    assert wrapped_difference_deg(np.array([359.0]), np.array([-1.0]))[0] == pytest.approx(0.0)
    assert wrapped_difference_deg(np.array([-179.0]), np.array([179.0]))[0] == pytest.approx(2.0)


def test_nothing_in_common_is_refused() -> None:
    time_s = np.arange(0.0, 1.0, 0.1)
    estimate = Trajectory(("knee_angle_r",), time_s, np.zeros((10, 1)))
    with pytest.raises(RealtimeError, match="none of the skeleton's coordinates"):
        compare(estimate, Trajectory(("elbow",), time_s, np.zeros((10, 1))))
    with pytest.raises(RealtimeError, match="no tracked frame"):
        compare(estimate, Trajectory(("knee_angle_r",), time_s + 60.0, np.zeros((10, 1))))


def test_jitter_is_the_standard_deviation_of_white_noise() -> None:
    time_s = np.arange(0.0, 40.0, 0.02)
    angles_deg = np.zeros((len(time_s), 4))
    angles_deg[:] = 3.0 * np.sin(time_s)[:, None] + RNG.normal(0.0, 0.4, angles_deg.shape)
    assert jitter_deg(Trajectory(NAMES, time_s, angles_deg)) == pytest.approx(0.4, rel=0.05)


def test_one_pelvis_faces_where_many_do() -> None:
    rng = np.random.default_rng(0)
    angles = rng.uniform([-3.0, -1.5, -3.1], [3.0, 1.5, 3.1], (200, 3))
    headings, told = facing(pelvis_rotation(angles))
    for row, heading, expected in zip(angles, headings, told, strict=True):
        found_heading, found = facing_of(*row.tolist())
        assert found_heading == pytest.approx(heading, abs=1e-12)
        np.testing.assert_allclose(found, expected, atol=1e-12)
    # In the person's frame the line through the hips points along Z.
    hips = pelvis_rotation(told)[:, :, 2]
    np.testing.assert_allclose(hips[:, 0], 0.0, atol=1e-12)
    assert (hips[:, 2] >= 0.0).all()
