"""Poses that are taken for the neutral one, and those that are refused with what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.skeleton import load_skeleton
from engines.blazepose.tracker import BlazePoseResult
from realtime.person.neutral_pose import NeutralPose, Refusal
from realtime.pose.landmark_model import build_landmark_model
from tests.support.posing_person import SOCKS, STANDING, PosingPerson

SKELETON = load_skeleton()
PERSON = PosingPerson(SKELETON, build_landmark_model(SKELETON))
STEP_NS = 50_000_000
FRAMES = 15


def judge(results: Iterable[BlazePoseResult]) -> Refusal | None:
    """The verdict on the last of several frames, 20 a second."""
    pose, verdict = NeutralPose(PERSON.camera), None
    for k, result in enumerate(results):
        verdict = pose.step(k * STEP_NS, result)
    return verdict


def held(person: PosingPerson = PERSON, turn_deg: float = 0.0, **angles_deg: float) -> Refusal | None:
    """The verdict on a pose that is held; upright standing without angles."""
    q = person.coordinates(turn_deg, **(STANDING | angles_deg))
    return judge([person.see(q, k) for k in range(FRAMES)])


@settings(deadline=None, max_examples=40)
@given(
    turn_deg=st.floats(-40.0, 40.0),
    apart_deg=st.floats(-8.0, 2.0),
    toes_out_deg=st.floats(-15.0, 5.0),
    lean_deg=st.floats(-4.0, 4.0),
    arms_deg=st.floats(-60.0, 0.0),
    distance_m=st.floats(2.5, 5.0),
    wears_socks=st.booleans(),
)
def test_upright_standing_is_neutral_however_arms_and_feet_are(
    turn_deg: float, apart_deg: float, toes_out_deg: float, lean_deg: float, arms_deg: float,
    distance_m: float, wears_socks: bool,
) -> None:  # fmt: skip
    person = replace(
        PERSON, distance_m=distance_m, noise_px=0.5, offsets_m=SOCKS if wears_socks else {}, depth_gain=0.5
    )
    angles = {"hip_adduction": apart_deg, "hip_rotation": toes_out_deg, "pelvis_list": lean_deg}
    assert held(person, turn_deg, **angles, arm_add=arms_deg) is None


@settings(deadline=None, max_examples=40)
@given(knee_deg=st.floats(35.0, 130.0), side=st.sampled_from((-1.0, 1.0)), turn_deg=st.floats(60.0, 90.0))
def test_bent_knees_are_refused_from_the_side(knee_deg: float, side: float, turn_deg: float) -> None:
    angles = {"knee_angle": knee_deg, "hip_flexion": 0.6 * knee_deg, "ankle_angle": min(0.4 * knee_deg, 30.0)}
    assert held(turn_deg=side * turn_deg, **angles) in (Refusal.BENT, Refusal.LEANING)


@settings(deadline=None, max_examples=40)
@given(knee_deg=st.floats(50.0, 130.0), turn_deg=st.floats(-30.0, 30.0))
def test_knees_bent_much_are_refused_from_the_front(knee_deg: float, turn_deg: float) -> None:
    """Those bent less look like short legs; that is noticed once they straighten (test_person)."""
    angles = {"knee_angle": knee_deg, "hip_flexion": 0.6 * knee_deg, "ankle_angle": min(0.4 * knee_deg, 30.0)}
    assert held(turn_deg=turn_deg, **angles) in (Refusal.BENT, Refusal.LEANING)


@settings(deadline=None, max_examples=30)
@given(lean_deg=st.floats(22.0, 60.0), side=st.sampled_from((-1.0, 1.0)))
def test_leaning_aside_is_refused(lean_deg: float, side: float) -> None:
    assert held(pelvis_list=side * lean_deg) is not None


@pytest.mark.parametrize("turn_deg", [140.0, 180.0, -150.0])
def test_turned_away_is_refused(turn_deg: float) -> None:
    assert held(turn_deg=turn_deg) is Refusal.TURNED_AWAY


@pytest.mark.parametrize("side", "rl")
def test_standing_on_one_leg_is_refused(side: str) -> None:
    raised = {f"hip_flexion_{side}": 70.0, f"knee_angle_{side}": 90.0}
    assert held(**raised) in (Refusal.ON_ONE_LEG, Refusal.BENT)


@pytest.mark.parametrize("turn_deg", [-50.0, 50.0])
def test_feet_on_one_floor_are_even_however_close_the_camera(turn_deg: float) -> None:
    """The nearer foot lies lower in the image, here by more than an eighth of the leg."""
    close = replace(PERSON, distance_m=1.9)
    q = close.coordinates(turn_deg, **(STANDING | {"hip_adduction": -14.0}))
    seen = close.see(q)
    legs_px = seen.landmarks_px[[27, 28], 1] - seen.landmarks_px[[23, 24], 1]
    assert abs(np.diff(seen.landmarks_px[[27, 28], 1])[0]) > 0.12 * legs_px.mean()
    assert judge([close.see(q, k) for k in range(FRAMES)]) is None


@pytest.mark.parametrize("hidden", [(27, 28), (31,), (25,), (11, 12)])
def test_what_is_out_of_view_is_asked_for(hidden: tuple[int, ...]) -> None:
    seen = PERSON.see(PERSON.coordinates(**STANDING))
    presence = seen.presence.copy()
    presence[list(hidden)] = 0.2
    assert judge([replace(seen, presence=presence)] * FRAMES) is Refusal.OUT_OF_VIEW


def test_walking_on_the_spot_and_swaying_are_no_standing() -> None:
    def swaying() -> Iterable[BlazePoseResult]:
        for k in range(FRAMES):
            person = replace(PERSON, aside_m=0.1 * np.sin(k))
            yield person.see(person.coordinates(**STANDING))

    assert judge(swaying()) is Refusal.MOVING


def test_a_jump_to_somebody_else_starts_the_half_second_anew() -> None:
    """Two people who both stand still, one after the other: neither alone for long enough."""
    here, there = (replace(PERSON, aside_m=aside_m) for aside_m in (-0.6, 0.6))
    q_here, q_there = here.coordinates(**STANDING), there.coordinates(**STANDING)
    frames = [here.see(q_here, k) for k in range(FRAMES)] + [there.see(q_there, k) for k in range(5)]
    assert judge(frames) is Refusal.MOVING
    assert judge(frames + [there.see(q_there, k) for k in range(FRAMES)]) is None


def test_a_first_glance_is_too_short() -> None:
    q = PERSON.coordinates(**STANDING)
    assert judge([PERSON.see(q, k) for k in range(6)]) is Refusal.MOVING
