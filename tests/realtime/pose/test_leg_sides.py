"""Legs of a walker seen from the side, with the swaps that BlazePose makes where legs cross."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engines.blazepose.pose_landmark import ANKLES, FOOT_INDICES, HEELS, HIPS, KNEES, N_LANDMARKS
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi
from realtime.pose.leg_sides import LegSides

FRAME_NS = 33_333_333
LEG_PX = 200.0
PAIRS = (KNEES, ANKLES, HEELS, FOOT_INDICES)
LEFT, RIGHT = (np.array([pair[side] for pair in PAIRS]) for side in range(2))
LEGS = np.concatenate([LEFT, RIGHT])


def stride(k: int, swing: float = 0.5) -> BlazePoseResult:
    """Frame k of a walk with one stride a second: thighs swing, shanks lag a little."""
    points = np.zeros((N_LANDMARKS, 3))
    points[list(HIPS), :2] = 320.0 + 3.0 * k, 200.0
    for side, phase in ((0, 0.0), (1, np.pi)):
        thigh, shank = (swing * np.sin(2.0 * np.pi * k / 30.0 + phase - late) for late in (0.0, 0.6))
        knee = points[HIPS[side], :2] + 0.5 * LEG_PX * np.array([np.sin(thigh), np.cos(thigh)])
        ankle = knee + 0.5 * LEG_PX * np.array([np.sin(shank), np.cos(shank)])
        points[KNEES[side], :2], points[ANKLES[side], :2] = knee, ankle
        points[HEELS[side], :2] = ankle + np.array([-8.0, 8.0])
        points[FOOT_INDICES[side], :2] = ankle + np.array([25.0, 10.0])
    return BlazePoseResult(
        landmarks_px=points,
        world_m=points / LEG_PX,
        visibility=np.ones(N_LANDMARKS),
        presence=np.ones(N_LANDMARKS),
        score=1.0,
        roi=Roi(320.0, 240.0, 450.0, 0.0),
        auxiliary_px=np.zeros((2, 3)),
        detected=False,
    )


def swapped(result: BlazePoseResult, share: float = 1.0) -> BlazePoseResult:
    """The legs a share of the way to each other's places."""
    points = result.landmarks_px.copy()
    points[LEFT] += share * (result.landmarks_px[RIGHT] - result.landmarks_px[LEFT])
    points[RIGHT] += share * (result.landmarks_px[LEFT] - result.landmarks_px[RIGHT])
    return replace(result, landmarks_px=points, world_m=points / LEG_PX)


def kept(frames: list[BlazePoseResult]) -> list[BlazePoseResult]:
    sides = LegSides()
    return [sides.keep(k * FRAME_NS, frame) for k, frame in enumerate(frames)]


def error_px(result: BlazePoseResult, truth: BlazePoseResult) -> float:
    return float(np.linalg.norm((result.landmarks_px - truth.landmarks_px)[LEGS], axis=1).max())


@pytest.mark.parametrize("share", [1.0, 0.7])
@pytest.mark.parametrize("n_frames", [1, 2])
@pytest.mark.parametrize("start", [20, 24, 34, 37, 51])
def test_a_short_swap_leaves_the_legs_where_they_are(start: int, n_frames: int, share: float) -> None:
    truth = [stride(k) for k in range(60)]
    seen = [swapped(f, share) if start <= k < start + n_frames else f for k, f in enumerate(truth)]
    errors_px = [error_px(a, b) for a, b in zip(kept(seen), truth, strict=True)]
    assert max(error_px(a, b) for a, b in zip(seen, truth, strict=True)) > 30.0
    assert max(errors_px) < 20.0
    assert not any(errors_px[:start]) and not any(errors_px[start + n_frames :])


def test_a_walker_and_a_kick_are_left_alone() -> None:
    walk = [stride(k) for k in range(60)]
    assert all(a is b for a, b in zip(kept(walk), walk, strict=True))
    kick = [stride(k, swing=1.4) for k in range(60)]
    assert all(a is b for a, b in zip(kept(kick), kick, strict=True))


def test_a_swap_that_lasts_is_believed() -> None:
    seen = [swapped(stride(k)) if k >= 22 else stride(k) for k in range(40)]
    found = kept(seen)
    assert error_px(found[22], stride(22)) < 1.0
    assert all(found[k] is seen[k] for k in range(26, 40))


def test_nothing_is_kept_over_a_gap() -> None:
    sides = LegSides()
    for k in range(20):
        sides.keep(k * FRAME_NS, stride(k))
    late = swapped(stride(30))
    assert sides.keep(30 * FRAME_NS, late) is late
