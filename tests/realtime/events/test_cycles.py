"""Cycles are cut and averaged as scipy and numpy do it, and movements are divided as was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.interpolate import interp1d

from realtime.errors import RealtimeError
from realtime.events.cycles import LONGEST_STRIDE_S, marked, normalised, strides
from realtime.events.event import FOOT_STRIKE, Cycle, Event
from realtime.events.measures import cycle_ranges, cycle_symmetries
from realtime.events.movement import Curves, CycleOptions, movement_of

Array = NDArray[np.float64]

TIME_S = np.arange(0.0, 12.0, 1.0 / 30.0)
NAMES = ("pelvis_tx", "knee_angle_r", "knee_angle_l", "elbow_flex_r", "elbow_flex_l")


def curves(marks: tuple[Event, ...] = (), *, walks: bool = False) -> Curves:
    """Three squats, the right knee bent more, and seven bends of the right elbow."""
    knee = np.clip(-np.cos(2.0 * np.pi * TIME_S / 4.0), 0.0, None)
    elbow = 45.0 * (1.0 - np.cos(2.0 * np.pi * TIME_S / 1.7))
    values = np.stack([0.1 * TIME_S, 90.0 * knee, 60.0 * knee, elbow, 0.0 * elbow], axis=1)
    swing = 0.4 * np.cos(2.0 * np.pi * TIME_S)
    return Curves(
        time_s=TIME_S,
        names=NAMES,
        units=("m", "deg", "deg", "deg", "deg"),
        values=values,
        ahead_m=np.stack([swing, -swing], axis=1) * walks,
        marks=marks,
    )


def test_cycles_are_stretched_as_by_scipy():
    recorded = curves()
    cycles = [Cycle(1, "marked", 1.0, 3.3), Cycle(2, "marked", 4.01, 8.2), Cycle(3, "marked", 8.2, 11.0)]
    band = normalised(recorded.time_s, recorded.values, cycles)
    by_scipy = interp1d(recorded.time_s, recorded.values, axis=0)
    expected = np.array([by_scipy(np.linspace(c.start_s, c.end_s, 101)) for c in cycles])
    np.testing.assert_allclose(band.values, expected, atol=1e-9)
    np.testing.assert_allclose(band.mean, expected.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(band.deviation, expected.std(axis=0, ddof=1), atol=1e-9)


def test_what_is_unknown_stays_unknown():
    values = curves().values[:, 1:2].copy()
    values[30:60] = np.nan  # 1 to 2 s
    values[150:153] = np.nan
    cycles = [Cycle(1, "marked", 0.0, 4.0), Cycle(2, "marked", 4.0, 8.0)]
    band = normalised(TIME_S, values, cycles)
    assert np.isnan(band.values[0, 25:49]).all() and np.isfinite(band.values[0, 51:]).all()
    assert np.isfinite(band.values[1]).all()  # a tenth of a second is interpolated
    np.testing.assert_array_equal(band.mean[30], band.values[1, 30])
    assert np.isnan(band.deviation[30]).all() and np.isfinite(band.deviation[60]).all()
    assert np.isnan(normalised(TIME_S, np.full((len(TIME_S), 1), np.nan), cycles).mean).all()


def test_marks_of_one_name_divide():
    marks = [
        Event(t, name) for t, name in [(1.0, "event"), (2.0, "1"), (3.0, "event"), (7.0, "1"), (8.0, "event")]
    ]
    assert [(c.start_s, c.end_s) for c in marked(marks)] == [(1.0, 3.0), (2.0, 7.0), (3.0, 8.0)]
    assert marked(marks[:2]) == []


def test_strides_do_not_span_missed_steps():
    times_s = [1.0, 2.1, 3.1, 3.1 + LONGEST_STRIDE_S + 0.1, 8.0]
    found = strides([Event(t, FOOT_STRIKE, "r") for t in times_s])
    assert [(c.number, c.start_s, c.end_s) for c in found] == [
        (1, 1.0, 2.1), (2, 2.1, 3.1), (3, pytest.approx(6.2), 8.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "marks", "walks", "by", "n"),
    [
        (CycleOptions(), (), False, "knee_angle", 3),
        (CycleOptions(), (), True, "gait", 21),
        (CycleOptions(), (1.0, 3.0, 6.0), True, "marks", 2),
        (CycleOptions(by="knee_angle_l"), (), True, "knee_angle_l", 3),
        (CycleOptions(by="elbow_flex_r", least_range=40.0), (), False, "elbow_flex_r", 7),
        (CycleOptions(by="elbow_flex"), (), False, "elbow_flex", 7),  # the mean of a bending and a still one
        (CycleOptions(by="elbow_flex_l"), (), False, "", 0),
        (CycleOptions(by="none"), (1.0, 2.0), True, "", 0),
    ],
)
def test_a_movement_is_divided_as_asked(
    options: CycleOptions, marks: tuple[float, ...], walks: bool, by: str, n: int
):
    movement = movement_of(curves(tuple(Event(t, "event") for t in marks), walks=walks), options)
    assert (movement.divided_by, len(movement.cycles)) == (by, n)
    assert sum(event.label == "event" for event in movement.events) == len(marks)
    assert list(movement.events) == sorted(movement.events)


@pytest.mark.parametrize(("by", "said"), [("knee", "accepted: auto, marks"), ("marks", "0 marks.*key E")])
def test_what_cannot_divide_is_refused(by: str, said: str):
    with pytest.raises(RealtimeError, match=said):
        movement_of(curves(), CycleOptions(by=by))


def test_ranges_and_symmetry_of_each_repetition():
    recorded = curves()
    movement = movement_of(recorded)
    ranges = cycle_ranges(recorded, movement.cycles)
    knees = {(r.cycle.number, r.name): r.range for r in ranges if r.name.startswith("knee")}
    assert len(knees) == 6 and knees[2, "knee_angle_r"] == pytest.approx(90.0, abs=5.0)
    for symmetry in cycle_symmetries(ranges):
        if symmetry.stem == "knee_angle":
            # 90 against 60 degrees: 30 of 75.
            assert symmetry.index_percent == pytest.approx(40.0, abs=0.5)
            assert symmetry.difference == pytest.approx(30.0, abs=2.0)


def test_a_stride_has_the_coordinates_of_its_side():
    recorded = curves(walks=True)
    movement = movement_of(recorded, CycleOptions(by="gait"))
    ranges = cycle_ranges(recorded, movement.cycles)
    assert {r.name for r in ranges if r.cycle.side == "l"} == {"pelvis_tx", "knee_angle_l", "elbow_flex_l"}
    pairs = cycle_symmetries(ranges)
    assert len(pairs) == 2 * min(sum(c.side == side for c in movement.cycles) for side in "rl")
