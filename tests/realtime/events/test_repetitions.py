"""Repetitions are those that scipy's peak finder and people count, and the counter knows only the past."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import find_peaks

from calib.tables.storage import read_mot
from realtime.errors import RealtimeError
from realtime.events.repetitions import (
    LONGEST_GAP_S,
    LONGEST_S,
    Repetition,
    RepetitionCounter,
    find_repetitions,
)

Array = NDArray[np.float64]

RATE_HZ = 30.0


def knees(path: Path) -> tuple[Array, Array]:
    """Times and the flexion of both knees in degrees. Shapes: (n,), (n, 2)."""
    table = read_mot(path)
    columns = [table.names.index(name) for name in ("knee_angle_r", "knee_angle_l")]
    assert table.in_degrees
    return table.time_s, table.values[:, columns]


def bumps(n: int, height: float, still_s: float = 1.0, period_s: float = 2.0) -> tuple[Array, Array]:
    """Standing still, then squats without a pause, then standing still."""
    time_s = np.arange(0.0, 2.0 * still_s + n * period_s, 1.0 / RATE_HZ)
    phase = np.clip((time_s - still_s) / period_s, 0.0, n)
    return time_s, 0.5 * height * (1.0 - np.cos(2.0 * np.pi * phase))


@pytest.mark.parametrize(
    "trial", ["squat/reference_mocap.mot", "squat_arms/reference_two_camera.mot"]
)  # five squats each, by looking at the videos
def test_squats_of_real_people_are_those_of_scipy(shared_data: Path, trial: str):
    time_s, both = knees(shared_data / "real" / trial)
    for knee in (*both.T, both.mean(axis=1)):
        found = find_repetitions(time_s, knee)
        peaks, _ = find_peaks(knee, prominence=30.0)
        assert len(found) == 5
        assert [r.turn_s for r in found] == pytest.approx(time_s[peaks], abs=0.1)
        assert [r.turn for r in found] == pytest.approx(knee[peaks], abs=2.0)
        for before, after in pairwise(found):
            assert before.start_s < before.turn_s < before.end_s <= after.start_s
            valley = knee[(time_s > before.turn_s) & (time_s < after.turn_s)].min()
            assert before.end == pytest.approx(valley, abs=4.0)
            assert after.start == pytest.approx(valley, abs=4.0)


def test_the_way_down_is_the_way_up_of_the_negative(shared_data: Path):
    time_s, both = knees(shared_data / "real/squat/reference_mocap.mot")
    knee = both[:, 0]
    ups, downs = find_repetitions(time_s, knee), find_repetitions(time_s, -knee, direction="down")
    mirrored = [Repetition(r.start_s, r.turn_s, r.end_s, -r.start, -r.turn, -r.end) for r in downs]
    assert ups == mirrored and [r.range for r in ups] == [r.range for r in downs]


@given(
    n=st.integers(0, 6),
    height=st.floats(45.0, 130.0),
    noise=st.floats(0.0, 4.0),
    seed=st.integers(0, 2**32 - 1),
    missing=st.floats(0.0, 0.3),
)
def test_noise_and_missing_values_count_nothing(
    n: int, height: float, noise: float, seed: int, missing: float
):
    time_s, values = bumps(n, height)
    random = np.random.default_rng(seed)
    values = values + noise * random.uniform(-1.0, 1.0, len(values))
    values[random.random(len(values)) < missing] = np.nan
    found = find_repetitions(time_s, values)
    assert len(found) == n
    for k, repetition in enumerate(found):
        assert repetition.turn_s == pytest.approx(1.0 + 2.0 * k + 1.0, abs=0.5)
        assert repetition.turn == pytest.approx(height, abs=10.0)


@given(at=st.integers(5, 85), size=st.sampled_from([-200.0, 200.0]), n=st.integers(1, 2))
def test_a_bad_frame_or_two_count_nothing(at: int, size: float, n: int):
    time_s, values = bumps(1, 90.0, still_s=0.5)
    values[at : at + n] += size
    assert len(find_repetitions(time_s, values)) == 1


def test_a_bad_beginning_is_forgotten():
    time_s, values = bumps(20, 90.0)
    values[:15] = -200.0
    found = find_repetitions(time_s, values)
    assert 8 <= len(found) <= 10 and found[0].start_s > LONGEST_S - 1.0


@given(st.integers(1, 400))
def test_the_counter_knows_only_the_past(n: int):
    time_s, values = bumps(6, 80.0)
    n = min(n, len(time_s))
    counter = RepetitionCounter()
    counted_s = [t for t, v in zip(time_s.tolist(), values.tolist(), strict=True) if counter.add(t, v)]
    again = RepetitionCounter()
    for t, v in zip(time_s[:n].tolist(), values[:n].tolist(), strict=True):
        again.add(t, v)
    assert again.count == sum(t <= time_s[n - 1] for t in counted_s)
    # Half way back from a turn at 2, 4, ... s, and then half the time over which medians are taken.
    assert counted_s == pytest.approx([2.5 + 2.0 * k for k in range(6)], abs=0.15)


def test_who_leaves_in_the_middle_has_not_repeated():
    time_s, values = bumps(1, 90.0)
    middle = np.argmax(values)
    time_s[middle:] += 2.0 * LONGEST_GAP_S
    assert not find_repetitions(time_s, values)
    assert not find_repetitions(time_s[:middle], values[:middle])
    counter = RepetitionCounter()
    for t, v in zip(*bumps(3, 90.0), strict=True):
        counter.add(t, v)
    assert counter.count == 3
    assert counter.last is not None and counter.last.range == pytest.approx(90.0, abs=2.0)
    counter.reset()
    assert counter.count == 0 and counter.last is None and not counter.is_away


@pytest.mark.parametrize(("least", "direction"), [(0.0, "up"), (np.nan, "up"), (10.0, "left")])
def test_impossible_options_are_refused(least: float, direction: str):
    with pytest.raises(RealtimeError, match=r"accepted: up, down|above 0"):
        RepetitionCounter(least, direction=direction)  # type: ignore[arg-type]
