"""What the arms do while the rest of the body does something else."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from train.motion.motion import FloatArray, between, repetitions, wander
from train.motion.style import SIDES, Style

ArmStyle = Callable[[Style, np.random.Generator], None]

# Ranges of flexion, adduction, rotation and elbow, in degrees, for arms that wander.
_GESTURES = ((-15.0, 65.0), (-40.0, 5.0), (-30.0, 45.0), (30.0, 125.0))
_ANYWHERE = ((-40.0, 150.0), (-90.0, 10.0), (-55.0, 55.0), (0.0, 130.0))


def _arm(
    style: Style, side: str, angles_deg: Iterable[FloatArray | float], pronation_deg: FloatArray | float
) -> None:
    """Give one arm its flexion, adduction, rotation and elbow, and its forearm."""
    for stem, angle in zip(("arm_flex", "arm_add", "arm_rot", "elbow_flex"), angles_deg, strict=True):
        style.set(f"{stem}_{side}", angle)
    style.set(f"pro_sup_{side}", pronation_deg)


def _restless(style: Style, rng: np.random.Generator, spread_deg: float) -> None:
    """Small movements of all joints of both arms."""
    for side in SIDES:
        for stem, share in (("arm_flex", 1.0), ("arm_add", 0.7), ("arm_rot", 1.2), ("elbow_flex", 1.5)):
            style.add(f"{stem}_{side}", wander(rng, style.t_s, share * spread_deg))
        style.add(f"pro_sup_{side}", rng.normal(0.0, 15.0) + wander(rng, style.t_s, 2.0 * spread_deg))
    _wrists(style, rng, 1.5 * spread_deg)


def _wrists(style: Style, rng: np.random.Generator, spread_deg: float = 1.0) -> None:
    for side in SIDES:
        style.set(f"wrist_flex_{side}", rng.normal(0.0, 11.0) + wander(rng, style.t_s, spread_deg))
        style.set(f"wrist_dev_{side}", rng.normal(0.0, 5.0) + wander(rng, style.t_s, 0.5 * spread_deg))


def _hold(
    style: Style, rng: np.random.Generator, side: str, body: str, place_m: FloatArray, sway_m: float
) -> None:
    """Keep a palm near a place on a body; `place_m` is the right hand's, mirrored for the left."""
    mirrored = place_m * np.array([1.0, 1.0, _sign(side)])
    course = np.stack([x + wander(rng, style.t_s, sway_m, 2.0) for x in mirrored], axis=1)
    style.hand_targets[side] = (body, course)


def _sign(side: str) -> float:
    return 1.0 if side == "r" else -1.0


def _one_or_both(rng: np.random.Generator, both: float) -> tuple[str, ...]:
    return SIDES if rng.random() < both else (SIDES[int(rng.integers(2))],)


def hang(style: Style, rng: np.random.Generator) -> None:
    """Arms at the sides."""
    flex, add, elbow = rng.normal(2, 6), -8 - abs(rng.normal(0, 6)), 12 + abs(rng.normal(0, 9))
    for side in SIDES:
        angles = flex + rng.normal(0, 3), add + rng.normal(0, 2), rng.normal(2, 12), elbow + rng.normal(0, 4)
        _arm(style, side, angles, 90.0)
    _restless(style, rng, 1.5)


def front(style: Style, rng: np.random.Generator) -> None:
    """Arms held out in front, as many do in a squat."""
    flex, elbow, add = rng.uniform(55, 98), abs(rng.normal(0, 22)), rng.normal(-3, 6)
    raised = np.ones_like(style.t_s)
    if rng.random() < 0.4:
        raised = 0.15 + 0.85 * repetitions(rng, style.t_s, (1.5, 3.5))
    for side in SIDES:
        angles = flex * raised, add, rng.normal(0, 12), elbow + abs(rng.normal(0, 4))
        _arm(style, side, angles, rng.uniform(40, 130))
    _restless(style, rng, 2.0)


def gesture(style: Style, rng: np.random.Generator) -> None:
    """Talking with the hands."""
    _visit(style, rng, _GESTURES, int(rng.integers(3, 7)), rng.uniform(0.35, 1.2))
    _restless(style, rng, 3.0)


def anywhere(style: Style, rng: np.random.Generator) -> None:
    """Each arm visits random places."""
    _visit(style, rng, _ANYWHERE, int(rng.integers(2, 6)), rng.uniform(0.5, 1.6))
    _restless(style, rng, 2.0)


def _visit(
    style: Style, rng: np.random.Generator, ranges: tuple[tuple[float, float], ...], n: int, move_s: float
) -> None:
    for side in SIDES:
        points = np.stack([rng.uniform(low, high, n) for low, high in ranges], axis=1)
        _arm(style, side, between(rng, style.t_s, points, move_s).T, rng.uniform(15, 135))


def wave(style: Style, rng: np.random.Generator) -> None:
    """One hand greets, the other hangs."""
    hang(style, rng)
    side = SIDES[int(rng.integers(2))]
    swing = 22.0 * np.sin(2.0 * np.pi * rng.uniform(0.8, 2.2) * style.t_s)
    angles = rng.uniform(20, 70), rng.uniform(-75, -25), rng.uniform(-50, 20) + swing, rng.uniform(70, 125)
    _arm(style, side, angles, rng.uniform(40, 140))


def phone(style: Style, rng: np.random.Generator) -> None:
    """A telephone before the chest or at the ear."""
    hang(style, rng)
    sides = _one_or_both(rng, 0.35)
    at_ear = len(sides) == 1 and rng.random() < 0.4
    for side in sides:
        _arm(style, side, (45.0, -15.0, 25.0, 115.0), rng.uniform(30, 90))
        if at_ear:
            _hold(style, rng, side, "head", np.array([0.03, -0.01, 0.125]), 0.004)
        else:
            place = np.array([rng.uniform(0.24, 0.38), rng.uniform(0.05, 0.25), rng.uniform(0.02, 0.10)])
            _hold(style, rng, side, "torso", place, 0.012)
    if not at_ear:
        style.add("neck_flexion", -rng.uniform(5.0, 30.0))


def hips(style: Style, rng: np.random.Generator) -> None:
    """Hands on the hips, one or both."""
    hang(style, rng)
    x, y = rng.uniform(-0.08, 0.03), rng.uniform(0.05, 0.13)
    for side in _one_or_both(rng, 0.75):
        _arm(style, side, (rng.uniform(-25, 0), -45.0, rng.uniform(-10, 45), 95.0), rng.uniform(60, 140))
        _hold(style, rng, side, "pelvis", np.array([x, y, rng.uniform(0.17, 0.20)]), 0.004)


def crossed(style: Style, rng: np.random.Generator) -> None:
    """Arms crossed before the chest, one forearm over the other."""
    upper, height = int(rng.integers(2)), rng.uniform(0.10, 0.21)
    for i, side in enumerate(SIDES):
        depth, lift = (0.165, 0.03) if i == upper else (0.120, -0.01)
        _arm(style, side, (32.0, 2.0, 55.0, 105.0), rng.uniform(60, 110))
        _hold(style, rng, side, "torso", np.array([depth, height + lift, -rng.uniform(0.09, 0.15)]), 0.004)
    _wrists(style, rng)


def clasped(style: Style, rng: np.random.Generator) -> None:
    """Hands together before the belly or behind the back."""
    if rng.random() < 0.3:
        body, angles = "torso", (-30.0, -15.0, 25.0, 60.0)
        place = np.array([-rng.uniform(0.16, 0.20), rng.uniform(-0.05, 0.12), 0.03])
    else:
        body, angles = "pelvis", (20.0, -15.0, 25.0, 80.0)
        place = np.array([rng.uniform(0.14, 0.26), rng.uniform(-0.05, 0.22), 0.03])
    for side in SIDES:
        _arm(style, side, angles, rng.uniform(50, 110))
        _hold(style, rng, side, body, place, 0.006)
    _wrists(style, rng)


def typing(style: Style, rng: np.random.Generator) -> None:
    """Hands over a keyboard, sometimes one at the mouse."""
    reach, height = rng.uniform(0.26, 0.42), rng.uniform(-0.08, 0.08)
    mouse = 0.12 if rng.random() < 0.3 else 0.0
    for side in SIDES:
        out = rng.uniform(0.06, 0.14) + (mouse if side == "r" else 0.0)
        _arm(style, side, (4.0 + 170.0 * (reach - 0.26), -10.0, 20.0, 88.0), rng.uniform(110, 150))
        _hold(style, rng, side, "torso", np.array([reach, height, out]), 0.015)
    _wrists(style, rng)


def face(style: Style, rng: np.random.Generator) -> None:
    """A hand at chin, cheek or hair; the other hangs."""
    hang(style, rng)
    side = SIDES[int(rng.integers(2))]
    place = np.array([rng.uniform(0.06, 0.13), rng.uniform(-0.12, 0.10), rng.uniform(0.04, 0.11)])
    _arm(style, side, (60.0, -20.0, 30.0, 130.0), rng.uniform(20, 100))
    _hold(style, rng, side, "head", place, 0.006)


def up(style: Style, rng: np.random.Generator) -> None:
    """Both arms raised high."""
    flex, add, elbow = rng.uniform(120, 172), -rng.uniform(0, 35), abs(rng.normal(0, 25))
    for side in SIDES:
        _arm(style, side, (flex + rng.normal(0, 5), add, rng.normal(0, 15), elbow), rng.uniform(20, 140))
    _restless(style, rng, 3.0)


def spread(style: Style, rng: np.random.Generator) -> None:
    """Arms out to the sides, up and down, as for balance."""
    ranges = ((-25.0, 35.0), (-110.0, -35.0), (-30.0, 30.0), (0.0, 50.0))
    _visit(style, rng, ranges, int(rng.integers(2, 6)), rng.uniform(0.4, 1.6))
    _restless(style, rng, 2.0)


ARM_STYLES: dict[str, ArmStyle] = {
    "hang": hang, "front": front, "gesture": gesture, "wave": wave, "phone": phone, "hips": hips,
    "crossed": crossed, "clasped": clasped, "typing": typing, "face": face, "up": up, "spread": spread,
    "anywhere": anywhere,
}  # fmt: skip

IDLE_ARMS: dict[str, float] = {
    "hang": 5.0, "gesture": 2.0, "hips": 1.2, "crossed": 1.2, "clasped": 1.2, "phone": 1.2,
    "wave": 0.7, "face": 0.7, "front": 0.7, "anywhere": 0.8,
}  # fmt: skip
"""Shares of what idle people do with their arms."""


def choose_arms(style: Style, rng: np.random.Generator, shares: dict[str, float]) -> None:
    """Apply one arm style, drawn with the given shares."""
    names = list(shares)
    p = np.array([shares[name] for name in names])
    ARM_STYLES[names[int(rng.choice(len(names), p=p / p.sum()))]](style, rng)
