"""What all activities start from: how a person holds trunk, head and feet."""

from __future__ import annotations

import numpy as np

from train.motion.motion import between, wander
from train.motion.style import SIDES, Style


def posture(style: Style, rng: np.random.Generator) -> None:
    """How this person holds the trunk, neck and feet, with a little sway."""
    t = style.t_s
    tilt, trunk = rng.normal(-2.5, 6.5), rng.normal(-4.5, 6.0)
    style.add("pelvis_tilt", tilt + wander(rng, t, 0.8))
    style.add("lumbar_extension", trunk - tilt + wander(rng, t, 1.0))
    style.add("pelvis_list", rng.normal(0.0, 1.5) + wander(rng, t, 0.6))
    style.add("lumbar_bending", rng.normal(0.0, 2.0) + wander(rng, t, 1.0))
    style.add("lumbar_rotation", rng.normal(0.0, 3.0) + wander(rng, t, 2.0))
    style.add("pelvis_rotation", rng.normal(0.0, 2.0) + wander(rng, t, 1.0))


def look_about(style: Style, rng: np.random.Generator) -> None:
    """Look about; the neck undoes part of the trunk's lean."""
    t = style.t_s
    lean = style.get("pelvis_tilt") + style.get("lumbar_extension")
    upright = rng.uniform(0.0, 0.8)
    style.add("neck_flexion", -upright * lean + rng.normal(0.0, 8.0) + wander(rng, t, 3.0))
    style.add("neck_bending", rng.normal(0.0, 3.0) + wander(rng, t, 2.0))
    looks = rng.normal(0.0, 22.0, (5, 1))
    style.add("neck_rotation", between(rng, t, looks, 0.7)[:, 0] + wander(rng, t, 2.0))


def stance(style: Style, rng: np.random.Generator, width_deg: float, toe_out_deg: float) -> None:
    """Spread and turn the legs; the thighs follow the pelvis's list."""
    for side in SIDES:
        sign = 1.0 if side == "r" else -1.0
        style.add(f"hip_adduction_{side}", -width_deg + rng.normal(0, 1.5) + sign * style.get("pelvis_list"))
        style.add(f"hip_rotation_{side}", -toe_out_deg + rng.normal(0, 4.0))
