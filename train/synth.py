"""Makes synthetic people: on the fly as a stream, or as a set of shards on disk by many processes.

A picture depends on the recipe and its number alone. So a set that was interrupted goes on where it
stopped, any number of workers makes the same bytes, and the stream gives what the shards hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from calib.skeleton import load_skeleton
from train.errors import TrainError
from train.labels import ClipLabels, Labels
from train.motion_choice import PROCEDURAL, choose_motions
from train.people import BLOCK_SIZE, PeopleStream, Sample
from train.poses import MotionLibrary
from train.puppet import PuppetPool
from train.shards import CodedImage, Kind, LabelledClip, LabelledImage, ShardWriter, open_shard

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
    """Captured motion to add: as for `train.motion_choice.choose_motions`."""
    bodies: Path | None = None
    """Exported adults; the user's cache if None."""

    def open(self) -> PeopleStream:
        """Load everything that is drawn from.

        Raises:
            TrainError: the seed or the size is out of range, or something is missing.
        """
        if not SMALLEST_PX <= self.size_px <= LARGEST_PX:
            raise TrainError(f"pictures of {self.size_px} px; accepted: {SMALLEST_PX} to {LARGEST_PX}")
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
    """A part of a set: so many pictures, or clips, from the first."""

    kind: Kind
    number: int
    first: int
    """A multiple of `train.people.BLOCK_SIZE` if pictures."""
    n: int

    @property
    def name(self) -> str:
        """Its file."""
        return f"{self.kind}-{self.number:06d}.tar"


def plan(kind: Kind, n: int, n_per_shard: int) -> list[Shard]:
    """The shards of `n` pictures or clips."""
    starts = range(0, n, n_per_shard)
    return [Shard(kind, k, first, min(n_per_shard, n - first)) for k, first in enumerate(starts)]


def stream(recipe: Recipe, *, first: int = 0, step: int = 1) -> Iterator[LabelledImage]:
    """Endless pictures, the same as a set of this recipe holds.

    Args:
        recipe: What to draw.
        first: Block to start with; a block is `train.people.BLOCK_SIZE` pictures of one person.
        step: Draw every `step`-th block, so that several streams share the work.

    Raises:
        TrainError: as `Recipe.open`.
    """
    people = recipe.open()
    for block in count(first, step):
        for k, sample in enumerate(people.block(block)):
            yield coded(sample).decoded(image_key(block * BLOCK_SIZE + k))


def stream_clips(recipe: Recipe, *, first: int = 0, step: int = 1) -> Iterator[LabelledClip]:
    """Endless clips, the same as a set of this recipe holds; arguments as for `stream`."""
    people = recipe.open()
    for number in count(first, step):
        key = clip_key(number)
        samples = list(people.clip(number))
        frames = (coded(sample).decoded(f"{key}.{k:04d}") for k, sample in enumerate(samples))
        yield LabelledClip(key, ClipLabels.of(samples[0].person.motion), tuple(frames))


def image_key(index: int) -> str:
    """Key of a picture in its set."""
    return f"{index:09d}"


def clip_key(index: int) -> str:
    """Key of a clip in its set."""
    return f"clip{index:06d}"


def coded(sample: Sample) -> CodedImage:
    """A picture and its labels as they are stored."""
    return CodedImage.of(sample.picture.image, Labels.of(sample))


def write_shard(people: PeopleStream, shard: Shard, folder: Path, check: Callable[[], None]) -> None:
    """Draw one shard and put it in its place.

    Args:
        people: To draw from.
        shard: Which.
        folder: Of the set.
        check: Called before each picture; raises to give up.

    Raises:
        OSError: it cannot be written.
    """
    numbers = range(shard.first, shard.first + shard.n)
    with open_shard(folder / shard.name) as writer:
        if shard.kind is Kind.CLIPS:
            for number in numbers:
                _write_clip(people, number, writer, check)
        else:
            for start in numbers[::BLOCK_SIZE]:
                n = min(BLOCK_SIZE, numbers.stop - start)
                for k, sample in enumerate(islice(people.block(start // BLOCK_SIZE), n)):
                    check()
                    writer.add_image(image_key(start + k), coded(sample))


def _write_clip(people: PeopleStream, number: int, writer: ShardWriter, check: Callable[[], None]) -> None:
    frames = []
    for sample in people.clip(number):
        check()
        frames.append(coded(sample))
    writer.add_clip(clip_key(number), ClipLabels.of(sample.person.motion), frames)
