"""Moves the skeleton as a capture of another skeleton moved.

As in a laboratory: the skeleton is scaled to the other's segments and brought into its known pose; there
points around every joint are registered in the bodies, like markers in a static trial; then inverse
kinematics follows those points frame by frame. What the other skeleton calls zero does not matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIS_ROTATIONS, PELVIS_TRANSLATIONS, stem_of
from calib.ik import InverseKinematics
from calib.kinematics import body_transforms, joint_centres
from calib.skeleton import Skeleton
from train.errors import TrainError
from train.motion.floor import Floor, turn_pelvis
from train.motion.mocap_files import Capture
from train.motion.motion import FloatArray, Motion

# Body and joint of the capture; then the weights of the joint's centre, and of points 0.1 m before, above
# and beside it. {s} is l or r in CMU's names and {b} the side in ours.
_FOLLOWED: tuple[tuple[str, str, float, float], ...] = (
    ("pelvis", "root", 1.0, 2.0),
    ("torso", "thorax", 0.3, 2.0),
    ("head", "head", 0.1, 1.0),
    ("femur_{b}", "{s}femur", 1.0, 0.4),
    ("tibia_{b}", "{s}tibia", 2.0, 0.3),
    ("calcn_{b}", "{s}foot", 2.0, 1.5),
    ("humerus_{b}", "{s}humerus", 0.2, 0.3),
    ("ulna_{b}", "{s}radius", 1.5, 0.0),
    ("radius_{b}", "{s}radius", 0.0, 0.4),
    ("hand_{b}", "{s}wrist", 1.5, 0.5),
)
_ARM_M = 0.1
# How a person stands in the known pose: means of the fitted adults, with vertical thighs.
_STANDING_DEG = {"pelvis_tilt": -1.5, "lumbar_extension": -3.5, "neck_flexion": 5.0, "hip_flexion": 1.5}
_KNOWN_PRIOR, _FRAME_PRIOR = 0.05, 1e-4
_BADLY_SEEN = ("arm_rot", "pro_sup", "wrist_flex", "wrist_dev", "subtalar_angle", "hip_rotation")
_SHY = 5.0
# Segments measured between joints of the capture, and the bodies they scale.
_SEGMENTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("femur", "tibia", ("femur",)),
    ("tibia", "foot", ("tibia", "talus", "calcn", "toes")),
    ("humerus", "radius", ("humerus",)),
    ("radius", "wrist", ("ulna", "radius", "hand")),
)
_BODY_OF_JOINT = {
    "femur": "femur", "tibia": "tibia", "foot": "talus", "humerus": "humerus",
    "radius": "ulna", "wrist": "hand",
}  # fmt: skip


class Retargeter:
    """Follows captures of one format's skeleton; all captures of one subject share a registration."""

    def __init__(self, skeleton: Skeleton, capture: Capture) -> None:
        """Scale, pose and register the skeleton in the capture's known pose.

        Raises:
            TrainError: the capture lacks a joint.
        """
        self.skeleton = skeleton
        self._joints = capture.joint_names
        self.scale_factors = self._scale(capture)
        bounded = np.isfinite(skeleton.q_lower)
        bodies, joints, arms, weights = self._points()
        self._joint, self._arm, self._weights = joints, arms, weights
        q_known = self._known_pose(capture, bounded)
        T = body_transforms(skeleton, q_known, self.scale_factors)[bodies]
        points = self._targets(capture.p_known_m, capture.R_known)
        station = np.einsum("nji,nj->ni", T[:, :3, :3], points - T[:, :3, 3])
        self._ik = InverseKinematics(skeleton, bodies, station / self.scale_factors[bodies], bounded=bounded)
        self._ik.set_scale_factors(self.scale_factors)
        self._q_known = q_known
        self._prior = self._priors(_FRAME_PRIOR)

    def _index(self, joint: str) -> int:
        if joint not in self._joints:
            raise TrainError(f"the capture has no joint {joint!r}; it has: {', '.join(self._joints)}")
        return self._joints.index(joint)

    def _scale(self, capture: Capture) -> FloatArray:
        """Scale factors by segment lengths; the trunk by the legs, since it has no joints to compare."""
        skeleton = self.skeleton
        own = joint_centres(skeleton, np.zeros(skeleton.n_q))
        scale = np.ones((skeleton.n_bodies, 3))
        ratios = []
        for start, end, stems in _SEGMENTS:
            theirs = capture.p_known_m[self._index("r" + end)] - capture.p_known_m[self._index("r" + start)]
            a, b = (skeleton.body_index(f"{_BODY_OF_JOINT[j]}_r") for j in (start, end))
            ratio = float(np.linalg.norm(theirs) / np.linalg.norm(own[b] - own[a]))
            ratios.append(ratio)
            for body, name in enumerate(skeleton.body_names):
                if stem_of(name) in stems:
                    scale[body] = ratio
        for trunk in ("pelvis", "torso", "neck", "head"):
            scale[skeleton.body_index(trunk)] = np.mean(ratios[:2])
        return scale

    def _points(self) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray, FloatArray]:
        """Body, joint, offset from the joint and weight of every point that is followed."""
        rows: list[tuple[int, int, FloatArray, float]] = []
        for body, joint, centre, around in _FOLLOWED:
            for b in ("r", "l") if "{b}" in body else ("",):
                k, j = self.skeleton.body_index(body.format(b=b)), self._index(joint.format(s=b))
                rows.append((k, j, np.zeros(3), centre))
                rows += [(k, j, _ARM_M * axis, around) for axis in np.eye(3)]
        rows = [row for row in rows if row[3] > 0.0]
        bodies, joints, arms, weights = zip(*rows, strict=True)
        return np.array(bodies), np.array(joints), np.array(arms), np.array(weights)

    def _priors(self, weight: float) -> FloatArray:
        stems = [stem_of(name) for name in self.skeleton.coordinate_names]
        # What captures know badly is held more.
        prior = np.array([weight * (_SHY if stem in _BADLY_SEEN else 1.0) for stem in stems])
        prior[[self.skeleton.coordinate_index(name) for name in PELVIS_TRANSLATIONS]] = 0.0
        return prior

    def _known_pose(self, capture: Capture, bounded: NDArray[np.bool_]) -> FloatArray:
        """Coordinates of the known pose: limbs by their joints, everything else as people stand."""
        skeleton = self.skeleton
        q = np.zeros(skeleton.n_q)
        for k, name in enumerate(skeleton.coordinate_names):
            stem = stem_of(name)
            q[k] = np.radians(_STANDING_DEG.get(stem, 0.0))
            if stem == "arm_add" and capture.arms_out:
                q[k] = np.radians(-90.0)
            if stem == "pro_sup":
                q[k] = np.radians(90.0)
        bodies, targets = [], []
        for joint, body in _BODY_OF_JOINT.items():
            for b in ("r", "l"):
                bodies.append(skeleton.body_index(f"{body}_{b}"))
                targets.append(capture.p_known_m[self._index(b + joint)])
        solver = InverseKinematics(skeleton, np.array(bodies), np.zeros((len(bodies), 3)), bounded=bounded)
        solver.set_scale_factors(self.scale_factors)
        q[skeleton.coordinate_index("pelvis_ty")] = capture.p_known_m[self._index("root"), 1]
        prior = self._priors(_KNOWN_PRIOR)
        # The pelvis stands as people do, and the sole is level whatever slope the capture draws to the toes.
        for name in (*PELVIS_ROTATIONS, "lumbar_extension"):
            prior[skeleton.coordinate_index(name)] = 10.0
        q = solver.solve(np.array(targets), np.ones(len(bodies)), q, q_prior=q, prior_weight=prior).q.copy()
        for side in ("r", "l"):
            value = {n: q[skeleton.coordinate_index(f"{n}_{side}")] for n in ("hip_flexion", "knee_angle")}
            tilt = q[skeleton.coordinate_index("pelvis_tilt")]
            q[skeleton.coordinate_index(f"ankle_angle_{side}")] = (
                value["knee_angle"] - value["hip_flexion"] - tilt
            )
        return q

    def _targets(self, p_m: FloatArray, R: FloatArray) -> FloatArray:
        return p_m[self._joint] + np.einsum("nij,nj->ni", R[self._joint], self._arm)

    def follow(self, capture: Capture, *, fps: float = 30.0, source: str) -> Motion:
        """Coordinates of a capture, starting at the origin, looking along X, on the floor.

        Args:
            capture: Motion of the captured skeleton that this was registered with.
            fps: Frames a second of the result; the capture is thinned, never interpolated.
            source: Key of `train.motion.captured.SOURCES`.
        """
        step = max(1, round(capture.fps / fps))
        frames = range(0, len(capture.p_m), step)
        q = np.empty((len(frames), self.skeleton.n_q))
        last: FloatArray | None = None
        for k, frame in enumerate(frames):
            targets = self._targets(capture.p_m[frame], capture.R[frame])
            last = self._ik.solve(
                targets, self._weights, last, q_prior=self._q_known, prior_weight=self._prior
            ).q.copy()
            q[k] = last
        t_s = np.arange(len(q)) * step / capture.fps
        q = Floor(self.skeleton, self.scale_factors).drop(face_forward(self.skeleton, q))
        return Motion(capture.name, capture.fps / step, t_s, q, source)


def face_forward(skeleton: Skeleton, q: FloatArray) -> FloatArray:
    """Turn and shift a motion so that it starts at the origin, looking along X. Shape of q: (n, n_q)."""
    q = q.copy()
    turns = [skeleton.coordinate_index(f"pelvis_{name}") for name in ("tilt", "list", "rotation")]
    x, z = (skeleton.coordinate_index(f"pelvis_t{axis}") for axis in "xz")
    T = body_transforms(skeleton, q[0])[skeleton.body_index("pelvis")]
    # Where the pelvis's right-hand side points: its front may point up or down.
    heading = np.arctan2(T[0, 2], T[2, 2])
    q[:, turns] = turn_pelvis(q[:, turns], -heading)
    q[:, [x, z]] -= q[0, [x, z]]
    c, s = np.cos(-heading), np.sin(-heading)
    q[:, x], q[:, z] = c * q[:, x] + s * q[:, z], c * q[:, z] - s * q[:, x]
    return q
