"""Scores of a comparison, against errors put in on purpose."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.coordinates import PELVIS_ROTATIONS
from calib.pelvis import pelvis_angles
from realtime.bench.accuracy import Trajectory, compare
from realtime.bench.scores import (
    error_scores,
    extreme_scores,
    find_standing,
    published_pelvis,
    standing_scores,
)

NAMES = (*PELVIS_ROTATIONS, "hip_flexion_r", "knee_angle_r", "arm_flex_r")
TIME_S = np.arange(0.0, 8.0, 0.02)


def squatting() -> np.ndarray:
    """Standing until 3 s, then squats of 90 degrees; the pelvis faces 30 degrees off. Shape: (n, 6)."""
    depth = np.where(TIME_S < 3.0, 0.0, 45.0 * (1.0 - np.cos(np.pi * (TIME_S - 3.0))))
    still = np.full_like(TIME_S, 2.0)
    columns = {"pelvis_tilt": -0.3 * depth, "pelvis_list": still, "pelvis_rotation": 30.0 + still}
    columns |= {"hip_flexion_r": 0.8 * depth, "knee_angle_r": depth, "arm_flex_r": still}
    return np.stack([columns[name] for name in NAMES], -1)


def compared(estimate_deg: np.ndarray, reference_deg: np.ndarray | None = None):
    reference_deg = squatting() if reference_deg is None else reference_deg
    pair = (Trajectory(NAMES, TIME_S, angles) for angles in (estimate_deg, reference_deg))
    return compare(*pair, lag_range_s=0.0)


def with_error(name: str, error: np.ndarray | float) -> np.ndarray:
    estimate = squatting()
    estimate[:, NAMES.index(name)] += error
    return estimate


def test_raw_bias_removed_and_median_errors() -> None:
    spikes = np.where(np.arange(len(TIME_S)) % 5 == 0, 20.0, 0.0)
    scores = error_scores(compared(with_error("knee_angle_r", 5.0 + spikes)).differences_deg)
    assert scores.mae_deg["knee_angle_r"] == pytest.approx(9.0)
    assert scores.bias_deg["knee_angle_r"] == pytest.approx(9.0)
    assert scores.bias_removed_deg["knee_angle_r"] == pytest.approx(0.8 * 4.0 + 0.2 * 16.0)
    assert scores.median_deg["knee_angle_r"] == pytest.approx(5.0)
    # Scored here: tilt, list, hip and knee; not rotation, not the arm.
    assert scores.mean_mae_deg == pytest.approx(9.0 / 4.0, abs=1e-6)
    assert scores.median_frame_error_deg == pytest.approx(5.0 / 4.0, abs=1e-6)


def test_the_median_frame_is_of_frames_and_not_of_coordinates() -> None:
    """Two coordinates that err in turns: each has a median of 0, every frame errs."""
    estimate = squatting()
    for k, name in enumerate(("hip_flexion_r", "knee_angle_r")):
        estimate[:, NAMES.index(name)] += np.where(np.arange(len(TIME_S)) % 3 == k, 8.0, 0.0)
    estimate[:, NAMES.index("pelvis_list")] += np.where(np.arange(len(TIME_S)) % 3 == 2, 0.01, 0.0)
    scores = error_scores(compared(estimate).differences_deg)
    assert scores.median_deg["hip_flexion_r"] == scores.median_deg["knee_angle_r"] == pytest.approx(0.0)
    assert scores.median_frame_error_deg == pytest.approx(8.0 / 4.0, abs=0.02)


def test_standing_is_found_and_scored_apart() -> None:
    found = compared(with_error("knee_angle_r", np.where(TIME_S < 3.0, 12.0, 1.0)))
    assert find_standing(found) == pytest.approx((0.0, 3.0), abs=0.25)
    standing = standing_scores(found, None)
    assert standing is not None
    assert standing.mae_deg["knee_angle_r"] == pytest.approx(12.0, abs=0.3)
    given = standing_scores(found, (4.0, 5.0))
    assert given is not None and (given.from_s, given.to_s, given.frames) == (4.0, 5.0, 51)
    assert given.mae_deg["knee_angle_r"] == pytest.approx(1.0)
    assert standing_scores(found, (20.0, 30.0)) is None


def test_nobody_stands_who_only_moves_or_only_sits() -> None:
    moving, sitting = squatting(), squatting()
    for name in ("hip_flexion_r", "knee_angle_r"):
        moving[:, NAMES.index(name)] = 30.0 * np.sin(8.0 * TIME_S)
        sitting[:, NAMES.index(name)] = 85.0
    for reference in (moving, sitting):
        found = compared(squatting(), reference)
        assert find_standing(found) is None and standing_scores(found, None) is None


def test_extremes_are_the_outer_tenths_of_the_references_range() -> None:
    knee = squatting()[:, NAMES.index("knee_angle_r")]
    error = np.where(knee >= 81.0, 10.0, np.where(knee <= 9.0, 4.0, 77.0))
    extremes = extreme_scores(compared(with_error("knee_angle_r", error)))
    assert extremes.top_deg["knee_angle_r"] == pytest.approx(10.0)
    assert extremes.bottom_deg["knee_angle_r"] == pytest.approx(4.0)
    assert extremes.mean_mae_deg == pytest.approx((10.0 + 4.0) / 2.0 / 4.0, abs=1e-6)


def turned(angles_deg: np.ndarray, heading_deg: np.ndarray | float) -> np.ndarray:
    """The pelvis of a table turned about the vertical, by scipy."""
    table = angles_deg.copy()
    pelvis = Rotation.from_euler("ZXY", table[:, :3], degrees=True)
    turn = Rotation.from_euler(
        "y", np.full((len(table), 1), 1.0) * np.reshape(heading_deg, (-1, 1)), degrees=True
    )
    table[:, :3] = np.degrees(pelvis_angles((turn * pelvis).as_matrix()))
    return table


def test_a_pelvis_published_along_the_person_has_no_error() -> None:
    """The reference faces 32 degrees off in its laboratory; the estimate counts from the person."""
    found = published_pelvis(compared(turned(squatting(), -32.0)))
    assert found is not None
    assert max(found.as_published_deg.values()) < 0.2
    assert max(found.first_second_heading_deg.values()) < 1e-6


def test_a_pelvis_published_along_a_camera_is_scored_as_it_is() -> None:
    """Tilt in list and list in tilt: what the heading that `mae_deg` removes would hide."""
    found = compared(turned(squatting(), -32.0 + 90.0))
    assert max(error_scores(found.differences_deg).mae_deg.values()) < 1e-6
    pelvis = published_pelvis(found)
    assert pelvis is not None
    assert pelvis.as_published_deg["pelvis_list"] > 10.0 and pelvis.as_published_deg["pelvis_tilt"] > 2.0
    assert max(pelvis.first_second_heading_deg.values()) < 1e-6
    assert set(published_pelvis(found, skip=("pelvis_tilt",)).as_published_deg) == {"pelvis_list"}


def test_a_heading_that_drifts_is_an_error_of_the_published_pelvis_alone() -> None:
    found = compared(turned(squatting(), np.where(TIME_S < 1.0, 0.0, 20.0)))
    pelvis = published_pelvis(found)
    assert pelvis is not None
    assert pelvis.first_second_heading_deg["pelvis_rotation"] == pytest.approx(20.0 * 7 / 8, abs=0.5)
    assert error_scores(found.differences_deg).mae_deg["pelvis_rotation"] < 6.0
