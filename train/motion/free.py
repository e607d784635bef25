"""Movement without a purpose: what exercises, sports and balancing have that everyday activities lack.

Everyday activities tie the joints to each other: who leans forward sits, squats or reaches. A network that
saw only those expects the ties everywhere, and overlooks a trunk that plainly leans. Here the
joints are free.
"""

from __future__ import annotations

import numpy as np

from train.motion.arms import choose_arms
from train.motion.motion import FloatArray, between
from train.motion.style import SIDES, Style, look_about, posture

_BALANCING_ARMS = {"spread": 4.0, "anywhere": 2.0, "hips": 1.0, "front": 1.0, "hang": 0.5}


def balance(style: Style, rng: np.random.Generator) -> None:
    """Stand on one leg or on a line, arms out, the trunk leaning to wherever keeps the balance."""
    posture(style, rng)
    style.stays_planted = False
    move_s = rng.uniform(0.4, 1.6)
    _lean(style, rng, move_s, forward=(-12.0, 35.0), sideways=20.0, turn=18.0)
    bearing = SIDES[int(rng.integers(2))]
    for side in SIDES:
        bends = side == bearing
        thigh = _visits(style, rng, (-5.0, 25.0) if bends else (-30.0, 60.0), move_s)
        knee = _visits(style, rng, (0.0, 45.0) if bends else (0.0, 90.0), move_s)
        style.leg(side, thigh, np.maximum(knee, thigh), foot_deg=0.0 if bends else rng.uniform(-25.0, 10.0))
        style.set(f"hip_adduction_{side}", _visits(style, rng, (-18.0, 12.0), move_s))
        style.set(f"hip_rotation_{side}", rng.normal(-6.0, 9.0))
    look_about(style, rng)
    choose_arms(style, rng, _BALANCING_ARMS)


def free(style: Style, rng: np.random.Generator) -> None:
    """Every joint visits places of its range, whatever the others do."""
    posture(style, rng)
    style.stays_planted = False
    move_s = rng.uniform(0.4, 1.8)
    _lean(style, rng, move_s, forward=(-20.0, 55.0), sideways=28.0, turn=35.0)
    for side in SIDES:
        thigh = _visits(style, rng, (-30.0, 85.0), move_s)
        knee = _visits(style, rng, (0.0, 115.0), move_s)
        style.leg(side, thigh, knee)
        style.add(
            f"ankle_angle_{side}", -style.get(f"ankle_angle_{side}") + _visits(style, rng, (-35, 22), move_s)
        )
        style.set(f"hip_adduction_{side}", _visits(style, rng, (-35.0, 15.0), move_s))
        style.set(f"hip_rotation_{side}", _visits(style, rng, (-35.0, 25.0), move_s))
        style.set(f"subtalar_angle_{side}", rng.normal(0.0, 5.0))
    look_about(style, rng)
    choose_arms(style, rng, {"anywhere": 5.0, "spread": 1.0, "hang": 0.5})


def _lean(
    style: Style,
    rng: np.random.Generator,
    move_s: float,
    *,
    forward: tuple[float, float],
    sideways: float,
    turn: float,
) -> None:
    """Lean and turn the trunk, pelvis and lumbar joint sharing it in ever other parts."""
    trunk = _visits(style, rng, forward, move_s)
    share = rng.uniform(-0.2, 1.1)
    style.add("pelvis_tilt", -share * trunk)
    style.add("lumbar_extension", -(1.0 - share) * trunk)
    style.add("pelvis_list", _visits(style, rng, (-0.5 * sideways, 0.5 * sideways), move_s))
    style.add("lumbar_bending", _visits(style, rng, (-sideways, sideways), move_s))
    style.add("lumbar_rotation", _visits(style, rng, (-turn, turn), move_s))


def _visits(style: Style, rng: np.random.Generator, limits: tuple[float, float], move_s: float) -> FloatArray:
    """A coordinate that moves between places of its own. Shape: (n_frames,)."""
    return between(rng, style.t_s, rng.uniform(*limits, (int(rng.integers(2, 6)), 1)), move_s)[:, 0]
