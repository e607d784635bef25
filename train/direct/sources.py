"""Sources of training images: shards on disk in any order, or people rendered on the fly."""

from __future__ import annotations

import os
import tarfile
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from calib.skeleton import Skeleton
from train.errors import TrainError
from train.synth.folder import read_description
from train.synth.labels import decode_estimated_labels
from train.synth.people import BLOCK_SIZE, PeopleStream
from train.synth.recipe import Recipe, draw_block, image_key
from train.synth.shards import CodedImage, Kind, LabelledImage, check_whole, decode_image, shard_paths

ENDLESS = 2**40
"""Images of a stream."""


class PictureSource(Protocol):
    """Numbered images; files are opened and people rendered in the calling process."""

    identity: str
    """Identity of the images: it changes whenever any image does."""
    is_random_access: bool
    """Whether images can be read in any order at the same speed."""

    def __len__(self) -> int: ...

    def picture(self, index: int) -> LabelledImage:
        """One of them."""


class ShardPictures:
    """The images of sets on disk, by number.

    Args:
        folders: Sets made by `kinecast train synth`.
        skeleton: Skeleton that the labels must belong to.
        with_clips: Whether the frames of clips count; many of them look alike.

    Raises:
        TrainError: a folder holds no images, a shard is damaged, or the labels are of another skeleton.
    """

    is_random_access = True

    def __init__(self, folders: list[Path], skeleton: Skeleton, *, with_clips: bool = True) -> None:
        kinds = [Kind.IMAGES, Kind.CLIPS] if with_clips else [Kind.IMAGES]
        self._paths: list[Path] = []
        rows: list[tuple[int, int, int, int, int]] = []
        for folder in folders:
            check_skeleton(folder, skeleton)
            for path in [path for kind in kinds for path in shard_paths(folder, kind)]:
                rows += [(len(self._paths), *row) for row in _members(path)]
                self._paths.append(path)
        if not rows:
            names = ", ".join(map(str, folders))
            raise TrainError(f"{names}: no images; make some: kinecast train synth --out DIR --images 1000")
        self._rows = np.array(rows)
        self.identity = f"{len(rows)} images of " + ", ".join(f"{f.resolve()}" for f in folders)
        self._handles: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def picture(self, index: int) -> LabelledImage:
        """Read one image.

        Raises:
            TrainError: it is damaged, or gone.
        """
        shard, image_at, image_size, labels_at, labels_size = self._rows[index].tolist()
        try:
            jpeg = os.pread(self._handle(shard), image_size, image_at)
            labels = decode_estimated_labels(os.pread(self._handle(shard), labels_size, labels_at))
            return LabelledImage(str(index), decode_image(jpeg), labels)
        except (OSError, TrainError) as error:
            raise TrainError(f"{self._paths[shard]}: cannot be read ({error}); make it again") from error

    def _handle(self, shard: int) -> int:
        if shard not in self._handles:
            self._handles[shard] = os.open(self._paths[shard], os.O_RDONLY)
        return self._handles[shard]

    def __getstate__(self) -> dict[str, object]:
        """The state without open files; another process opens its own."""
        return {**self.__dict__, "_handles": {}}


def _members(path: Path) -> list[tuple[int, int, int, int]]:
    """Offset and size of image and labels of each sample of a shard, in order."""
    places: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        check_whole(path)
        with tarfile.open(path) as tar:
            for entry in tar:
                stem, _, kind = entry.name.rpartition(".")
                places.setdefault(stem, {})[kind] = (entry.offset_data, entry.size)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise TrainError(f"{path}: cannot be read ({error}); delete it and make it again") from error
    return [(*parts["jpg"], *parts["mp"]) for parts in places.values() if parts.keys() == {"jpg", "mp"}]


def check_skeleton(folder: Path, skeleton: Skeleton) -> None:
    """Refuse images labelled with another skeleton.

    Raises:
        TrainError: naming the set and both skeletons.
    """
    description = read_description(folder)
    if description.skeleton_sha != skeleton.sha:
        raise TrainError(
            f"{folder}: labelled with skeleton {description.skeleton_sha[:12]}, this one is "
            f"{skeleton.sha[:12]}; make the set again with this version: kinecast train synth --out DIR"
        )


class StreamPictures:
    """People rendered on demand: no disk, and no person occurs twice.

    Images of one block are rendered together, so read them in order.

    Args:
        recipe: Description of the people to render.
    """

    is_random_access = False

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self.identity = f"stream of {recipe}"

    def __len__(self) -> int:
        return ENDLESS

    def picture(self, index: int) -> LabelledImage:
        """Render one image, or take it from its block.

        Raises:
            TrainError: as `Recipe.open`.
        """
        block = _block(self._recipe, index // BLOCK_SIZE)
        return block[index % BLOCK_SIZE].decoded(image_key(index))


@lru_cache(maxsize=1)
def _people(recipe: Recipe) -> PeopleStream:
    return recipe.open()


@lru_cache(maxsize=2)
def _block(recipe: Recipe, number: int) -> list[CodedImage]:
    return list(draw_block(_people(recipe), number))
