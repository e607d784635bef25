"""Measures of motion over time, on motions whose error, jitter and lag were put in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.errors import EngineError
from engines.features.motion_metrics import (
    RecordedMotion,
    format_scores,
    jitter,
    lag,
    load_motions,
    save_motions,
    score,
    sides_exchanged,
)

NAMES = ("pelvis_rotation", "knee_angle_r", "knee_angle_l")


def walking(t_s: np.ndarray) -> np.ndarray:
    """Both knees in turn, while the pelvis turns through half a turn's seam. Shape: (n, 3)."""
    phase = 2.0 * np.pi * 0.9 * t_s
    knees = [30.0 + 30.0 * np.sin(phase + p) + 8.0 * np.sin(2.0 * phase + p) for p in (0.0, np.pi)]
    turning = (160.0 + 15.0 * t_s + 180.0) % 360.0 - 180.0
    return np.stack([turning, *knees], axis=-1)


def motion(t_s: np.ndarray, truth: np.ndarray, estimate: np.ndarray) -> RecordedMotion:
    return RecordedMotion(NAMES, t_s, truth, {"made": estimate})


def stamps(fps: float, seconds: float, seed: int = 0) -> np.ndarray:
    """With some jitter, and frames left out."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(0.0, seconds, 1.0 / fps) + rng.uniform(0.0, 0.2 / fps, int(np.ceil(seconds * fps)))
    return t_s[rng.random(len(t_s)) > 0.05]


@given(
    lag_s=st.floats(-0.1, 0.2), fps=st.sampled_from([15.0, 30.0, 60.0]), noise_deg=st.sampled_from([0.0, 1.0])
)
@settings(max_examples=25, deadline=None)
def test_lag_is_found_finer_than_a_frame(lag_s: float, fps: float, noise_deg: float) -> None:
    t_s = stamps(fps, 20.0)
    noise = np.random.default_rng(1).normal(0.0, noise_deg, (len(t_s), 3))
    made = motion(t_s, walking(t_s), walking(t_s - lag_s) + noise)
    assert lag([made], "made") == pytest.approx(lag_s, abs=0.2 / fps)


def test_lag_is_found_across_gaps_and_recordings() -> None:
    motions = []
    for seed in range(3):
        t_s = stamps(30.0, 8.0, seed)
        estimate = walking(t_s - 0.05)
        estimate[40:90] = np.nan
        motions.append(motion(t_s, walking(t_s), estimate))
    assert lag(motions, "made") == pytest.approx(0.05, abs=0.004)


def test_a_low_pass_lags_by_its_time_constant() -> None:
    """An exponential low-pass delays slow motion by tau."""
    t_s = np.arange(0.0, 60.0, 0.01)
    truth = np.stack([20.0 * np.sin(2.0 * np.pi * f * t_s) for f in (0.1, 0.13, 0.17)], axis=-1)
    tau_s = 0.08
    made = truth.copy()
    for k in range(1, len(t_s)):
        made[k] = made[k - 1] + 0.01 / (0.01 + tau_s) * (truth[k] - made[k - 1])
    assert lag([motion(t_s, truth, made)], "made") == pytest.approx(tau_s, abs=0.008)


@pytest.mark.parametrize("sigma_deg", [0.2, 2.0])
def test_jitter_is_the_noise_at_rest(sigma_deg: float) -> None:
    """Whatever the offset and a slow drift, and whatever happens in motion."""
    rng = np.random.default_rng(0)
    t_s = stamps(30.0, 40.0)
    truth = np.where((t_s < 20.0)[:, None], walking(np.zeros_like(t_s)), walking(t_s))
    noise = rng.normal(0.0, np.where(t_s < 20.0, sigma_deg, 9.0)[:, None], truth.shape)
    made = truth + 7.0 + 0.5 * t_s[:, None] + noise
    made[::50] = np.nan
    assert jitter([motion(t_s, truth, made)], "made") == pytest.approx(sigma_deg, rel=0.08)


def test_exchanged_sides_are_found() -> None:
    t_s = np.arange(0.0, 4.0, 1.0 / 30.0)
    truth = walking(t_s)
    made = truth + np.random.default_rng(0).normal(0.0, 2.0, truth.shape)
    assert not sides_exchanged(NAMES, made, truth).any()
    wrong = np.zeros(len(t_s), dtype=bool)
    wrong[20:24] = wrong[60:75] = True
    made[wrong] = made[wrong][:, [0, 2, 1]]
    alike = np.abs(truth[:, 1] - truth[:, 2]) < 15.0
    found = sides_exchanged(NAMES, made, truth)
    assert (found == wrong)[~alike].all() and found.any()
    shifted = truth + np.array([0.0, 20.0, 20.0])
    assert sides_exchanged(NAMES, shifted, truth).mean() < 0.1


def test_score_gathers_all() -> None:
    t_s = stamps(30.0, 10.0)
    made = motion(t_s, walking(t_s), (walking(t_s) + np.array([3.0, -4.0, 2.0]) + 180.0) % 360.0 - 180.0)
    found = score([made, made], "made")
    assert found.mae_deg == pytest.approx({"pelvis_rotation": 3.0, "knee_angle_r": 4.0, "knee_angle_l": 2.0})
    assert found.mean_mae_deg == pytest.approx(3.0)
    assert found.lag_s == pytest.approx(0.0, abs=1e-4)
    assert found.n_swaps == 0 and np.isnan(found.jitter_deg)
    row = format_scores({"made": found}).splitlines()[1]
    assert "3.00 deg" in row and "nan deg" in row


def test_what_does_not_move_has_no_lag() -> None:
    t_s = np.arange(0.0, 3.0, 0.03)
    still = np.zeros((len(t_s), 3))
    assert np.isnan(lag([motion(t_s, still, still)], "made"))


def test_recordings_survive_a_file(tmp_path: Path) -> None:
    t_s = stamps(30.0, 3.0)
    first = motion(t_s, walking(t_s), walking(t_s) + 1.0)
    second = replace(first, t_s=t_s + 9.0, estimates_deg={"a/b": first.truth_deg, "c": -first.truth_deg})
    save_motions(tmp_path / "motions.npz", [first, second])
    for found, expected in zip(load_motions(tmp_path / "motions.npz"), [first, second], strict=True):
        assert found.names == NAMES and found.estimates_deg.keys() == expected.estimates_deg.keys()
        np.testing.assert_array_equal(found.t_s, expected.t_s)
        np.testing.assert_array_equal(found.truth_deg, expected.truth_deg)
        for name, values in expected.estimates_deg.items():
            np.testing.assert_array_equal(found.estimates_deg[name], values)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name in ("text.npz", "other.npz", "missing.npz"):
        with pytest.raises(EngineError, match=f"{name}.*write them with save_motions"):
            load_motions(tmp_path / name)
