"""Steps are those of markers that stop on the floor, and squats have none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from calib.kinematics import body_transforms
from calib.skeleton import load_skeleton
from calib.tables.storage import read_mot, read_trc
from realtime.events.cycles import strides
from realtime.events.event import FOOT_OFF, FOOT_STRIKE
from realtime.events.gait import ahead_of_pelvis, gait_events
from realtime.geometry import joint_centres

Array = NDArray[np.float64]


def walked(path: Path, pelvis: list[str], heels: list[str]) -> tuple[Array, Array, Array]:
    """Times, heels ahead of the pelvis, and heels. Shapes: (n,), (n, 2), (n, 2, 3)."""
    table = read_trc(path)

    def markers(names: list[str]) -> Array:
        return table.positions_m[:, [table.names.index(name) for name in names]]

    pelvis_m, heels_m = markers(pelvis).mean(axis=1), markers(heels)
    forward = np.cross(np.diff(markers(pelvis[:2]), axis=1)[:, 0], [0.0, 1.0, 0.0])  # right to left x up
    if np.nanmean((pelvis_m - markers(pelvis[2:]).mean(axis=1)) * forward) < 0.0:
        forward = -forward
    R = np.zeros((len(pelvis_m), 3, 3))
    R[:, :, 0] = forward
    return table.time_s, ahead_of_pelvis(pelvis_m, R, heels_m), heels_m


def test_a_heel_that_strikes_stops_on_the_floor(shared_data: Path):
    time_s, ahead_m, heels_m = walked(
        shared_data / "motions/opensim/DetectMarkerFlip/walking2.trc",
        ["r.ASIS", "L.ASIS", "r.PSIS", "L.PSIS"],
        ["r_calc", "L_calc"],
    )
    events = gait_events(time_s, ahead_m)
    strikes = [(e.time_s, e.side) for e in events if e.label == FOOT_STRIKE]
    assert [side for _, side in strikes] == ["l", "r"]
    for strike_s, side in strikes:
        heel_m = heels_m[:, "rl".index(side)]
        speed = np.linalg.norm(np.gradient(heel_m, time_s, axis=0), axis=1)
        stops_s = time_s[1:][(speed[1:] < 0.6) & (speed[:-1] >= 0.6)]
        assert np.abs(stops_s - strike_s).min() < 0.08
    assert [(e.label, e.side) for e in events] == [
        (FOOT_STRIKE, "l"), (FOOT_OFF, "r"), (FOOT_STRIKE, "r"), (FOOT_OFF, "l"),
    ]  # fmt: skip


def test_steps_on_a_treadmill_alternate(shared_data: Path):
    time_s, ahead_m, _ = walked(
        shared_data / "models/walk_ik/subject01_walk.trc",
        ["R.ASIS", "L.ASIS", "V.Sacral"],
        ["R.Heel", "L.Heel"],
    )
    events = gait_events(time_s, ahead_m)
    assert [e.side for e in events if e.label == FOOT_STRIKE] == ["r", "l", "r"]
    (stride,) = strides(events)
    assert stride.side == "r" and stride.duration_s == pytest.approx(1.23, abs=0.05)
    # Both feet stand after a strike: the other one leaves within a fifth of a stride.
    for strike, off in zip(events[::2], events[1::2], strict=True):
        assert strike.label == FOOT_STRIKE and off.label == FOOT_OFF and strike.side != off.side
        assert 0.0 < off.time_s - strike.time_s < 0.2 * stride.duration_s


def test_squats_are_no_steps(shared_data: Path):
    table = read_mot(shared_data / "real/squat/reference_mocap.mot")
    skeleton = load_skeleton()
    ahead_m = []
    for row in np.radians(table.values[::5]):
        q = skeleton.q_default.copy()
        for name, value in zip(table.names, row, strict=True):
            if name in skeleton.coordinate_names and not name.startswith("pelvis_t"):
                q[skeleton.coordinate_index(name)] = value
        T = body_transforms(skeleton, q)
        centres_m = joint_centres(skeleton, T, np.ones((skeleton.n_bodies, 3)))
        pelvis, feet = skeleton.body_index("pelvis"), [skeleton.body_index(f"calcn_{side}") for side in "rl"]
        ahead_m.append(
            ahead_of_pelvis(centres_m[None, pelvis], T[None, pelvis, :3, :3], centres_m[None, feet])[0]
        )
    assert np.ptp(ahead_m, axis=0).min() > 0.2  # the feet move against the pelvis, but together
    assert not gait_events(table.time_s[::5], np.array(ahead_m))


def test_gaps_end_a_walk_and_short_ones_do_not():
    time_s = np.arange(0.0, 10.0, 1.0 / 30.0)
    swing = 0.35 * np.cos(2.0 * np.pi * time_s)  # right heel in front at 1, 2, ... s
    ahead_m = np.stack([swing, -swing], axis=1)
    ahead_m[95:100] = np.nan
    rights_s = [e.time_s for e in gait_events(time_s, ahead_m) if e.label == FOOT_STRIKE and e.side == "r"]
    assert rights_s == pytest.approx(np.arange(1.0, 10.0), abs=0.07)
    ahead_m[95:120] = np.nan  # from 3.2 to 4 s
    cycles = strides(gait_events(time_s, ahead_m))
    assert not [c for c in cycles if c.side == "r" and c.start_s < 3.5 < c.end_s and c.duration_s < 1.5]
    assert not gait_events(time_s[:2], ahead_m[:2]) and not gait_events(time_s, np.full_like(ahead_m, np.nan))
