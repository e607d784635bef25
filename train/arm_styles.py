"""What the arms do while the rest of the body does something else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from train.motion import FloatArray, between, repetitions, wander
from train.style import SIDES, Style

ArmStyle = Callable[[Style, np.random.Generator], None]


def _arm(
    style: Style,
    side: str,
    flex: FloatArray | float,
    add: FloatArray | float,
    rot: FloatArray | float,
    elbow: FloatArray | float,
    pronation: FloatArray | float = 90.0,
) -> None:
    style.set(f"arm_flex_{side}", flex)
    style.set(f"arm_add_{side}", add)
    style.set(f"arm_rot_{side}", rot)
    style.set(f"elbow_flex_{side}", np.maximum(elbow, 0.0))
    style.set(f"pro_sup_{side}", pronation)


def _restless(style: Style, rng: np.random.Generator, spread_deg: float) -> None:
    """Small movements of all joints of both arms."""
    for side in SIDES:
        for stem, share in (("arm_flex", 1.0), ("arm_add", 0.7), ("arm_rot", 1.2), ("elbow_flex", 1.5)):
            style.add(f"{stem}_{side}", wander(rng, style.t_s, share * spread_deg))
        style.add(f"pro_sup_{side}", rng.normal(0.0, 15.0) + wander(rng, style.t_s, 2.0 * spread_deg))
        style.set(f"wrist_flex_{side}", rng.normal(0.0, 10.0) + wander(rng, style.t_s, 1.5 * spread_deg))
        style.set(f"wrist_dev_{side}", rng.normal(0.0, 5.0) + wander(rng, style.t_s, 0.7 * spread_deg))


def hang(style: Style, rng: np.random.Generator) -> None:
    """Arms at the sides."""
    flex, add, elbow = rng.normal(2.0, 6.0), -8.0 - abs(rng.normal(0.0, 6.0)), 12.0 + abs(rng.normal(0.0, 9.0))
    for side in SIDES:
        _arm(style, side, flex + rng.normal(0, 3), add + rng.normal(0, 2), rng.normal(2, 12), elbow + rng.normal(0, 4))
    _restless(style, rng, 1.5)


def front(style: Style, rng: np.random.Generator) -> None:
    """Arms held out in front, as many do in a squat."""
    flex, elbow, add = rng.uniform(55.0, 98.0), abs(rng.normal(0.0, 22.0)), rng.normal(-3.0, 6.0)
    raised = np.ones_like(style.t_s) if rng.random() < 0.6 else 0.15 + 0.85 * repetitions(rng, style.t_s, (1.5, 3.5))
    for side in SIDES:
        _arm(style, side, flex * raised, add, rng.normal(0, 12), elbow + rng.normal(0, 4), rng.uniform(40, 130))
    _restless(style, rng, 2.0)


def gesture(style: Style, rng: np.random.Generator) -> None:
    """Talking with the hands."""
    for side in SIDES:
        n = int(rng.integers(3, 7))
        points = np.stack(
            [rng.uniform(-15, 65, n), rng.uniform(-40, 5, n), rng.uniform(-30, 45, n), rng.uniform(30, 125, n)], 1
        )
        course = between(rng, style.t_s, points, rng.uniform(0.35, 1.2))
        _arm(style, side, *course.T, pronation=rng.uniform(20, 130))
    _restless(style, rng, 3.0)


def wave(style: Style, rng: np.random.Generator) -> None:
    """One hand greets, the other hangs."""
    hang(style, rng)
    side = SIDES[int(rng.integers(2))]
    swing = 22.0 * np.sin(2 * np.pi * rng.uniform(0.8, 2.2) * style.t_s)
    _arm(style, side, rng.uniform(20, 70), rng.uniform(-75, -25), rng.uniform(-50, 20) + swing, rng.uniform(70, 125), rng.uniform(40, 140))


def phone(style: Style, rng: np.random.Generator) -> None:
    """A telephone before the chest or at the ear."""
    hang(style, rng)
    sides = SIDES if rng.random() < 0.35 else (SIDES[int(rng.integers(2))],)
    at_ear = len(sides) == 1 and rng.random() < 0.4
    for side in sides:
        sign = 1.0 if side == "r" else -1.0
        if at_ear:
            body, place = "head", np.array([0.02, 0.0, sign * 0.115])
        else:
            body, place = "torso", np.array([rng.uniform(0.24, 0.38), rng.uniform(0.10, 0.30), sign * rng.uniform(-0.02, 0.10)])
        _hold(style, rng, side, body, place, 0.012)
        _arm(style, side, 45.0, -15.0, 25.0, 115.0, rng.uniform(30, 90))
    if not at_ear:
        style.add("neck_flexion", -rng.uniform(5.0, 30.0))


def hips(style: Style, rng: np.random.Generator) -> None:
    """Hands on the hips, one or both."""
    hang(style, rng)
    sides = SIDES if rng.random() < 0.75 else (SIDES[int(rng.integers(2))],)
    x, y = rng.uniform(-0.06, 0.05), rng.uniform(0.05, 0.13)
    for side in sides:
        sign = 1.0 if side == "r" else -1.0
        _hold(style, rng, side, "pelvis", np.array([x - 0.02, y, sign * rng.uniform(0.17, 0.20)]), 0.004)
        _arm(style, side, rng.uniform(-25, 0), -45.0, rng.uniform(-10, 45), 95.0, rng.uniform(60, 140))


def crossed(style: Style, rng: np.random.Generator) -> None:
    """Arms crossed before the chest."""
    upper = int(rng.integers(2))
    height = rng.uniform(0.13, 0.24)
    for i, side in enumerate(SIDES):
        sign = 1.0 if side == "r" else -1.0
        # One forearm passes over the other.
        depth = 0.155 if i == upper else 0.115
        place = np.array([depth, height + (0.03 if i == upper else -0.01), -sign * rng.uniform(0.09, 0.15)])
        _arm(style, side, 32.0, 2.0, 55.0, 105.0, rng.uniform(60, 110))
        _hold(style, rng, side, "torso", place, 0.004)
    _wrists(style, rng)


def clasped(style: Style, rng: np.random.Generator) -> None:
    """Hands together before the belly or behind the back."""
    behind = rng.random() < 0.3
    x = -rng.uniform(0.17, 0.20) if behind else rng.uniform(0.15, 0.26)
    y = rng.uniform(-0.06, 0.10) if behind else rng.uniform(-0.10, 0.15)
    for side in SIDES:
        sign = 1.0 if side == "r" else -1.0
        _arm(style, side, -30.0 if behind else 20.0, -15.0, 25.0, 60.0 if behind else 80.0, rng.uniform(50, 110))
        _hold(style, rng, side, "torso" if behind else "pelvis", np.array([x + (0.1 if not behind else 0.0), y + (0.05 if not behind else 0.0), sign * 0.035]), 0.006)
    _wrists(style, rng)


def typing(style: Style, rng: np.random.Generator) -> None:
    """Hands over a keyboard, sometimes one at the mouse."""
    reach, height = rng.uniform(0.26, 0.42), rng.uniform(-0.08, 0.08)
    mouse = rng.random() < 0.3
    for side in SIDES:
        sign = 1.0 if side == "r" else -1.0
        out = rng.uniform(0.06, 0.14) + (0.12 if mouse and side == "r" else 0.0)
        _arm(style, side, 35.0, -12.0, 20.0, 90.0, rng.uniform(110, 150))
        _hold(style, rng, side, "torso", np.array([reach, height, sign * out]), 0.015)
    _wrists(style, rng)


def face(style: Style, rng: np.random.Generator) -> None:
    """A hand at chin, cheek or hair; the other hangs or rests."""
    hang(style, rng)
    side = SIDES[int(rng.integers(2))]
    sign = 1.0 if side == "r" else -1.0
    place = np.array([rng.uniform(0.03, 0.11), rng.uniform(-0.10, 0.12), sign * rng.uniform(0.02, 0.10)])
    _arm(style, side, 60.0, -20.0, 30.0, 130.0, rng.uniform(20, 100))
    _hold(style, rng, side, "head", place, 0.008)


def up(style: Style, rng: np.random.Generator) -> None:
    """Both arms raised high."""
    flex, add, elbow = rng.uniform(120, 172), -rng.uniform(0, 35), abs(rng.normal(0, 25))
    for side in SIDES:
        _arm(style, side, flex + rng.normal(0, 5), add, rng.normal(0, 15), elbow, rng.uniform(20, 140))
    _restless(style, rng, 3.0)


def anywhere(style: Style, rng: np.random.Generator) -> None:
    """Each arm visits random places."""
    for side in SIDES:
        n = int(rng.integers(2, 6))
        points = np.stack(
            [rng.uniform(-40, 150, n), rng.uniform(-110, 10, n), rng.uniform(-55, 55, n), rng.uniform(0, 130, n)], 1
        )
        _arm(style, side, *between(rng, style.t_s, points, rng.uniform(0.5, 1.6)).T, pronation=rng.uniform(10, 140))
    _restless(style, rng, 2.0)


def _hold(style: Style, rng: np.random.Generator, side: str, body: str, place: FloatArray, sway_m: float) -> None:
    course = np.stack([x + wander(rng, style.t_s, sway_m, 2.0) for x in place], axis=1)
    style.hand_targets[side] = (body, course)


def _wrists(style: Style, rng: np.random.Generator) -> None:
    for side in SIDES:
        style.set(f"wrist_flex_{side}", rng.normal(0.0, 12.0))
        style.set(f"wrist_dev_{side}", rng.normal(0.0, 6.0))


ARM_STYLES: dict[str, ArmStyle] = {
    "hang": hang, "front": front, "gesture": gesture, "wave": wave, "phone": phone, "hips": hips, "crossed": crossed,
    "clasped": clasped, "typing": typing, "face": face, "up": up, "anywhere": anywhere,
}  # fmt: skip


def choose_arms(style: Style, rng: np.random.Generator, shares: dict[str, float]) -> None:
    """Apply one arm style, drawn with the given shares."""
    names = list(shares)
    p = np.array([shares[name] for name in names])
    ARM_STYLES[names[int(rng.choice(len(names), p=p / p.sum()))]](style, rng)
