"""Endless images of synthetic people, block by block: one person, one outfit, one motion, many cameras.

A block depends on the seed and its number alone, so that any block can be made again, in any order, by any
number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.kinematics import joint_centres, marker_positions
from train.bodies.bodies import split_adults
from train.bodies.puppet import Puppet, PuppetPool
from train.bodies.regions import BodyRegions
from train.clothing.outfits import DressedBody, dress
from train.errors import TrainError
from train.motion.library import MotionLibrary
from train.motion.motion import FloatArray, Motion
from train.scene.cameras import Framing, View, recropped
from train.scene.studio import Picture, Scene, Studio, posed

Array = NDArray[np.float64]

SEED_END = 2**32
"""Seeds are from 0 to one less."""
BLOCK_SIZE = 8
"""Images of one person in one outfit: dressing takes as long as rendering several images."""
POSE_INTERVAL_S = 0.9
"""Between two images of a block, so that they show different poses."""
CLIP_DURATION_S = 4.0
CLIP_RATES_FPS = (25.0, 30.0, 30.0, 60.0)
"""Frame rates of webcams, each as likely."""
CLIP_MOTION_FPS = 60.0
"""Rate of the motion, before a camera takes it at its own rate."""
_STAMP_JITTER = 0.03
"""Standard deviation of a webcam's frame interval, as a part of it."""
_DROPPED_FRAMES = 0.01
_CLIP_MOMENTS = 9
"""Number of moments at which a clip's camera and floor are checked."""
_CLIP_TRIES = 6
_FRAMED_SHARE = 0.75
"""Share of a clip's moments that show the person: people do leave the frame now and then."""
SITTING_KNEES_RAD = np.radians(75.0)
"""A person who gets up or sits down is on the seat when the knees bend more."""
MASCULINE_BELOW = 0.5
_BLOCKS, _CLIPS = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody dressed, who moves."""

    puppet: Puppet
    dressed: DressedBody
    motion: Motion

    def knees_rad(self, frame: int) -> float:
        """How far the less bent knee bends."""
        skeleton = self.puppet.skeleton
        knees = [skeleton.coordinate_index(f"knee_angle_{side}") for side in "rl"]
        return float(self.motion.q[frame, knees].min())

    def sits(self, frame: int) -> bool:
        """Whether a seat carries the person."""
        rises = self.motion.name == "sit_to_stand" and self.knees_rad(frame) > SITTING_KNEES_RAD
        return self.motion.name == "seated" or rises


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One image and everything that is true about it."""

    picture: Picture
    person: Person
    frame: int
    """Frame of the person's motion."""

    @property
    def q(self) -> Array:
        """Coordinates in rad and m. Shape: (n_q,)."""
        return self.person.motion.q[self.frame]

    @property
    def T_ground_body(self) -> Array:
        """Shape: (n_bodies, 4, 4)."""
        return self.person.puppet.body_transforms(self.q)

    @property
    def joint_centres_m(self) -> Array:
        """Joint centres in ground. Shape: (n_bodies, 3)."""
        puppet = self.person.puppet
        return joint_centres(puppet.skeleton, self.q, puppet.scale_factors)

    @property
    def markers_m(self) -> Array:
        """Markers in ground. Shape: (n_markers, 3)."""
        puppet = self.person.puppet
        return marker_positions(puppet.skeleton, self.q, puppet.scale_factors)


class PeopleStream:
    """Draws blocks of images.

    Args:
        seed: Seed of everything.
        held_out: Draw the adults kept for evaluation instead of those for training.
        size_px: Side of the images.
        panorama_folder: Folder of `.hdr` panoramas; procedural backgrounds alone if left out.
        pool: Adults to draw from; all of them if left out.
        library: Motions to draw from; the procedural ones if left out.

    Raises:
        TrainError: the seed is out of range, or the folder holds no panoramas.
    """

    def __init__(
        self,
        seed: int,
        *,
        held_out: bool = False,
        size_px: int = 256,
        panorama_folder: Path | None = None,
        pool: PuppetPool | None = None,
        library: MotionLibrary | None = None,
    ) -> None:
        if not 0 <= seed < SEED_END:
            raise TrainError(f"seed {seed}; accepted: whole numbers from 0 to {SEED_END - 1}")
        self.key = (seed, int(held_out))
        """Begins the key of every random generator."""
        self.pool = pool or PuppetPool()
        self.skeleton = self.pool.skeleton
        self.library = library or MotionLibrary(self.skeleton)
        self._adults = split_adults(self.pool.model)[int(held_out)]
        self._regions = BodyRegions.of(self.pool.model)
        self._studio = Studio(size_px=size_px, panorama_folder=panorama_folder)

    def block(self, number: int, *, framing: Framing | None = None) -> Iterator[Sample]:
        """The images of one block.

        Args:
            number: Number of the block, from 0.
            framing: Framing of the cameras; mixed if left out.
        """
        rng = np.random.default_rng([*self.key, _BLOCKS, number])
        person = self.draw_person(rng, duration_s=BLOCK_SIZE * POSE_INTERVAL_S, fps=1.0 / POSE_INTERVAL_S)
        for k in range(BLOCK_SIZE):
            # Captured motion may be shorter than a block: another camera sees the same pose then.
            yield self.photograph(person, k % person.motion.n_frames, rng, framing=framing)

    def clip(self, number: int, *, framing: Framing | None = None) -> Iterator[Sample]:
        """The frames of one clip: one camera, which a tracker's crop follows.

        Args:
            number: Number of the clip, from 0.
            framing: Framing of the camera; mixed if left out.
        """
        rng = np.random.default_rng([*self.key, _CLIPS, number])
        person = self.draw_person(rng, duration_s=CLIP_DURATION_S, fps=CLIP_MOTION_FPS)
        person = replace(person, motion=filmed(person.motion, rng))
        scene = self.clip_scene(person, rng, framing)
        crop_key = int(rng.integers(SEED_END))
        cut = None
        for frame, q in enumerate(person.motion.q):
            nodes = person.puppet.node_transforms(q)
            anchors = person.dressed.place_anchors(nodes)
            # A tracker cuts where the frame before showed the person; with the same chance each time.
            seen = in_front(scene.view, anchors)
            ahead = recropped(scene.view, anchors, np.random.default_rng(crop_key)) if seen else cut
            picture = self._studio.render(scene, person.dressed, nodes, rng, view=cut or ahead)
            yield Sample(picture, person, frame)
            cut = ahead

    def clip_scene(self, person: Person, rng: np.random.Generator, framing: Framing | None) -> Scene:
        """Aimed at the middle of the motion, and drawn again where the person walks out of the frame."""
        motion, dressed = person.motion, person.dressed
        moments = np.linspace(0, motion.n_frames - 1, _CLIP_MOMENTS).astype(int).tolist()
        aim = _CLIP_MOMENTS // 2
        if motion.name == "sit_to_stand":  # the seat is put under the person
            aim = int(np.argmax([person.knees_rad(k) for k in moments]))
        poses = [person.puppet.node_transforms(motion.q[k]) for k in moments]
        soles_m = [float(posed(dressed, nodes)[:, 1].min()) for nodes in poses]
        places = [dressed.place_anchors(nodes) for nodes in poses]
        for _ in range(_CLIP_TRIES):
            scene = self._studio.sample_scene(
                dressed,
                poses[aim],
                rng,
                seated=person.sits(moments[aim]),
                floor_y_m=min(0.0, *soles_m),
                framing=framing,
            )
            if np.mean([is_framed(scene.view, anchors) for anchors in places]) >= _FRAMED_SHARE:
                break
        return scene

    def render(
        self, scene: Scene, person: Person, frame: int, rng: np.random.Generator, view: View
    ) -> Sample:
        """One frame of a person's motion in a scene, cut as one likes."""
        nodes = person.puppet.node_transforms(person.motion.q[frame])
        return Sample(self._studio.render(scene, person.dressed, nodes, rng, view=view), person, frame)

    def draw_person(self, rng: np.random.Generator, *, duration_s: float, fps: float) -> Person:
        """Somebody new, in an outfit, with a motion."""
        adult = int(rng.choice(self._adults))
        puppet = self.pool.puppet(adult)
        masculine = bool(self.pool.model.femininity[adult] < MASCULINE_BELOW)
        dressed = dress(self._regions, puppet, rng, masculine=masculine)
        motion = self.library.sample(rng, duration_s=duration_s, fps=fps, scale_factors=puppet.scale_factors)
        return Person(puppet, dressed, motion)

    def photograph(
        self, person: Person, frame: int, rng: np.random.Generator, *, framing: Framing | None = None
    ) -> Sample:
        """One image of a moment of a person's motion, by a random camera."""
        nodes = person.puppet.node_transforms(person.motion.q[frame])
        picture = self._studio.shoot(
            person.dressed,
            nodes,
            rng,
            seated=person.sits(frame),
            floor_y_m=0.0,
            framing=framing,
        )
        return Sample(picture, person, frame)

    def photograph_with(
        self,
        person: Person,
        frame: int,
        rng: np.random.Generator,
        cut: Callable[[View, Array], View],
        *,
        framing: Framing | None = None,
    ) -> Sample:
        """Like `photograph`, with a crop of one's own.

        Args:
            person: Person to photograph.
            frame: Frame of their motion.
            rng: Source of chance.
            cut: The view to render, from a random camera's view and points of the person in ground, (n, 3).
            framing: Framing of the camera; mixed if left out.
        """
        nodes = person.puppet.node_transforms(person.motion.q[frame])
        scene = self._studio.sample_scene(
            person.dressed, nodes, rng, seated=person.sits(frame), floor_y_m=0.0, framing=framing
        )
        view = cut(scene.view, self.points_of(person, frame))
        return Sample(self._studio.render(scene, person.dressed, nodes, rng, view=view), person, frame)

    def points_of(self, person: Person, frame: int) -> Array:
        """Anchors and joint centres of a moment of a person's motion, in ground. Shape: (n, 3)."""
        q = person.motion.q[frame]
        anchors = person.dressed.place_anchors(person.puppet.node_transforms(q))
        joints = joint_centres(person.puppet.skeleton, q, person.puppet.scale_factors)
        return np.concatenate([np.array(list(anchors.values())), joints])


def in_front(view: View, anchors: dict[str, Array]) -> bool:
    """Whether any part of a person is before the camera."""
    return bool(np.isfinite(view.camera.project(np.stack(list(anchors.values())))).any())


def is_framed(view: View, anchors: dict[str, Array]) -> bool:
    """Whether the camera's frame shows the middle of a person's shoulders."""
    u, v = view.camera.project(0.5 * (anchors["shoulder_r"] + anchors["shoulder_l"]))
    k = view.camera.intrinsics
    return bool(0 <= u < k.width_px and 0 <= v < k.height_px)


def filmed(motion: Motion, rng: np.random.Generator, rates_fps: tuple[float, ...] = CLIP_RATES_FPS) -> Motion:
    """A motion at the moments at which a webcam takes it: with jitter, and a frame missing now and then."""
    fps = float(rng.choice(rates_fps))
    n = int(motion.t_s[-1] * fps) + 1
    intervals = np.maximum(1.0 + rng.normal(0.0, _STAMP_JITTER, n), 0.5) * (
        1.0 + (rng.random(n) < _DROPPED_FRAMES)
    )
    t_s = np.cumsum(intervals / fps) - intervals[0] / fps
    t_s = t_s[t_s <= motion.t_s[-1]]
    q: FloatArray = np.stack([np.interp(t_s, motion.t_s, column) for column in motion.q.T], axis=1)
    return Motion(motion.name, fps, t_s, q, motion.source)
