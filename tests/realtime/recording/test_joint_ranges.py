"""Ranges of a run and of its report: one frame whose skeleton is off must not set the extremes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calib.skeleton import load_skeleton
from realtime.recording.joint_ranges import JointRanges
from realtime.report.data import Recording
from realtime.report.measures import motion_ranges
from realtime.sample import Status
from tests.support.poses import sample_of

SKELETON = load_skeleton()
KNEE = SKELETON.coordinate_index("knee_angle_r")
BENT_DEG = (10.0, 60.0, 120.0, 30.0)
STATUSES = (Status.TRACKING, Status.TRACKING, Status.UNSURE, Status.TRACKING)


def test_ranges_of_a_run_leave_out_unsure_frames() -> None:
    ranges = JointRanges(SKELETON)
    for k, (bent_deg, status) in enumerate(zip(BENT_DEG, STATUSES, strict=True)):
        q = SKELETON.q_default.copy()
        q[KNEE] = np.radians(bent_deg)
        ranges.add(replace(sample_of(SKELETON, q, k), status=status))
    knee = ranges.as_dict()["knee_angle_r"]
    assert (knee["min"], knee["max"]) == pytest.approx((10.0, 60.0), abs=1e-3)
    assert knee["mean"] == pytest.approx(100.0 / 3.0, abs=1e-3)


def test_ranges_of_a_report_leave_out_unsure_frames(tmp_path: Path) -> None:
    statuses = np.array(STATUSES)
    recording = Recording(
        folder=tmp_path,
        names=("knee_angle_r",),
        units=("deg",),
        time_s=0.1 * np.arange(4),
        values=np.array(BENT_DEG)[:, None],
        is_lost=statuses == Status.LOST,
        is_unsure=statuses == Status.UNSURE,
        confidence=None,
        frame_id=None,
        run={},
        camera={},
        video=None,
    )
    knee = motion_ranges(recording)["knee_angle_r"]
    assert (knee.lowest, knee.highest) == (10.0, 60.0)
