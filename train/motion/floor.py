"""Makes a procedural motion stand: soles on the floor, planted feet that stay, hands that reach."""

from __future__ import annotations

import numpy as np

from calib.coordinates import PELVIS_ROTATIONS, PELVIS_TRANSLATIONS, stem_of
from calib.ik import InverseKinematics
from calib.kinematics import body_transforms
from calib.skeleton import Skeleton
from train.motion.motion import FloatArray
from train.motion.style import SIDES, Style

# Undersides of a bare foot in its bodies, in m at scale 1: back of the heel, ball and toes, right side.
_SOLE: tuple[tuple[str, tuple[float, float, float]], ...] = (
    ("calcn", (-0.010, -0.024, 0.000)),
    ("calcn", (0.165, -0.024, -0.030)),
    ("calcn", (0.140, -0.024, 0.045)),
    ("toes", (0.075, -0.021, -0.010)),
)
_PALM = (0.0, -0.080, 0.0)
_FOOT_WEIGHT = 4.0
_HAND_WEIGHT = 2.0
# What the solver may bend to plant the feet, in m^2 / rad^2; everything else is held.
_LEG_PRIOR = {
    "hip_flexion": 0.02,
    "hip_adduction": 0.02,
    "hip_rotation": 0.03,
    "knee_angle": 0.02,
    "ankle_angle": 0.01,
    "subtalar_angle": 0.03,
}
_ARM_PRIOR = {
    "arm_flex": 0.004,
    "arm_add": 0.004,
    "arm_rot": 0.004,
    "elbow_flex": 0.002,
    "pro_sup": 0.01,
    "wrist_flex": 0.02,
    "wrist_dev": 0.02,
}
_HELD = 1e3
_CONTACT_M = 0.008
_CLEARANCE_M, _CLEARING_ROUNDS = 0.012, 5
# A knee bends about 3 rad for every metre that its foot must rise.
_BEND_PER_M = 3.0
_SMOOTH = np.array([0.1, 0.2, 0.4, 0.2, 0.1])


class Floor:
    """Poses one skeleton, of one size, on the floor."""

    def __init__(self, skeleton: Skeleton, scale_factors: FloatArray | None = None) -> None:
        """Prepare the solvers.

        Args:
            skeleton: Skeleton with the coordinates and bodies of the project's own.
            scale_factors: Ones if left out. Shape: (n_bodies, 3).
        """
        self.skeleton = skeleton
        self.scale_factors = np.ones((skeleton.n_bodies, 3)) if scale_factors is None else scale_factors
        mirror = np.array([1.0, 1.0, -1.0])
        soles = [(f"{b}_r", np.array(p)) for b, p in _SOLE] + [(f"{b}_l", p * mirror) for b, p in _SOLE]
        self._sole_body = np.array([skeleton.body_index(body) for body, _ in soles])
        self._sole_m = np.array([p for _, p in soles])
        hands = np.array([skeleton.body_index(f"hand_{side}") for side in SIDES])
        bounded = np.isfinite(skeleton.q_lower)
        self._feet = InverseKinematics(skeleton, self._sole_body, self._sole_m, bounded=bounded)
        self._hands = InverseKinematics(skeleton, hands, np.array([_PALM] * 2), bounded=bounded)
        for solver in (self._feet, self._hands):
            solver.set_scale_factors(self.scale_factors)
        self._translation = [skeleton.coordinate_index(name) for name in PELVIS_TRANSLATIONS]
        self._foot_prior = self._priors(_LEG_PRIOR)
        self._foot_prior[self._translation] = 0.0
        self._hand_prior = self._priors(_ARM_PRIOR)

    def _priors(self, soft: dict[str, float]) -> FloatArray:
        stems = [stem_of(name) for name in self.skeleton.coordinate_names]
        return np.array([soft.get(stem, _HELD) for stem in stems])

    def soles(self, q: FloatArray) -> FloatArray:
        """Points under both feet, right first. Shape: (2 n_points, 3)."""
        T = body_transforms(self.skeleton, q, self.scale_factors)
        station = self._sole_m * self.scale_factors[self._sole_body]
        return np.einsum("pij,pj->pi", T[self._sole_body, :3, :3], station) + T[self._sole_body, :3, 3]

    def stand(self, style: Style) -> FloatArray:
        """Turn a style into coordinates.

        Returns:
            Coordinates in rad and m. Shape: (n_frames, n_q).
        """
        q = style.coordinates(self.skeleton)
        self._turn_pelvis(q, style.heading_deg)
        q = self._plant(q) if style.stays_planted else self._walk(q, style.support)
        if style.hop_m is not None:
            q[:, self._translation[1]] += style.hop_m
        if style.hand_targets:
            q = self._reach(q, style)
        return q

    def drop(self, q: FloatArray) -> FloatArray:
        """Put a motion's lowest sole on the floor, and keep its ups and downs. Shape: (n_frames, n_q)."""
        q = q.copy()
        lowest = np.array([self.soles(frame)[:, 1].min() for frame in q])
        q[:, self._translation[1]] -= np.percentile(lowest, 5.0)
        return q

    def _turn_pelvis(self, q: FloatArray, heading_deg: FloatArray | None) -> None:
        if heading_deg is None:
            return
        columns = [self.skeleton.coordinate_index(name) for name in PELVIS_ROTATIONS]
        q[:, columns] = turn_pelvis(q[:, columns], np.radians(heading_deg))

    def _plant(self, q_style: FloatArray) -> FloatArray:
        """Flatten the soles, and keep them where their average is."""
        q = np.array([self._level(frame) for frame in q_style])
        anchors = np.mean([self._flat_soles(frame) for frame in q[:: max(1, len(q) // 16)]], axis=0)
        weights = np.full(len(anchors), _FOOT_WEIGHT)
        start = q[0]
        for k in range(len(q)):
            start[self._foot_prior == _HELD] = q[k, self._foot_prior == _HELD]
            start = self._feet.solve(
                anchors, weights, start, q_prior=q[k], prior_weight=self._foot_prior
            ).q.copy()
            q[k] = start
        return q

    def _level(self, q: FloatArray) -> FloatArray:
        """Put the lowest sole on the floor, below the origin."""
        q = q.copy()
        soles = self.soles(q)
        q[self._translation[1]] -= soles[:, 1].min()
        q[self._translation[0]] -= soles[:, 0].mean()
        q[self._translation[2]] -= soles[:, 2].mean()
        return q

    def _flat_soles(self, q: FloatArray) -> FloatArray:
        """Where the points of level feet would be: turned about the vertical only. Shape as `soles`."""
        flat = self.soles(q)
        half = len(flat) // 2
        station = self._sole_m * self.scale_factors[self._sole_body]
        for foot in (slice(0, half), slice(half, None)):
            forward = flat[foot][1:3].mean(axis=0) - flat[foot][0]
            yaw = np.arctan2(-forward[2], forward[0])
            own = station[foot]
            own_forward = own[1:3].mean(axis=0) - own[0]
            yaw -= np.arctan2(-own_forward[2], own_forward[0])
            toes = self._toe_offset(foot.start)
            level = own + np.where(np.arange(half)[:, None] == half - 1, toes, 0.0)
            c, s = np.cos(yaw), np.sin(yaw)
            level = level @ np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
            level += flat[foot].mean(axis=0) - level.mean(axis=0)
            level[:, 1] = 0.0
            flat[foot] = level
        return flat

    def _toe_offset(self, start: int) -> FloatArray:
        """Where the toes' frame is in the calcaneus, scaled."""
        calcn, toes = self._sole_body[start], self._sole_body[start + len(_SOLE) - 1]
        tree = self.skeleton.tree
        return (
            tree.M_parent_joint[toes] @ self.scale_factors[calcn]
            - tree.M_body_joint[toes] @ self.scale_factors[toes]
        )

    def _walk(self, q: FloatArray, support: dict[str, FloatArray]) -> FloatArray:
        """Let the feet carry the body: what touches the floor stays where it is."""
        q = q.copy()
        carries = self._carrying(len(q), support)
        if support:
            self._clear_floor(q, carries)
        position = np.zeros(2)
        before = self.soles(q[0])
        for k in range(len(q)):
            soles = self.soles(q[k])
            share = carries[k] * np.exp(-(soles[:, 1] - soles[:, 1].min()) / _CONTACT_M)
            share /= share.sum()
            if k > 0:
                position -= share @ (soles - before)[:, [0, 2]]
            q[k, self._translation[1]] = -soles[:, 1].min()
            q[k, [self._translation[0], self._translation[2]]] = position
            before = soles
        return q

    def _carrying(self, n_frames: int, support: dict[str, FloatArray]) -> FloatArray:
        """Support of every point under the feet. Shape: (n_frames, 2 n_points)."""
        sides = [support.get(side, np.ones(n_frames)) for side in SIDES]
        return np.repeat(np.stack(sides, axis=1), len(_SOLE), axis=1) + 1e-6

    def _clear_floor(self, q: FloatArray, carries: FloatArray) -> None:
        """Bend the swinging leg until its foot clears the floor that the other one stands on."""
        half = len(_SOLE)
        for _ in range(_CLEARING_ROUNDS):
            heights = np.array([self.soles(frame)[:, 1] for frame in q])
            floor = np.min(np.where(carries > 0.5, heights, np.inf), axis=1)
            for foot, side in enumerate(SIDES):
                own = slice(foot * half, (foot + 1) * half)
                swings = 1.0 - carries[:, foot * half]
                short_m = np.clip(_CLEARANCE_M - (heights[:, own].min(axis=1) - floor), 0.0, 0.1) * swings
                # In flight there is no floor to clear.
                short_m[~np.isfinite(floor)] = 0.0
                bend = _BEND_PER_M * np.convolve(short_m, _SMOOTH)[2:-2]
                q[:, self.skeleton.coordinate_index(f"knee_angle_{side}")] += bend
                q[:, self.skeleton.coordinate_index(f"hip_flexion_{side}")] += 0.6 * bend
                q[:, self.skeleton.coordinate_index(f"ankle_angle_{side}")] += 0.3 * bend
        np.clip(q, self.skeleton.q_lower, self.skeleton.q_upper, out=q)

    def _reach(self, q: FloatArray, style: Style) -> FloatArray:
        """Bring the palms to their targets on other bodies."""
        weights = np.array([_HAND_WEIGHT if side in style.hand_targets else 0.0 for side in SIDES])
        start = q[0]
        for k in range(len(q)):
            T = body_transforms(self.skeleton, q[k], self.scale_factors)
            targets = np.zeros((2, 3))
            for i, side in enumerate(SIDES):
                if side in style.hand_targets:
                    body = self.skeleton.body_index(style.hand_targets[side][0])
                    station = style.hand_targets[side][1][k] * self.scale_factors[body]
                    targets[i] = T[body, :3, :3] @ station + T[body, :3, 3]
            start[self._hand_prior == _HELD] = q[k, self._hand_prior == _HELD]
            start = self._hands.solve(
                targets, weights, start, q_prior=q[k], prior_weight=self._hand_prior
            ).q.copy()
            q[k] = start
        return q


def turn_pelvis(angles: FloatArray, heading_rad: FloatArray | float) -> FloatArray:
    """Turn a pelvis about the vertical.

    OpenSim's tilt is about ground's z axis whatever the heading, so all three angles change.

    Args:
        angles: Tilt, list and rotation in rad: R = Rz(tilt) Rx(list) Ry(rotation). Shape: (n, 3).
        heading_rad: Left positive. Shape: (n,) or a number.

    Returns:
        Tilt, list and rotation. Shape: (n, 3).
    """
    a, b, c = np.moveaxis(angles, -1, 0)
    psi = np.broadcast_to(heading_rad, a.shape)
    cb, sb = np.cos(b), np.sin(b)
    # Columns y and z of R, and the x component of its first column.
    y = np.stack([-np.sin(a) * cb, np.cos(a) * cb, sb], -1)
    z = np.stack(
        [
            np.cos(a) * np.sin(c) + np.sin(a) * sb * np.cos(c),
            np.sin(a) * np.sin(c) - np.cos(a) * sb * np.cos(c),
            cb * np.cos(c),
        ],
        -1,
    )
    x = np.cross(y, z)
    cp, sp = np.cos(psi), np.sin(psi)

    def turned(v: FloatArray) -> FloatArray:
        return np.stack([cp * v[..., 0] + sp * v[..., 2], v[..., 1], cp * v[..., 2] - sp * v[..., 0]], -1)

    x, y, z = turned(x), turned(y), turned(z)
    return np.stack(
        [
            np.arctan2(-y[..., 0], y[..., 1]),
            np.arcsin(np.clip(y[..., 2], -1, 1)),
            np.arctan2(-x[..., 2], z[..., 2]),
        ],
        -1,
    )
