"""The report says which views carried which seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from calib.skeleton import load_skeleton
from realtime.recording.view_shares import ViewShares
from realtime.report.data import Recording
from realtime.report.run import origin_section
from realtime.report.views import views_section
from tests.support.poses import sample_of


def test_the_seconds_without_a_view_are_named() -> None:
    skeleton, shares = load_skeleton(), ViewShares()
    sample = sample_of(skeleton, skeleton.q_default)
    for k in range(50):  # 10 a second; the second camera is gone from 2 to 4 s
        used = (0,) if 20 <= k < 40 else (0, 1)
        shares.add(replace(sample, t_capture_ns=7_000 + k * 100_000_000, used_views=used))
    views = shares.as_dict(["left", "right"])
    assert views["samples"] == [10] * 5
    assert views["used"] == {"left": [10] * 5, "right": [10, 10, 0, 0, 10]}
    page = "".join(str(part) for part in views_section({"views": views | {"agreement": 1.0}}))
    assert "50 of 50 (100.0 %)" in page and "30 of 50 (60.0 %)" in page
    assert "2 to 4 s" in page and "agreed in 100.0 %" in page


def test_cameras_of_a_rig_are_calibrated_even_if_their_file_does_not_say_how_well() -> None:
    skeleton = load_skeleton()
    phone = {"camera": "left", "width_px": 360, "height_px": 640, "fx": 456.6}
    recording = Recording(
        folder=Path("out"), names=skeleton.coordinate_names, units=("deg",) * skeleton.n_q,
        time_s=np.zeros(1), values=np.zeros((1, skeleton.n_q)), is_lost=np.zeros(1, np.bool_),
        is_unsure=np.zeros(1, np.bool_), confidence=None, frame_id=None,
        run={"frames": 1, "source": "a.mp4 + b.mp4", "smoothing_lag_s": 0.046078720868970996},
        camera=phone, video=None, cameras=(phone, {**phone, "camera": "right", "rms_px": 0.4}),
    )  # fmt: skip
    page = "".join(str(part) for part in origin_section(recording))
    assert "Camera left" in page and "not stated in its file" in page and "assumed" not in page
    assert "Camera right" in page and "reprojection error 0.40 px" in page
    assert "a.mp4 + b.mp4" in page and "0.046<" in page
    alone = "".join(str(part) for part in origin_section(replace(recording, cameras=())))
    assert "assumed, not calibrated" in alone


def test_one_camera_and_damaged_reports_have_no_views() -> None:
    assert views_section({}) == []
    assert views_section({"views": {"samples": [1, 2], "used": {"a": [1]}}}) == []
    assert views_section({"views": {"samples": "x", "used": []}}) == []
    assert np.array(ViewShares().as_dict(["a"])["samples"]).size == 0
