"""The clocks of videos from movement: known offsets and drifts come back, the rest is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calib.skeleton import load_skeleton
from realtime.cli import main
from realtime.errors import SourceError
from realtime.pose.landmark_model import build_landmark_model
from realtime.views.agreement import ViewedPerson
from realtime.views.sync import SeenMovement, find_clock
from tests.support.rigs import person, ring, seen

RATE_HZ = 15.0


def squat_deg(t_s: float) -> float:
    """Squats of different depths at uneven times."""
    return 80.0 * max(0.0, np.sin(1.1 * t_s + 0.25 * t_s**1.4)) * (0.6 + 0.4 * np.cos(0.7 * t_s))


def movement(
    view: int, to_common: Callable[[float], float], depth_deg: Callable[[float], float]
) -> SeenMovement:
    """What a camera with its own clock sees of somebody for 12 s, with the usual errors."""
    skeleton, camera = load_skeleton(), ring(0.0, 60.0).cameras[view]
    model, rng = build_landmark_model(skeleton), np.random.default_rng(view)
    times_s, people = np.arange(0.0, 12.0, 1.0 / RATE_HZ).tolist(), []
    for own_s in times_s:
        bend = depth_deg(to_common(own_s))
        q = person(skeleton, knee_angle_r=bend, knee_angle_l=bend, hip_flexion_r=bend, hip_flexion_l=bend)
        q[skeleton.coordinate_index("pelvis_ty")] -= 0.4 * (1.0 - np.cos(np.radians(bend)))
        people.append(ViewedPerson.of(seen(skeleton, model, q, camera, rng), camera))
    return SeenMovement.of(times_s, people)


@pytest.mark.parametrize(
    ("offset_s", "rate"), [(0.0, 1.0), (0.5, 1.0), (-1.3, 1.0), (0.4, 1.03), (0.2, 0.97)]
)
def test_offsets_and_drifts_come_back(offset_s: float, rate: float) -> None:
    first = movement(0, lambda t: t, squat_deg)
    second = movement(1, lambda t: offset_s + rate * t, squat_deg)
    found = find_clock(first, second, "b")
    assert abs(found.offset_s - offset_s) < 0.02
    assert abs(found.rate - rate) < 0.003
    # What is said about the uncertainty holds.
    assert abs(found.offset_s - offset_s) < 4.0 * found.sigma_s + 1e-3


def test_standing_still_and_repeated_movement_are_refused() -> None:
    still = [movement(view, lambda t: t, lambda t: 0.0) for view in range(2)]
    with pytest.raises(SourceError, match="--offsets S,S"):
        find_clock(*still, "b")

    def repeated(t_s: float) -> float:
        return 40.0 * (1.0 - np.cos(2.0 * np.pi * t_s / 1.5))

    with pytest.raises(SourceError, match="repeats itself"):
        find_clock(*(movement(view, lambda t: t, repeated) for view in range(2)), "b")


def test_other_movement_is_refused() -> None:
    first = movement(0, lambda t: t, squat_deg)
    second = movement(1, lambda t: t, lambda t: 90.0 * (np.sin(5.0 * t + t * t / 9.0) > 0.0))
    with pytest.raises(SourceError):
        find_clock(first, second, "b")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["A", "--sync", "auto"], "--sync needs several videos"),
        (["A", "B", "--cameras", "RIG", "--sync", "auto", "--offsets", "0,1"], "choose one: --sync auto"),
    ],
)
def test_sync_is_refused_where_it_means_nothing(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    folder = shared_data / "real" / "squat_arms"
    real = {"A": folder / "cam0.mp4", "B": folder / "cam1.mp4", "RIG": folder / "cameras.json"}
    assert main(["replay", *(str(real.get(w, w)) for w in words), "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
