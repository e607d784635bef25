"""Procedural activities: each fills a style with coherent angles over time.

Signs are OpenSim's: pelvis_tilt and lumbar_extension are negative when leaning forward; a thigh raised
forward, a bent knee and a raised forefoot are positive.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from train.motion.arms import IDLE_ARMS, choose_arms
from train.motion.free import balance, free
from train.motion.gait import jog, march, turn, walk
from train.motion.motion import FloatArray, between, ease, repetitions, wander
from train.motion.style import SIDES, Style, look_about, posture, stance

Activity = Callable[[Style, np.random.Generator], None]

MAY_START_STILL = frozenset({"squat", "reach", "bend", "raise_arms", "sit_to_stand"})
START_STILL_ODDS = 0.4
"""Of the motions of `MAY_START_STILL`."""
ARM_STEMS = ("arm_", "elbow_", "pro_sup", "wrist_")

_STILL_ARMS = {"hang": 8.0, "hips": 0.7, "crossed": 0.7, "clasped": 1.0, "front": 0.6}
_EXERCISE_ARMS = {
    "hang": 2.0,
    "front": 4.0,
    "hips": 1.0,
    "crossed": 1.0,
    "clasped": 1.5,
    "up": 0.5,
    "anywhere": 0.4,
}


def stand(style: Style, rng: np.random.Generator) -> None:
    """Stand about, shifting weight."""
    posture(style, rng)
    shift = between(rng, style.t_s, rng.normal(0.0, 4.0, (4, 1)), 1.2)[:, 0] * (rng.random() < 0.6)
    style.add("pelvis_list", shift)
    style.add("lumbar_bending", -0.8 * shift)
    for side in SIDES:
        sign = 1.0 if side == "r" else -1.0
        knee = abs(rng.normal(0.0, 5.0)) + np.maximum(sign * shift, 0.0) * 2.5 + wander(rng, style.t_s, 0.6)
        style.leg(side, 0.5 * knee + rng.normal(0.0, 2.0), knee)
    stance(style, rng, rng.uniform(-1.0, 7.0), rng.uniform(-2.0, 14.0))
    look_about(style, rng)
    choose_arms(style, rng, IDLE_ARMS)


def still(style: Style, rng: np.random.Generator) -> None:
    """Stand upright and still, knees straight."""
    posture(style, rng)
    for side in SIDES:
        knee = abs(rng.normal(0.0, 2.0)) + wander(rng, style.t_s, 0.3)
        style.leg(side, 0.5 * knee + rng.normal(0.0, 1.0), knee)
    stance(style, rng, rng.uniform(0.0, 6.0), rng.uniform(-2.0, 14.0))
    look_about(style, rng)
    choose_arms(style, rng, _STILL_ARMS)


def start_still(style: Style, rng: np.random.Generator) -> None:
    """Let a motion begin with standing still, as recordings and exercises do; arms with targets keep them."""
    before = Style(style.t_s)
    still(before, rng)
    begins_s = rng.uniform(0.1, 0.5) * style.t_s[-1]
    begun = ease((style.t_s - begins_s) / rng.uniform(0.5, 1.2))
    for name in sorted(style.angles_deg | before.angles_deg):
        if not (style.hand_targets and name.startswith(ARM_STEMS)):
            style.set(name, (1.0 - begun) * before.get(name) + begun * style.get(name))


def reach(style: Style, rng: np.random.Generator) -> None:
    """Stand and reach about, trunk following."""
    stand(style, rng)
    style.hand_targets.clear()
    going = repetitions(rng, style.t_s, (1.2, 3.5))
    side = SIDES[int(rng.integers(2))]
    sign = 1.0 if side == "r" else -1.0
    lean = rng.uniform(0.0, 35.0) * going
    share = rng.uniform(0.3, 0.8)
    style.add("pelvis_tilt", -lean * share)
    style.add("lumbar_extension", -lean * (1.0 - share))
    for leg in SIDES:
        style.add(f"hip_flexion_{leg}", lean * share)
    style.add("lumbar_rotation", sign * rng.uniform(-15.0, 30.0) * going)
    style.add("lumbar_bending", sign * rng.uniform(-8.0, 18.0) * going)
    for stem, low, high in (
        ("arm_flex", -10, 150),
        ("arm_add", -90, 10),
        ("arm_rot", -30, 30),
        ("elbow_flex", -20, 60),
    ):
        style.set(
            f"{stem}_{side}", style.get(f"{stem}_{side}") * (1 - going) + rng.uniform(low, high) * going
        )


def bend(style: Style, rng: np.random.Generator) -> None:
    """Bend down towards the floor and up again."""
    t = style.t_s
    depth = repetitions(rng, t, (1.6, 4.5))
    posture(style, rng)
    trunk = rng.uniform(25.0, 95.0) * depth
    share = rng.uniform(0.35, 0.75)
    style.add("pelvis_tilt", -share * trunk)
    style.add("lumbar_extension", -(1.0 - share) * trunk)
    style.add("lumbar_rotation", rng.normal(0.0, 12.0) * depth)
    style.add("lumbar_bending", rng.normal(0.0, 6.0) * depth)
    for side in SIDES:
        knee = abs(rng.normal(0.0, 5.0)) + rng.uniform(0.0, 35.0) * depth
        # The hips go back over the heels.
        style.leg(side, 0.45 * knee - 0.10 * trunk * share, knee)
    stance(style, rng, rng.uniform(0.0, 9.0), rng.uniform(0.0, 14.0))
    look_about(style, rng)
    choose_arms(style, rng, {"hang": 3.0, "front": 1.0, "hips": 0.5})
    if not style.hand_targets:
        # Hanging arms stay near the vertical, which the torso leaves.
        for side in SIDES:
            style.add(f"arm_flex_{side}", rng.uniform(0.5, 1.1) * trunk)


def squat(style: Style, rng: np.random.Generator) -> None:
    """Squat again and again, shallow or deep."""
    _deep_knee_bend(style, rng, repetitions(rng, style.t_s, (1.2, 4.0)))
    choose_arms(style, rng, _EXERCISE_ARMS)


def _deep_knee_bend(style: Style, rng: np.random.Generator, depth: FloatArray) -> None:
    posture(style, rng)
    knee_deg = rng.uniform(50.0, 125.0)
    shank_deg = min(rng.uniform(0.18, 0.36) * knee_deg, 38.0)
    thigh = (knee_deg - shank_deg) * depth
    # Trunk and shank stay roughly parallel, which keeps the body's mass over the feet; arms held out in front
    # or weak thighs make it lean much further.
    trunk = max(5.0, shank_deg + rng.normal(8.0, 13.0)) * depth
    # The pelvis tips forward with the trunk, then tucks under in the depth.
    share = rng.uniform(0.4, 1.1)
    tuck = rng.uniform(0.0, 14.0) * np.clip(thigh - 60.0, 0.0, None) / 40.0
    style.add("pelvis_tilt", -share * trunk + tuck)
    style.add("lumbar_extension", -(1.0 - share) * trunk - tuck)
    style.add("pelvis_list", rng.normal(0.0, 1.5) * depth)
    style.add("lumbar_bending", rng.normal(0.0, 3.0) * depth)
    start = rng.uniform(0.0, 8.0)
    for side in SIDES:
        uneven = rng.normal(0.0, 2.0)
        style.leg(side, thigh + 0.5 * start + uneven, (knee_deg * depth) + start + uneven)
    stance(style, rng, rng.uniform(2.0, 16.0), rng.uniform(0.0, 18.0))
    for side in SIDES:
        # Deep thighs spread.
        style.add(f"hip_adduction_{side}", -rng.uniform(0.0, 10.0) * depth)
    look_about(style, rng)


def sit_to_stand(style: Style, rng: np.random.Generator) -> None:
    """Sit down and rise: lean, lift, straighten."""
    t = style.t_s
    seated = repetitions(rng, t, (2.0, 4.0))
    posture(style, rng)
    seat_deg, shank_deg = rng.uniform(80.0, 98.0), rng.uniform(-6.0, 16.0)
    # The trunk leans most while the seat is being left or met.
    passing = np.clip(4.0 * seated * (1.0 - seated), 0.0, 1.0)
    trunk = rng.uniform(22.0, 48.0) * passing + rng.uniform(-12.0, 12.0) * seated
    share = rng.uniform(0.5, 0.9)
    slump = rng.uniform(0.0, 22.0) * seated
    style.add("pelvis_tilt", -share * trunk + slump)
    style.add("lumbar_extension", -(1.0 - share) * trunk - slump)
    for side in SIDES:
        shank = shank_deg * seated + 10.0 * passing
        thigh = seat_deg * ease(seated)
        style.leg(side, thigh + rng.normal(0, 1.5), thigh + shank + abs(rng.normal(0, 3)))
    stance(style, rng, rng.uniform(0.0, 9.0), rng.uniform(-3.0, 12.0))
    look_about(style, rng)
    choose_arms(style, rng, {"hang": 2.0, "front": 2.0, "crossed": 2.0, "clasped": 1.0, "anywhere": 0.3})


def seated(style: Style, rng: np.random.Generator) -> None:
    """Sit, at a desk or not, shifting now and then."""
    t = style.t_s
    tilt = between(rng, t, rng.uniform(-12.0, 28.0, (3, 1)), 1.5)[:, 0]
    trunk = between(rng, t, rng.normal(4.0, 9.0, (3, 1)), 1.5)[:, 0]
    style.set("pelvis_tilt", tilt)
    style.set("lumbar_extension", -trunk - tilt)
    style.set("lumbar_bending", rng.normal(0.0, 4.0) + wander(rng, t, 2.0, 5.0))
    style.set("lumbar_rotation", between(rng, t, rng.normal(0.0, 10.0, (3, 1)), 1.2)[:, 0])
    style.set("pelvis_list", rng.normal(0.0, 2.0))
    style.set("pelvis_rotation", rng.normal(0.0, 4.0))
    stretched = rng.uniform(-25.0, 25.0)
    for side in SIDES:
        thigh = rng.uniform(80.0, 97.0)
        style.leg(side, thigh, thigh + stretched * -1.0 + rng.normal(0.0, 8.0))
    stance(style, rng, rng.uniform(-2.0, 20.0), rng.uniform(-12.0, 12.0))
    look_about(style, rng)
    choose_arms(
        style,
        rng,
        {
            "typing": 4.0,
            "gesture": 3.0,
            "phone": 1.5,
            "crossed": 1.0,
            "clasped": 1.5,
            "face": 1.5,
            "hang": 0.7,
            "wave": 0.7,
            "anywhere": 0.5,
        },
    )


def lunge(style: Style, rng: np.random.Generator) -> None:
    """One foot forward, one back, down and up."""
    depth = repetitions(rng, style.t_s, (1.2, 3.5))
    posture(style, rng)
    lead = int(rng.integers(2))
    stride, bend_deg = rng.uniform(18.0, 32.0), rng.uniform(35.0, 80.0)
    trunk = rng.uniform(-5.0, 25.0) * depth
    style.add("pelvis_tilt", -0.7 * trunk)
    style.add("lumbar_extension", -0.3 * trunk)
    front_side, back_side = SIDES[lead], SIDES[1 - lead]
    shank = rng.uniform(-8.0, 18.0) * depth
    style.leg(
        front_side,
        stride + (bend_deg - stride * 0.4) * depth,
        np.maximum(stride * 0.6 + shank + bend_deg * depth, 0),
    )
    style.leg(back_side, -stride * (1 - 0.3 * depth), 8.0 + rng.uniform(45.0, 85.0) * depth)
    # The rear heel rises over bent toes.
    heel = np.clip(stride + 0.7 * bend_deg * depth, 0.0, 55.0)
    style.add(f"ankle_angle_{back_side}", -0.45 * heel)
    style.set(f"mtp_angle_{back_side}", np.clip(0.8 * heel, 0.0, 40.0))
    style.stays_planted = False
    stance(style, rng, rng.uniform(0.0, 6.0), rng.uniform(-2.0, 8.0))
    look_about(style, rng)
    choose_arms(style, rng, _EXERCISE_ARMS)


def raise_arms(style: Style, rng: np.random.Generator) -> None:
    """Raise the arms forward, sideways or in between, one or both."""
    stand(style, rng)
    style.hand_targets.clear()
    plane = rng.uniform(0.0, 1.0)
    sides = SIDES if rng.random() < 0.7 else (SIDES[int(rng.integers(2))],)
    height, elbow = rng.uniform(60.0, 175.0), abs(rng.normal(0.0, 15.0))
    course = repetitions(rng, style.t_s, (1.2, 4.0))
    for side in sides:
        raised = (
            height * course
            if len(sides) == 2 or plane > 0.5
            else height * repetitions(rng, style.t_s, (1.2, 4.0))
        )
        style.set(f"arm_flex_{side}", np.sqrt(1 - plane**2) * raised + rng.normal(0, 3))
        style.set(f"arm_add_{side}", -8.0 - plane * raised + rng.normal(0, 3))
        style.set(f"arm_rot_{side}", rng.normal(0.0, 12.0) - 0.2 * plane * raised)
        style.set(f"elbow_flex_{side}", 6.0 + elbow)
    if height > 120.0:
        style.add("lumbar_extension", rng.uniform(0.0, 8.0) * course)


def jumping_jack(style: Style, rng: np.random.Generator) -> None:
    """Jump between feet together, arms down, and feet apart, arms up."""
    t, hz = style.t_s, rng.uniform(0.5, 1.1)
    apart = 0.5 - 0.5 * np.cos(2 * np.pi * hz * t)
    flight = np.abs(np.sin(2 * np.pi * hz * t))
    posture(style, rng)
    style.stays_planted = False
    style.hop_m = 0.09 * np.clip(flight - 0.35, 0.0, None) * rng.uniform(0.2, 1.4)
    knee = 8.0 + 22.0 * (1.0 - flight)
    for side in SIDES:
        style.leg(side, 0.5 * knee, knee)
        style.add(f"ankle_angle_{side}", -28.0 * flight)
        style.set(f"hip_adduction_{side}", -2.0 - rng.uniform(16.0, 26.0) * apart)
        style.set(f"hip_rotation_{side}", rng.normal(-8.0, 4.0))
        style.set(f"arm_flex_{side}", rng.uniform(-5.0, 20.0))
        style.set(f"arm_add_{side}", -10.0 - rng.uniform(115.0, 155.0) * apart)
        style.set(f"arm_rot_{side}", rng.normal(-20.0, 10.0) * apart)
        style.set(f"elbow_flex_{side}", 12.0 + rng.uniform(0.0, 25.0) * (1 - apart))
        style.set(f"pro_sup_{side}", rng.uniform(50.0, 120.0))
    look_about(style, rng)


def leg_raise(style: Style, rng: np.random.Generator) -> None:
    """Balance on one leg and move the other: kicks, knee raises, leg swings."""
    t = style.t_s
    posture(style, rng)
    style.stays_planted = False
    side = SIDES[int(rng.integers(2))]
    other = SIDES[0] if side == "l" else SIDES[1]
    sign = 1.0 if other == "r" else -1.0
    up_ = 0.12 + repetitions(rng, t, (1.0, 3.5))
    style.add("pelvis_list", -sign * rng.uniform(0.0, 7.0) * up_)
    style.add("lumbar_bending", sign * rng.uniform(0.0, 8.0) * up_)
    style.leg(other, rng.uniform(0, 5), rng.uniform(1, 14))
    thigh, knee = rng.uniform(-22.0, 90.0), rng.uniform(15.0, 105.0)
    style.leg(side, thigh * up_, np.clip(knee * up_ + np.maximum(25.0 * up_ - thigh * up_, 0.0), 0, 130))
    style.add(f"ankle_angle_{side}", -style.get(f"ankle_angle_{side}") + rng.uniform(-25.0, 10.0) * up_)
    style.set(f"hip_adduction_{side}", -rng.uniform(-5.0, 35.0) * up_ - 2.0)
    style.set(f"hip_adduction_{other}", sign * style.get("pelvis_list") + 2.0)
    for s in SIDES:
        style.set(f"hip_rotation_{s}", rng.normal(-6.0, 6.0))
    look_about(style, rng)
    choose_arms(style, rng, {"hang": 3.0, "hips": 2.0, "anywhere": 1.5, "front": 1.0})


ACTIVITIES: dict[str, Activity] = {
    "still": still, "stand": stand, "walk": walk, "squat": squat, "sit_to_stand": sit_to_stand,
    "seated": seated, "reach": reach, "bend": bend, "lunge": lunge, "raise_arms": raise_arms,
    "jumping_jack": jumping_jack, "march": march, "turn": turn, "leg_raise": leg_raise, "jog": jog,
    "balance": balance, "free": free,
}  # fmt: skip

SHARES: dict[str, float] = {
    "still": 0.10, "stand": 0.10, "walk": 0.15, "squat": 0.13, "sit_to_stand": 0.06,
    "seated": 0.07, "reach": 0.05, "bend": 0.05, "lunge": 0.04, "raise_arms": 0.05,
    "jumping_jack": 0.02, "march": 0.03, "turn": 0.03, "leg_raise": 0.02, "jog": 0.02,
    "balance": 0.03, "free": 0.05,
}  # fmt: skip
