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
    found = compare(estimate, reference)
    assert found.lag_s == pytest.approx(-0.05)
    assert not found.at_edge
    assert max(np.abs(d).max() for d in found.differences_deg.values()) < 0.05


@pytest.mark.parametrize("late_s", [-0.2, 0.2])
def test_a_lag_beyond_the_range_is_at_its_edge_and_found_in_a_wider_one(late_s: float) -> None:
    time_s = np.arange(0.0, 4.0, 0.01)
    reference = Trajectory(NAMES, time_s, moving(time_s))
    seen_s = np.arange(0.5, 3.5, 1 / 60)
    estimate = Trajectory(NAMES, seen_s, moving(seen_s + late_s))
    narrow, wide = (compare(estimate, reference, lag_range_s=s) for s in (0.1, 0.3))
    assert narrow.at_edge and narrow.lag_s == pytest.approx(np.sign(late_s) * 0.1)
    assert not wide.at_edge and wide.lag_s == pytest.approx(late_s)
    exact = compare(estimate, reference, offset_s=late_s, lag_range_s=0.0)
    assert exact.lag_s == 0.0 and not exact.at_edge
    assert max(np.abs(d).max() for d in exact.differences_deg.values()) < 0.05


def test_only_frames_with_an_estimate_and_a_reference_are_counted() -> None:
    time_s = np.arange(0.0, 2.0, 0.01)
    angles_deg = moving(time_s)
    with_gap = angles_deg.copy()
    with_gap[50:90] = np.nan
    half = Trajectory(NAMES, time_s[:100], angles_deg[:100])
    found = compare(Trajectory(NAMES, time_s, with_gap), half, lag_range_s=0.0)
    assert (found.n_frames, len(found.time_s)) == (60, 100)


def test_a_reference_that_passes_half_a_turn_is_interpolated_across_it() -> None:
    time_s = np.arange(0.0, 2.0, 0.1)
    turning = (170.0 + 10.0 * time_s)[:, None]
    wrapped = (turning + 180.0) % 360.0 - 180.0
    seen_s = np.arange(0.0, 1.9, 0.03)
    estimate = Trajectory(("pelvis_rotation",), seen_s, (170.0 + 10.0 * seen_s)[:, None])
    found = compare(estimate, Trajectory(("pelvis_rotation",), time_s, wrapped), lag_range_s=0.0)
    np.testing.assert_allclose(found.differences_deg["pelvis_rotation"], 0.0, atol=1e-9)


def test_what_is_skipped_does_not_choose_the_lag() -> None:
    time_s = np.arange(0.0, 4.0, 0.01)
    angles_deg = moving(time_s)
    late = angles_deg.copy()
    late[:, 3] = moving(time_s - 0.06)[:, 3]
    pair = (Trajectory(NAMES, time_s, late), Trajectory(NAMES, time_s, angles_deg))
    found = compare(*pair, skip=("knee_angle_r",))
    assert found.lag_s == 0.0 and "knee_angle_r" not in found.differences_deg
    assert compare(*pair).lag_s != 0.0


def test_a_bias_is_reported_as_it_is() -> None:
    time_s = np.arange(0.0, 4.0, 0.01)
    reference = Trajectory(NAMES, time_s, moving(time_s))
    biased = moving(time_s)
    biased[:, 3] += 7.0
    differences = compare(Trajectory(NAMES, time_s, biased), reference).differences_deg
    assert differences["knee_angle_r"].mean() == pytest.approx(7.0, abs=0.1)
    assert abs(differences["pelvis_tilt"]).max() < 0.2


def test_lost_frames_do_not_count() -> None:
    time_s = np.arange(0.0, 2.0, 0.01)
    angles_deg = moving(time_s)
    with_gap = angles_deg.copy()
    with_gap[50:90] = np.nan
    found = compare(Trajectory(NAMES, time_s, with_gap), Trajectory(NAMES, time_s, angles_deg))
    assert np.nanmax(np.abs(found.differences_deg["knee_angle_r"])) < 1e-9


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
