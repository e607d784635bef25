"""The comparison with One-Euro: filters trade delay for steadiness, and the drawing shows where all lie."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from engines.features.motion_metrics import RecordedMotion, save_motions
from realtime.bench.smoothing import lag_at_equal_jitter, main, sweep
from realtime.bench.smoothing_plot import HEIGHT, WIDTH, LagJitterPoint, smoothing_plot
from realtime.errors import RealtimeError


@pytest.fixture(scope="module")
def motion() -> RecordedMotion:
    """10 s of rest, 10 s of swinging; seen with noise, and with little noise but 10 ms late."""
    t_s = np.arange(0.0, 20.0, 1.0 / 30.0)

    def truth(t_s: np.ndarray) -> np.ndarray:
        swing = np.where(t_s > 10.0, 1.0 - np.cos(2.0 * np.pi * 0.8 * (t_s - 10.0)), 0.0)
        return np.stack([20.0 * swing, 35.0 * swing], axis=-1)

    noise = np.random.default_rng(0).normal(0.0, 1.0, (len(t_s), 2))
    estimates = {"raw": truth(t_s) + noise, "net": truth(t_s - 0.01) + 0.3 * noise}
    return RecordedMotion(("hip_flexion_r", "knee_angle_r"), t_s, truth(t_s), estimates)


def test_stronger_filters_are_steadier_and_later(motion: RecordedMotion) -> None:
    places = sweep([motion], "raw", beta=0.0)
    jitters, lags = [p.jitter_deg for p in places], [p.lag_ms for p in places]
    assert (np.diff(jitters) > 0.0).all() and (np.diff(lags) < 0.0).all()
    assert jitters[-1] == pytest.approx(1.0, rel=0.1) and abs(lags[-1]) < 4.0
    # At equal steadiness the one who sees through the noise is far less late.
    assert lag_at_equal_jitter([places], 0.3) > 40.0


def test_equal_jitter_lies_between_neighbours_of_the_best_curve() -> None:
    slow = [LagJitterPoint("a", 90.0, 0.1), LagJitterPoint("b", 50.0, 0.5)]
    quick = [LagJitterPoint("a", 60.0, 0.2), LagJitterPoint("b", 40.0, 0.4)]
    assert lag_at_equal_jitter([slow, quick], 0.3) == pytest.approx(50.0)
    assert lag_at_equal_jitter([slow, quick], 0.15) == pytest.approx(85.0)
    assert math.isnan(lag_at_equal_jitter([slow, quick], 0.6))


def test_the_table_and_the_drawing(
    motion: RecordedMotion,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("realtime.bench.smoothing.CUTOFFS_HZ", (0.3, 2.0, 9.0))
    save_motions(tmp_path / "m.npz", [motion])
    main([str(tmp_path / "m.npz"), "--svg", str(tmp_path / "m.svg")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["raw", "net", "One-Euro"]
    assert any("as steady as net" in line and "net is 10." in line for line in lines)
    texts = [e.text for e in ElementTree.parse(tmp_path / "m.svg").iter() if e.tag.endswith("text")]
    labels = {"raw", "net", "One-Euro with shipped constants", "delay in ms", "jitter at rest in deg"}
    assert labels <= set(texts)
    with pytest.raises(RealtimeError, match="no estimate 'nobody'; it has raw, net"):
        main([str(tmp_path / "m.npz"), "--raw", "nobody"])


def test_every_place_is_drawn_inside_and_later_ones_further_right() -> None:
    points = [LagJitterPoint("here", 0.0, 0.1), LagJitterPoint("there", 80.0, 2.0)]
    root = ElementTree.fromstring(
        smoothing_plot({"c": [LagJitterPoint("", 40.0, 1.0), LagJitterPoint("", 60.0, 0.5)]}, points)
    )
    circles = [(float(e.get("cx", "")), float(e.get("cy", ""))) for e in root if e.tag.endswith("circle")]
    assert len(circles) == 4
    assert all(0.0 < x < WIDTH and 0.0 < y < HEIGHT for x, y in circles)
    (x_curve, y_curve), *_, (x_here, y_here), (x_there, y_there) = circles
    assert x_here < x_curve < x_there and y_here > y_curve > y_there
