"""Makes synthetic people: on the fly as a stream, or as a set of shards on disk.

```python
from itertools import islice

from train.synth.stream import Recipe, stream

for image in islice(stream(Recipe(seed=1)), 3):
    print(image.image.shape, image.labels.q)
```

Several workers are processes that import the script anew: such a script needs `if __name__ == "__main__":`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

from train.synth.folder import explain
from train.synth.labels import ClipLabels
from train.synth.people import BLOCK_SIZE, PeopleStream
from train.synth.recipe import Recipe, Shard, clip_key, draw_block, draw_clip, image_key, write_shard
from train.synth.shards import CodedImage, LabelledClip, LabelledImage
from train.synth.workers import ClusterWorkers, Workers, check_stop

__all__ = ["Recipe", "make_shards", "stream", "stream_clips"]


def stream(recipe: Recipe, *, first: int = 0, step: int = 1, workers: int = 1) -> Iterator[LabelledImage]:
    """Endless images, bit for bit those that a set of this recipe holds.

    Args:
        recipe: Recipe to draw.
        first: Block to start with; a block is `train.synth.people.BLOCK_SIZE` images of one person.
        step: Draw every `step`-th block, so that several streams share the work.
        workers: Processes that draw.

    Raises:
        TrainError: as `Recipe.open`.
    """
    with Workers(recipe, workers) as pool:
        blocks = pool.in_order(_block, count(first, step))
        for number, block in zip(count(first, step), blocks, strict=False):
            for k, picture in enumerate(block):
                yield picture.decoded(image_key(number * BLOCK_SIZE + k))


def stream_clips(
    recipe: Recipe, *, first: int = 0, step: int = 1, workers: int = 1
) -> Iterator[LabelledClip]:
    """Endless clips, bit for bit those that a set of this recipe holds; arguments as for `stream`."""
    with Workers(recipe, workers) as pool:
        clips = pool.in_order(_clip, count(first, step))
        for number, (labels, frames) in zip(count(first, step), clips, strict=False):
            key = clip_key(number)
            pictures = (frame.decoded(f"{key}.{k:04d}") for k, frame in enumerate(frames))
            yield LabelledClip(key, labels, tuple(pictures))


def make_shards(pool: Workers | ClusterWorkers, shards: list[Shard], folder: Path) -> Iterator[Shard]:
    """Make shards and tell each as it is done, in any order.

    Raises:
        TrainError: the disk is full, a worker was killed, or what is drawn from is missing.
    """
    try:
        for shard, _ in pool.in_any_order(partial(_shard, folder), shards):
            yield shard
    except OSError as error:
        raise explain(error, folder) from error


def _block(people: PeopleStream, number: int) -> list[CodedImage]:
    return list(draw_block(people, number))


def _clip(people: PeopleStream, number: int) -> tuple[ClipLabels, list[CodedImage]]:
    labels, frames = draw_clip(people, number)
    return labels, list(frames)


def _shard(folder: Path, people: PeopleStream, shard: Shard) -> None:
    write_shard(people, shard, folder, check_stop)
