"""Draws motions and poses: procedural activities and captured motion, all on the floor and plausible."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from calib.coordinates import mirror_index, mirror_signs
from calib.skeleton import Skeleton
from train.errors import TrainError
from train.motion.activities import ACTIVITIES, MAY_START_STILL, SHARES, START_STILL_ODDS, start_still
from train.motion.captured import SOURCES, collect, default_captured_path, load_captured, save_captured
from train.motion.collision import SelfCollision
from train.motion.floor import Floor
from train.motion.motion import FloatArray, Motion
from train.motion.style import Style

PROCEDURAL = "procedural"
CAPTURED = "captured"
_HELD_OUT_SHARE = 1.0 / 8.0
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
            scale_factors: Scale factors of the person; ones if left out. Shape: (n_bodies, 3).
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
            if activity in MAY_START_STILL and rng.random() < START_STILL_ODDS:
                start_still(style, rng)
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


def choose_motions(choice: str, skeleton: Skeleton, *, held_out: bool) -> list[Motion]:
    """Captured motion by name or place.

    Args:
        choice: "procedural" for none; "captured" for all that `python -m train.motion.captured` kept, or some
            of its sources, separated by commas; a folder of motions; or a file that was kept elsewhere.
        skeleton: Whose coordinates are needed.
        held_out: The part kept for evaluation, instead of that for training.

    Raises:
        TrainError: there is no such source, or nothing of it is here.
    """
    names = choice.split(",")
    unknown = [name for name in names if name not in SOURCES and name != CAPTURED]
    path = Path(choice)
    if not unknown:
        motions = _kept(names, skeleton)
    elif path.is_dir():
        motions = _retargeted(path, skeleton)
    elif path.is_file():
        motions = load_captured(skeleton, path)
    else:
        known = ", ".join([CAPTURED, *SOURCES])
        raise TrainError(
            f"no motion source {unknown[0]!r}; accepted: {known}, a folder with .mot, .amc or .txt motions, "
            "or a .npz file made by python -m train.motion.captured"
        )
    if not motions and choice != PROCEDURAL:
        raise TrainError(f"{choice}: holds no motion that can be used")
    return [motion for motion in motions if is_held_out(motion) == held_out]


def _kept(names: list[str], skeleton: Skeleton) -> list[Motion]:
    """Motions of these sources from the user's cache."""
    wanted = set(SOURCES) if CAPTURED in names else set(names)
    if wanted == {PROCEDURAL}:
        return []
    motions = [motion for motion in load_captured(skeleton) if motion.source in wanted]
    missing = sorted(set(names) - {motion.source for motion in motions} - {PROCEDURAL, CAPTURED})
    if missing or not motions:
        raise TrainError(
            f"no motion of {', '.join(missing or names)} in {default_captured_path()}; "
            "make it with: python -m train.motion.captured FOLDER"
        )
    return motions


def _retargeted(folder: Path, skeleton: Skeleton) -> list[Motion]:
    """Motions of a folder, from the user's cache unless they are new or have changed."""
    files = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.resolve().rglob("*"))]
    key = hashlib.sha256(repr((skeleton.sha, files)).encode()).hexdigest()[:16]
    path = default_captured_path().with_name(f"folder_{key}.npz")
    if not path.exists():
        motions = collect(folder, skeleton)
        if not motions:
            return []
        save_captured(path, skeleton, motions)
    return load_captured(skeleton, path)


def is_held_out(motion: Motion) -> bool:
    """Whether a captured motion is kept for evaluation; its name decides, so parts of one stay together."""
    digest = hashlib.sha256(f"{motion.source}/{motion.name}".encode()).digest()
    return digest[0] < 256 * _HELD_OUT_SHARE
