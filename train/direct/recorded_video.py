"""The video that a recording was made of: its own copy without loss, or a file of which it keeps the name."""

from __future__ import annotations

import csv
import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from train.errors import TrainError

OWN_NAME, OWN_FRAMES_NAME = "video.mkv", "video.csv"
"""As `kinecast live --record-video` writes them."""
Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class RecordedVideo:
    """A video whose frames have the numbers of a recording."""

    path: Path
    numbers: tuple[int, ...] | None = None
    """Number of each frame; None: they are counted."""

    def frames(
        self, wanted: frozenset[int], size_px: tuple[int, int]
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Numbers and BGR images of those frames that are wanted.

        Args:
            wanted: Numbers of frames.
            size_px: Width and height that the recording's camera has.

        Raises:
            TrainError: the video cannot be read, or is of another size.
        """
        capture = cv2.VideoCapture(str(self.path.absolute()))  # a colon in a relative name is a protocol
        if not capture.isOpened():
            raise TrainError(f"{self.path}: not a video that can be read")
        try:
            count = 0
            while capture.grab():
                if self.numbers is not None and count >= len(self.numbers):
                    return  # a killed run may leave an image without its number
                number = count if self.numbers is None else self.numbers[count]
                count += 1
                if number not in wanted:
                    continue
                ok, image = capture.retrieve()
                if ok:
                    self._check_size(image.shape[1::-1], size_px)
                    yield number, np.asarray(image, dtype=np.uint8)
        finally:
            capture.release()

    def _check_size(self, found_px: tuple[int, int], size_px: tuple[int, int]) -> None:
        if found_px != size_px:
            here, there = (f"{width}x{height}" for width, height in (found_px, size_px))
            raise TrainError(
                f"{self.path}: {here}, but the recording is of {there}; name the folder of its own video: "
                "--videos DIR"
            )


def find_video(recording: Path, source: str, folders: Sequence[Path] = ()) -> RecordedVideo:
    """The video of a recording.

    Args:
        recording: Folder of the recording.
        source: What its report names as the source; recordings keep no folders.
        folders: Folders to look in, with those below them, before the recording's own and the one around it.

    Raises:
        TrainError: it is nowhere, or several files have its name.
    """
    own, table = recording / OWN_NAME, recording / OWN_FRAMES_NAME
    if own.is_file() and table.is_file():
        return RecordedVideo(own, _numbers(table))
    name = Path(source).name
    for folder in folders:
        if not folder.is_dir():
            raise TrainError(f"{folder}: no folder; name one with videos in it: --videos DIR")
        found = sorted(path for path in folder.rglob(glob.escape(name)) if path.is_file()) if name else []
        if len(found) > 1:
            raise TrainError(
                f"{recording}: {found[0]} and {found[1]} have the name of its video; name one's folder"
            )
        if found:
            return RecordedVideo(found[0])
    for path in (recording / name, recording.parent / name, Path(source)):
        if path.is_file():
            return RecordedVideo(path)
    raise TrainError(
        f"{recording}: its video {name or '(none)'} is not beside it; name the folder that holds it: "
        "--videos DIR"
    )


def _numbers(table: Path) -> tuple[int, ...]:
    try:
        with table.open(newline="") as file:
            return tuple(int(row["frame_id"]) for row in csv.DictReader(file))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainError(f"{table}: not the frames of a recording ({error})") from error
