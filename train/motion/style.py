"""Angles of a procedural motion before the feet meet the floor, and the posture that all activities share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from calib.skeleton import Skeleton
from train.motion.motion import FloatArray, between, wander

SIDES = ("r", "l")

RESTING_DEG = {
    "pelvis_tilt": 3.85, "hip_flexion_r": -3.85, "hip_flexion_l": -3.85, "lumbar_extension": -5.86,
    "neck_flexion": 2.01, "arm_flex_r": 2.07, "arm_flex_l": 2.07,
}  # fmt: skip
"""What activities call 0, in the coordinates of laboratories' models; left out means 0.

At a style's 0 the line through the spines of the pelvis drops by 4.7 degrees in front, at that of models
registered in a standing pose by 8.7 (`train.bodies.fit_targets`). Thighs, head and arms point where the style
has them.
"""


@dataclass(slots=True, eq=False)
class Style:
    """What a motion asks for. Builders fill it; `train.motion.floor` makes it stand."""

    t_s: FloatArray
    angles_deg: dict[str, FloatArray] = field(default_factory=dict)
    """Angles by coordinate, counted from `RESTING_DEG`; left out means 0. Shape of each: (n_frames,)."""
    heading_deg: FloatArray | None = None
    """Which way the pelvis faces, left positive; straight ahead if None. Shape: (n_frames,)."""
    stays_planted: bool = True
    """Whether both feet stay flat where they are; otherwise the lower foot carries the body."""
    hand_targets: dict[str, tuple[str, FloatArray]] = field(default_factory=dict)
    """Targets by side: a body, and where in it the palm is, in m at scale 1. Shape: (n_frames, 3)."""
    support: dict[str, FloatArray] = field(default_factory=dict)
    """Load by side: how much the foot carries, 0 to 1, where that is known. Shape of each: (n_frames,)."""
    hop_m: FloatArray | None = None
    """Height of the lowest foot above the floor. Shape: (n_frames,)."""

    def set(self, name: str, value_deg: FloatArray | float) -> None:
        """Give a coordinate its course."""
        self.angles_deg[name] = np.broadcast_to(np.asarray(value_deg, dtype=np.float64), self.t_s.shape)

    def get(self, name: str) -> FloatArray:
        """Course of a coordinate."""
        return self.angles_deg.get(name, np.zeros_like(self.t_s))

    def add(self, name: str, value_deg: FloatArray | float) -> None:
        """Add to a coordinate's course."""
        self.set(name, self.get(name) + value_deg)

    def lean(self, trunk_deg: FloatArray | float, pelvis_share: FloatArray | float) -> None:
        """Lean the trunk forward, pelvis and lumbar joint sharing the bend.

        Args:
            trunk_deg: Angle of the torso from the vertical.
            pelvis_share: Part of it that the pelvis turns; the lumbar joint makes the rest.
        """
        self.set("pelvis_tilt", -np.asarray(trunk_deg) * pelvis_share)
        self.set("lumbar_extension", -np.asarray(trunk_deg) * (1.0 - np.asarray(pelvis_share)))

    def leg(
        self,
        side: str,
        thigh_deg: FloatArray | float,
        knee_deg: FloatArray | float,
        *,
        foot_deg: FloatArray | float = 0.0,
    ) -> None:
        """Place a leg by its segments. Call it after the pelvis is set: hip flexion is measured from there.

        Args:
            side: "r" or "l".
            thigh_deg: Raised forward from the vertical.
            knee_deg: Bend of the knee.
            foot_deg: Toes up from the floor.
        """
        knee = np.clip(knee_deg, 0.0, 140.0)
        self.set(f"hip_flexion_{side}", thigh_deg - self.get("pelvis_tilt"))
        self.set(f"knee_angle_{side}", knee)
        self.set(f"ankle_angle_{side}", foot_deg + knee - thigh_deg)

    def coordinates(self, skeleton: Skeleton) -> FloatArray:
        """All coordinates in their ranges, in rad; the root's translation is zero. Shape: (n_frames, n_q)."""
        q = np.zeros((len(self.t_s), skeleton.n_q))
        for name in self.angles_deg | RESTING_DEG:
            k = skeleton.coordinate_index(name)
            value = np.radians(self.get(name) + RESTING_DEG.get(name, 0.0))
            q[:, k] = np.clip(value, skeleton.q_lower[k], skeleton.q_upper[k])
        return q


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
