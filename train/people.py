"""Endless pictures of synthetic people, block by block: one person, one outfit, one motion, many cameras.

A block depends on the seed and its number alone, so that any block can be made again, in any order, by any
number of processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.kinematics import joint_centres, marker_positions
from train.bodies import split_adults
from train.cameras import Framing
from train.motion import Motion
from train.outfits import DressedBody, dress
from train.poses import MotionLibrary
from train.puppet import Puppet, PuppetPool
from train.regions import BodyRegions
from train.render import Picture, Studio

Array = NDArray[np.float64]

BLOCK_SIZE = 8
"""Pictures of one person in one outfit: dressing takes as long as rendering several pictures."""
POSE_INTERVAL_S = 0.9
"""Between two pictures of a block, so that they show different poses."""
SEATED_ACTIVITIES = ("seated",)
MASCULINE_BELOW = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody dressed, who moves."""

    puppet: Puppet
    dressed: DressedBody
    motion: Motion


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture and everything that is true about it."""

    picture: Picture
    person: Person
    frame: int
    """Of the person's motion."""

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
        """In ground. Shape: (n_bodies, 3)."""
        puppet = self.person.puppet
        return joint_centres(puppet.skeleton, self.q, puppet.scale_factors)

    @property
    def markers_m(self) -> Array:
        """In ground. Shape: (n_markers, 3)."""
        puppet = self.person.puppet
        return marker_positions(puppet.skeleton, self.q, puppet.scale_factors)


class PeopleStream:
    """Draws blocks of pictures.

    Args:
        seed: Of everything.
        held_out: Draw the adults kept for evaluation instead of those for training.
        size_px: Side of the pictures.
        panorama_folder: With `.hdr` panoramas; procedural backgrounds alone if left out.
        pool: Adults to draw from; all of them if left out.
        library: Motions to draw from; the procedural ones if left out.
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
        self.seed = seed
        self._pool = pool or PuppetPool()
        self.skeleton = self._pool.skeleton
        self._library = library or MotionLibrary(self.skeleton)
        self._adults = split_adults(self._pool.model)[int(held_out)]
        self._regions = BodyRegions.of(self._pool.model)
        self._studio = Studio(size_px=size_px, panorama_folder=panorama_folder)

    def block(self, number: int, *, framing: Framing | None = None) -> Iterator[Sample]:
        """The pictures of one block.

        Args:
            number: Which block, from 0.
            framing: Of the cameras; mixed if left out.
        """
        rng = np.random.default_rng([self.seed, number])
        person = self.draw_person(rng, duration_s=BLOCK_SIZE * POSE_INTERVAL_S, fps=1.0 / POSE_INTERVAL_S)
        for frame in range(person.motion.n_frames):
            yield self.photograph(person, frame, rng, framing=framing)

    def draw_person(self, rng: np.random.Generator, *, duration_s: float, fps: float) -> Person:
        """Somebody new, in an outfit, with a motion."""
        adult = int(rng.choice(self._adults))
        puppet = self._pool.puppet(adult)
        masculine = bool(self._pool.model.femininity[adult] < MASCULINE_BELOW)
        dressed = dress(self._regions, puppet, rng, masculine=masculine)
        motion = self._library.sample(rng, duration_s=duration_s, fps=fps, scale_factors=puppet.scale_factors)
        return Person(puppet, dressed, motion)

    def photograph(
        self, person: Person, frame: int, rng: np.random.Generator, *, framing: Framing | None = None
    ) -> Sample:
        """One picture of a moment of a person's motion, by a random camera."""
        nodes = person.puppet.node_transforms(person.motion.q[frame])
        picture = self._studio.shoot(
            person.dressed,
            nodes,
            rng,
            seated=person.motion.name in SEATED_ACTIVITIES,
            floor_y_m=0.0,
            framing=framing,
        )
        return Sample(picture, person, frame)
