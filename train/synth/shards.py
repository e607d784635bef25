"""Sets of synthetic images on disk: WebDataset tar files of JPEG images and msgpack labels.

A shard of images holds, for each key, `KEY.jpg` and `KEY.mp` (WebDataset's name for msgpack). A shard of
clips holds, for each key, `KEY.clip.mp` and, for each frame, `KEY.FRAME.jpg` and `KEY.FRAME.mp`. Shards
appear whole or not at all, and the same content always makes the same bytes.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray

from train.errors import TrainError
from train.synth.labels import ClipLabels, Labels, decode_clip_labels, decode_labels, encode

JPEG_QUALITY = 95
"""The webcam's own compression is in the image already; this one should not show."""
PARTIAL = ".partial"
_END = bytes(2 * tarfile.BLOCKSIZE)
"""Last bytes of every tar file."""


class Kind(StrEnum):
    """What a shard holds, and the first word of its name."""

    IMAGES = "images"
    CLIPS = "clips"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """One image and everything that is true about it."""

    key: str
    image: NDArray[np.uint8]
    """Red green blue. Shape: (size, size, 3)."""
    labels: Labels


@dataclass(frozen=True, slots=True, eq=False)
class LabelledClip:
    """Consecutive images of one person by one camera."""

    key: str
    labels: ClipLabels
    frames: tuple[LabelledImage, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CodedImage:
    """One image as it is stored."""

    jpeg: bytes
    labels: Labels

    @classmethod
    def of(cls, image: NDArray[np.uint8], labels: Labels) -> CodedImage:
        """Compress an image.

        Args:
            image: Red green blue. Shape: (size, size, 3).
            labels: Labels of the image.
        """
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        return cls(cv2.imencode(".jpg", image[..., ::-1], options)[1].tobytes(), labels)

    def decoded(self, key: str) -> LabelledImage:
        """The image as it is read back."""
        return LabelledImage(key, decode_image(self.jpeg), self.labels)


class ShardWriter:
    """Appends to one shard; `open_shard` makes it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT)

    def add_image(self, key: str, picture: CodedImage) -> None:
        """Append an image; nothing else may have its key.

        Raises:
            OSError: the disk is full, for instance.
        """
        self._add(f"{key}.jpg", picture.jpeg)
        self._add(f"{key}.mp", encode(picture.labels))

    def add_clip(self, key: str, labels: ClipLabels, frames: Iterable[CodedImage]) -> None:
        """Append a clip; nothing else may have its key.

        Raises:
            OSError: the disk is full, for instance.
        """
        self._add(f"{key}.clip.mp", encode(labels))
        for k, frame in enumerate(frames):
            self.add_image(f"{key}.{k:04d}", frame)

    def _add(self, name: str, data: bytes) -> None:
        # A fresh entry belongs to nobody and has no date: nothing in it depends on where it is written.
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        self._tar.addfile(entry, io.BytesIO(data))

    def finish(self) -> None:
        """Write the end of the archive."""
        self._tar.close()


@contextmanager
def open_shard(path: Path) -> Iterator[ShardWriter]:
    """A shard to write, which appears at `path` at the end, and only where nothing went wrong.

    Raises:
        OSError: it cannot be written.
    """
    handle, partial = tempfile.mkstemp(PARTIAL, f".{path.name}.", path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            writer = ShardWriter(file)
            yield writer
            writer.finish()
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o644)  # temporary files are their owner's alone
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)


def remove_partial(folder: Path) -> None:
    """Clear what killed processes left."""
    for path in folder.glob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


def shard_paths(folder: Path, kind: Kind) -> list[Path]:
    """The complete shards of a folder, in order.

    Raises:
        TrainError: there is no such folder.
    """
    if not folder.is_dir():
        raise TrainError(
            f"{folder}: no such folder; make a set with: kinecast train synth --out {folder} --images 1000"
        )
    return sorted(folder.glob(f"{kind}-??????.tar"))


def read_images(folder: Path) -> Iterator[LabelledImage]:
    """The images of a set that belong to no clip, in order.

    Raises:
        TrainError: there is no such folder, or a shard is damaged.
    """
    for path in shard_paths(folder, Kind.IMAGES):
        for key, parts in _samples(path):
            yield _image(path, key, parts, "")


def read_clips(folder: Path) -> Iterator[LabelledClip]:
    """The clips of a set, in order.

    Raises:
        TrainError: there is no such folder, or a shard is damaged.
    """
    for path in shard_paths(folder, Kind.CLIPS):
        for key, parts in _samples(path):
            labels = decode_clip_labels(_part(path, key, parts, "clip.mp"))
            frames = tuple(_image(path, key, parts, f"{k:04d}.") for k in range(len(labels.t_s)))
            yield LabelledClip(key, labels, frames)


def check_whole(path: Path) -> None:
    """Refuse a shard that was cut off; cut between two files, it would read as a shorter one.

    Raises:
        OSError: it does not end as a tar file does, or cannot be read.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_END)))
        if file.read() != _END:
            raise OSError("it ends early")


def decode_image(jpeg: bytes) -> NDArray[np.uint8]:
    """Red green blue. Shape: (size, size, 3).

    Raises:
        TrainError: this is no image.
    """
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
    if image is None:
        raise TrainError("not a JPEG image")
    return np.ascontiguousarray(np.asarray(image, np.uint8)[..., ::-1])


def _samples(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Each key of a tar file with its parts by extension."""
    try:
        check_whole(path)
        with tarfile.open(path) as tar:
            entries = ((*entry.name.partition(".")[::2], entry) for entry in tar if entry.isfile())
            for key, group in groupby(entries, key=lambda item: item[0]):
                yield key, {name: _content(tar, entry) for _, name, entry in group}
    except (tarfile.TarError, OSError, EOFError) as error:
        raise TrainError(f"{path}: cannot be read ({error}); delete it and make it again") from error


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(entry)
    assert file is not None  # only files are asked for
    return file.read()


def _image(path: Path, key: str, parts: dict[str, bytes], prefix: str) -> LabelledImage:
    try:
        image = decode_image(_part(path, key, parts, f"{prefix}jpg"))
        labels = decode_labels(_part(path, key, parts, f"{prefix}mp"))
    except TrainError as error:
        raise TrainError(f"{path}: {key}: {error}") from error
    return LabelledImage(key, image, labels)


def _part(path: Path, key: str, parts: dict[str, bytes], name: str) -> bytes:
    if name not in parts:
        raise TrainError(f"{path}: {key} has no {name}; delete the file and make it again")
    return parts[name]
