"""Walking, running, marching and turning on the spot.

The legs are drawn as their segments stand in space: thigh and foot against the vertical and the floor, and
the knee between. So steps of any size keep the sole flat in the middle of stance; hip and ankle follow.
"""

from __future__ import annotations

import numpy as np

from train.motion.arms import IDLE_ARMS, choose_arms
from train.motion.motion import FloatArray, between, periodic_curve
from train.motion.style import SIDES, Style, look_about, posture, stance

# Level walking from one heel strike to the next, in steps of a tenth of the cycle, in degrees. From the
# joint angles of Perry and Burnfield, Gait Analysis, 2nd ed., 2010, with the pelvis 5 degrees forward.
_THIGH = (24.0, 21.0, 12.0, 2.0, -8.0, -15.0, -10.0, 8.0, 22.0, 27.0)
_KNEE = (5.0, 16.0, 15.0, 8.0, 4.0, 11.0, 38.0, 60.0, 50.0, 20.0)
_FOOT = (19.0, 0.0, 0.0, 0.0, -2.0, -20.0, -60.0, -58.0, -25.0, 12.0)
_ADDUCTION = (0.0, 4.0, 5.0, 4.0, 2.0, -1.0, -6.0, -6.0, -3.0, -1.0)
# Part of the cycle that a foot is on the floor.
_STANCE_WALKING, _STANCE_RUNNING = 0.62, 0.40


def walk(style: Style, rng: np.random.Generator) -> None:
    """Walk, slow to brisk."""
    _steps(style, rng, stride_hz=rng.uniform(0.55, 1.05), size=rng.uniform(0.45, 1.2))
    style.add("lumbar_extension", -rng.uniform(0.0, 9.0))
    if rng.random() < 0.25:
        choose_arms(style, rng, IDLE_ARMS)


def jog(style: Style, rng: np.random.Generator) -> None:
    """Run gently, elbows bent."""
    _steps(
        style, rng, stride_hz=rng.uniform(1.1, 1.5), size=rng.uniform(0.9, 1.3),
        crouch_deg=rng.uniform(6.0, 14.0), elbow_deg=rng.uniform(60.0, 105.0), stance_share=_STANCE_RUNNING,
    )  # fmt: skip
    # Marker-based running has the trunk 12 to 20 deg in front of the vertical.
    style.add("lumbar_extension", -rng.uniform(2.0, 18.0))


def turn(style: Style, rng: np.random.Generator) -> None:
    """Turn on the spot with small steps."""
    t = style.t_s
    _steps(style, rng, stride_hz=rng.uniform(0.5, 0.9), size=rng.uniform(0.15, 0.4))
    heading = between(rng, t, rng.uniform(-170.0, 170.0, (4, 1)), rng.uniform(1.5, 4.0))[:, 0]
    style.heading_deg = heading
    ahead = np.interp(t + 0.25, t, heading) - heading
    style.add("neck_rotation", np.clip(0.6 * ahead, -50.0, 50.0))
    style.add("lumbar_rotation", np.clip(0.35 * ahead, -25.0, 25.0))


def march(style: Style, rng: np.random.Generator) -> None:
    """Lift the knees high, on the spot."""
    t, hz, size = style.t_s, rng.uniform(0.4, 1.0), rng.uniform(25.0, 95.0)
    posture(style, rng)
    style.stays_planted = False
    droop, swing, elbow = rng.uniform(-10.0, 25.0), rng.uniform(5.0, 40.0), rng.uniform(15.0, 90.0)
    knee_share = rng.uniform(0.9, 1.3)
    for side, offset in (("r", 0.0), ("l", 0.5)):
        wave = np.sin(2.0 * np.pi * (hz * t + offset))
        lift = np.maximum(wave, 0.0) ** 1.5
        style.leg(side, size * lift + 2.0, 4.0 + size * knee_share * lift, foot_deg=-droop * lift)
        style.support[side] = np.clip(0.5 - 4.0 * wave, 0.0, 1.0)
        _swing_arm(style, side, -wave, swing, elbow)
    style.add("pelvis_list", 3.0 * np.sin(2.0 * np.pi * hz * t))
    stance(style, rng, rng.uniform(-1.0, 4.0), rng.uniform(0.0, 10.0))
    _finish_arms(style, rng)
    look_about(style, rng)


def _steps(
    style: Style,
    rng: np.random.Generator,
    *,
    stride_hz: float,
    size: float,
    crouch_deg: float = 0.0,
    elbow_deg: float | None = None,
    stance_share: float = _STANCE_WALKING,
) -> None:
    """Step after step, of a size relative to normal walking."""
    posture(style, rng)
    style.stays_planted = False
    phase = stride_hz * style.t_s + rng.uniform()
    toe_out, width, bent = (
        rng.uniform(-2.0, 12.0),
        rng.uniform(-1.0, 4.0),
        rng.uniform(-2.0, 6.0) + crouch_deg,
    )
    swing = rng.uniform(8.0, 30.0) * min(size, 1.0)
    elbow = rng.uniform(8.0, 35.0) if elbow_deg is None else elbow_deg
    for side, offset in (("r", 0.0), ("l", 0.5)):
        p = phase + offset
        own = rng.normal(0.0, 1.2)
        knee = (0.4 + 0.6 * size) * periodic_curve(_KNEE, p) + bent
        thigh = size * periodic_curve(_THIGH, p) + 0.45 * bent + own
        style.leg(side, thigh, knee, foot_deg=size * periodic_curve(_FOOT, p))
        style.support[side] = _stance(p, stance_share)
        style.set(f"subtalar_angle_{side}", rng.normal(0.0, 2.5) + 3.0 * np.cos(2.0 * np.pi * (p - 0.1)))
        style.set(f"mtp_angle_{side}", 28.0 * size * np.exp(-((((p % 1.0) - 0.56) / 0.07) ** 2)))
        style.set(f"hip_adduction_{side}", size * periodic_curve(_ADDUCTION, p) - width)
        style.set(f"hip_rotation_{side}", -toe_out + rng.normal(0.0, 4.0) + 3.0 * np.sin(2.0 * np.pi * p))
        _swing_arm(style, side, -np.cos(2.0 * np.pi * (p + 0.02)), swing, elbow)
    _sway(style, rng, 2.0 * np.pi * phase, size)
    _finish_arms(style, rng)
    look_about(style, rng)


def _stance(phase: FloatArray, share: float) -> FloatArray:
    """How much a foot carries: 1 in its stance, with short ramps."""
    p = phase % 1.0
    ramp = 0.04
    rising = np.clip((p + ramp) / ramp, 0.0, 1.0) * (p < share) + np.clip(
        (p - 1.0 + ramp) / ramp, 0.0, 1.0
    ) * (p >= share)
    return np.minimum(rising, np.where(p < 1.0 - ramp, np.clip((share - p) / ramp, 0.0, 1.0), 1.0))


def _sway(style: Style, rng: np.random.Generator, cycle: FloatArray, size: float) -> None:
    """Pelvis and trunk follow the legs; the leg's angles in space stay."""
    style.add("pelvis_list", -size * rng.uniform(2.0, 5.0) * np.sin(cycle))
    style.add("lumbar_bending", size * rng.uniform(1.0, 5.0) * np.sin(cycle))
    style.add("pelvis_rotation", size * rng.uniform(2.0, 8.0) * np.cos(cycle))
    style.add("lumbar_rotation", -size * rng.uniform(3.0, 12.0) * np.cos(cycle))
    nod = 1.5 * np.sin(2.0 * cycle + 0.5)
    style.add("pelvis_tilt", nod)
    for side in SIDES:
        style.add(f"hip_flexion_{side}", -nod)


def _swing_arm(style: Style, side: str, swing: FloatArray, size: float, elbow: float) -> None:
    style.set(f"arm_flex_{side}", size * swing + 0.15 * size)
    style.set(f"elbow_flex_{side}", np.maximum(elbow + 0.5 * size * (swing + 0.3), 0.0))
    style.set(f"pro_sup_{side}", 85.0)


def _finish_arms(style: Style, rng: np.random.Generator) -> None:
    add, rot = -7.0 - abs(rng.normal(0.0, 5.0)), rng.normal(5.0, 10.0)
    for side in SIDES:
        style.set(f"arm_add_{side}", add + rng.normal(0.0, 2.0))
        style.set(f"arm_rot_{side}", rot + rng.normal(0.0, 4.0))
        style.add(f"pro_sup_{side}", rng.normal(0.0, 15.0))
        style.set(f"wrist_flex_{side}", rng.normal(0.0, 10.0))
        style.set(f"wrist_dev_{side}", rng.normal(0.0, 5.0))
