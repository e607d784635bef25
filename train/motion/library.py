"""Draws motions and poses: procedural activities and captured motion, all on the floor and plausible."""

from __future__ import annotations

import numpy as np

from calib.coordinates import mirror_index, mirror_signs
from calib.skeleton import Skeleton
from train.errors import TrainError
from train.motion.activities import ACTIVITIES, SHARES
from train.motion.collision import SelfCollision
from train.motion.floor import Floor
from train.motion.motion import FloatArray, Motion
from train.motion.style import Style

_ATTEMPTS = 12
_TOLERATED_FRAMES = 0.05
_POSTURE_SPREAD = np.radians(2.0)


class MotionLibrary:
    """Endless motions of one skeleton; what is drawn depends on the generator alone."""

    def __init__(
        self, skeleton: Skeleton, *, captured: list[Motion] | None = None, captured_share: float = 0.2
    ) -> None:
        """Collect the sources.

        Args:
            skeleton: The skeleton to move.
            captured: Retargeted motions (`train.motion.captured.load_captured`); none if left out.
            captured_share: Part of the draws that use them.
        """
        self.skeleton = skeleton
        self.captured = captured or []
        self.captured_share = captured_share if self.captured else 0.0
        self._captured_p = _shares([motion.name for motion in self.captured])
        self._collision = SelfCollision(skeleton)

    def sample(
        self,
        rng: np.random.Generator,
        *,
        duration_s: float = 4.0,
        fps: float = 30.0,
        scale_factors: FloatArray | None = None,
        activity: str | None = None,
    ) -> Motion:
        """Draw a motion.

        Args:
            rng: Source of chance.
            duration_s: Length.
            fps: Frames a second.
            scale_factors: Of the person who will move; ones if left out. Shape: (n_bodies, 3).
            activity: One of `ACTIVITIES`, or "captured"; drawn if left out.

        Raises:
            TrainError: there is no such activity.
        """
        if activity is None:
            activity = self._draw_activity(rng)
        if activity == "captured":
            return self._captured_clip(rng, duration_s, fps, scale_factors)
        if activity not in ACTIVITIES:
            raise TrainError(f"no activity {activity!r}; there are: captured, {', '.join(ACTIVITIES)}")
        t_s = np.arange(max(1, round(duration_s * fps))) / fps
        floor = Floor(self.skeleton, scale_factors)
        for _ in range(_ATTEMPTS):
            style = Style(t_s)
            ACTIVITIES[activity](style, rng)
            q = floor.stand(style)
            if self._collision.share(q, scale_factors) <= _TOLERATED_FRAMES:
                break
        return Motion(activity, fps, t_s, q)

    def sample_pose(
        self, rng: np.random.Generator, scale_factors: FloatArray | None = None
    ) -> tuple[str, FloatArray]:
        """Draw one pose: a moment of a motion.

        Returns:
            The activity, and coordinates (n_q,).
        """
        motion = self.sample(rng, duration_s=4.0, fps=2.0, scale_factors=scale_factors)
        return motion.name, motion.q[int(rng.integers(motion.n_frames))]

    def _draw_activity(self, rng: np.random.Generator) -> str:
        if rng.random() < self.captured_share:
            return "captured"
        names = list(SHARES)
        p = np.array(list(SHARES.values()))
        return names[int(rng.choice(len(names), p=p / p.sum()))]

    def _captured_clip(
        self, rng: np.random.Generator, duration_s: float, fps: float, scale_factors: FloatArray | None
    ) -> Motion:
        if not self.captured:
            raise TrainError("no captured motion is loaded; give MotionLibrary(captured=...)")
        motion = self.captured[int(rng.choice(len(self.captured), p=self._captured_p))]
        length = min(duration_s, motion.t_s[-1] - motion.t_s[0])
        start = motion.t_s[0] + rng.uniform(0.0, max(motion.t_s[-1] - motion.t_s[0] - length, 0.0))
        t_s = np.arange(max(1, round(length * fps))) / fps
        q = np.stack([np.interp(start + t_s, motion.t_s, column) for column in motion.q.T], axis=1)
        if rng.random() < 0.5:
            q = mirror(self.skeleton, q)
        q = Floor(self.skeleton, scale_factors).drop(self._vary(rng, q))
        return Motion(motion.name, fps, t_s, q, motion.source)

    def _vary(self, rng: np.random.Generator, q: FloatArray) -> FloatArray:
        """Another person's posture under the same motion: a constant of a few degrees on every joint."""
        skeleton = self.skeleton
        joints = skeleton.is_rotational & [
            not name.startswith("pelvis_") for name in skeleton.coordinate_names
        ]
        offset = np.where(joints, rng.normal(0.0, _POSTURE_SPREAD, skeleton.n_q), 0.0)
        return np.where(joints, np.clip(q + offset, skeleton.q_lower, skeleton.q_upper), q)


def _shares(names: list[str]) -> FloatArray:
    """How often to draw each of many motions: families of many takes weigh with the root of their number."""
    families = [name.rstrip("0123456789_") for name in names]
    weight = np.array([families.count(family) ** -0.5 for family in families])
    return weight / max(weight.sum(), 1e-12)


def mirror(skeleton: Skeleton, q: FloatArray) -> FloatArray:
    """Exchange left and right. Shape of q: (..., n_q)."""
    names = skeleton.coordinate_names
    mirrored = q[..., mirror_index(names)].copy()
    mirrored *= mirror_signs(names)
    return mirrored
