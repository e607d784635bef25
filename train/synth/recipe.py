"""What synthetic people are drawn, numbered: images come in blocks, and clips one by one.

An image depends on the recipe and its number alone. So a set that was interrupted goes on where it stopped,
and any number of processes makes the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from calib.skeleton import load_skeleton
from train.bodies.puppet import PuppetPool
from train.cluster import seen_from_anywhere, source_seen_from_anywhere
from train.errors import TrainError
from train.motion.library import PROCEDURAL, MotionLibrary, choose_motions
from train.synth.labels import ClipLabels, Labels
from train.synth.people import BLOCK_SIZE, PeopleStream, Sample
from train.synth.shards import CodedImage, Kind, open_shard

IMAGES_PER_SHARD = 256
CLIPS_PER_SHARD = 4
SMALLEST_PX, LARGEST_PX = 64, 1024
HELD_OUT_IMAGES, HELD_OUT_CLIPS = 2000, 40
"""The set that every network is evaluated on."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What people are drawn."""

    seed: int
    held_out: bool = False
    """Adults and motions kept for evaluation, instead of those for training."""
    size_px: int = 256
    backgrounds: Path | None = None
    """Folder with `.hdr` panoramas; procedural backgrounds alone if None."""
    motions: str = PROCEDURAL
    """Captured motion to add: as for `train.motion.library.choose_motions`."""
    bodies: Path | None = None
    """Exported adults; the user's cache if None."""

    def seen_from_anywhere(self) -> Recipe:
        """The same recipe with paths that hold in other working folders, as on other machines."""
        return replace(
            self,
            backgrounds=None if self.backgrounds is None else seen_from_anywhere(self.backgrounds),
            motions=source_seen_from_anywhere(self.motions),
            bodies=None if self.bodies is None else seen_from_anywhere(self.bodies),
        )

    def open(self) -> PeopleStream:
        """Load everything that is drawn from.

        Raises:
            TrainError: the seed or the size is out of range, or something is missing.
        """
        if not SMALLEST_PX <= self.size_px <= LARGEST_PX:
            raise TrainError(f"images of {self.size_px} px; accepted: {SMALLEST_PX} to {LARGEST_PX}")
        skeleton = load_skeleton()
        captured = choose_motions(self.motions, skeleton, held_out=self.held_out)
        return PeopleStream(
            self.seed,
            held_out=self.held_out,
            size_px=self.size_px,
            panorama_folder=self.backgrounds,
            pool=PuppetPool(skeleton, self.bodies),
            library=MotionLibrary(skeleton, captured=captured),
        )


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a set: so many images, or clips, from the first."""

    kind: Kind
    number: int
    first: int
    """A multiple of `train.synth.people.BLOCK_SIZE` if images."""
    n: int

    @property
    def name(self) -> str:
        """Its file."""
        return f"{self.kind}-{self.number:06d}.tar"


def plan(kind: Kind, n: int, n_per_shard: int) -> list[Shard]:
    """The shards of `n` images or clips."""
    starts = range(0, n, n_per_shard)
    return [Shard(kind, k, first, min(n_per_shard, n - first)) for k, first in enumerate(starts)]


def image_key(index: int) -> str:
    """Key of an image in its set."""
    return f"{index:09d}"


def clip_key(index: int) -> str:
    """Key of a clip in its set."""
    return f"clip{index:06d}"


def coded(sample: Sample) -> CodedImage:
    """An image and its labels as they are stored."""
    return CodedImage.of(sample.picture.image, Labels.of(sample))


def draw_block(people: PeopleStream, number: int, n: int = BLOCK_SIZE) -> Iterator[CodedImage]:
    """The first `n` images of a block."""
    return map(coded, islice(people.block(number), n))


def draw_clip(people: PeopleStream, number: int) -> tuple[ClipLabels, Iterator[CodedImage]]:
    """A clip and its frames."""
    samples = people.clip(number)
    first = next(samples)
    return ClipLabels.of(first.person.motion), map(coded, chain([first], samples))


def write_shard(people: PeopleStream, shard: Shard, folder: Path, check: Callable[[], None]) -> None:
    """Draw one shard and put it in its place.

    Args:
        people: Stream to draw from.
        shard: Part of the set.
        folder: Folder of the set.
        check: Called before each image; raises to give up.

    Raises:
        OSError: it cannot be written.
    """
    numbers = range(shard.first, shard.first + shard.n)
    with open_shard(folder / shard.name) as writer:
        if shard.kind is Kind.CLIPS:
            for number in numbers:
                labels, frames = draw_clip(people, number)
                writer.add_clip(clip_key(number), labels, _checked(frames, check))
        else:
            for start in numbers[::BLOCK_SIZE]:
                pictures = draw_block(people, start // BLOCK_SIZE, min(BLOCK_SIZE, numbers.stop - start))
                for k, picture in enumerate(_checked(pictures, check)):
                    writer.add_image(image_key(start + k), picture)


def _checked(pictures: Iterator[CodedImage], check: Callable[[], None]) -> Iterator[CodedImage]:
    for picture in pictures:
        check()
        yield picture
