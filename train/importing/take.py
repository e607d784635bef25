"""What readers of other people's data give: images of one person by one camera, with coordinates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from train.errors import TrainError

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """What is known of one moment, in a ground whose Y is up."""

    angles_rad: Mapping[str, float]
    """Coordinates of kinecast's skeleton with its signs, by name; those that the source lacks are missing."""
    centres_m: Mapping[str, Array]
    """Joint centres by marker of kinecast's skeleton, such as RHJC. Shape of each: (3,)."""


Read = Callable[[], Iterator[tuple[float, NDArray[np.uint8], Labelled]]]
"""Gives times in s, images (blue green red) and labels in order; TrainError where they are damaged."""


@dataclass(frozen=True, slots=True)
class Take:
    """Images of one person by one camera."""

    subject: str
    name: str
    read: Read
    fov_deg: float | None = None
    """Field of view along the longer side, if known."""


CENTRES: dict[str, tuple[str, ...]] = {
    f"{side}{joint}JC": tuple(f"{body}_{side.lower()}" for body in bodies)
    + (tuple(bodies) if side == "R" else ())
    for side in "RL"
    for joint, bodies in {
        "H": ("femur",), "K": ("tibia",), "A": ("talus",), "S": ("humerus",), "E": ("ulna",),
        "W": ("hand", "lunate"),
    }.items()
}  # fmt: skip
"""Marker of a joint centre -> bodies that the joint may carry; D3KE's right arm has no suffix."""


def video_frames(path: Path, every: int) -> Iterator[tuple[int, float, NDArray[np.uint8]]]:
    """One of every so many frames of a video: number, time in s, image.

    Raises:
        TrainError: it cannot be read.
    """
    capture = cv2.VideoCapture(str(path.absolute()))
    fps = capture.get(cv2.CAP_PROP_FPS)
    if not capture.isOpened() or not 1.0 <= fps <= 1000.0:
        raise TrainError(f"{path}: not a video that can be read")
    try:
        number = 0
        while capture.grab():
            if number % every == 0:
                is_read, image = capture.retrieve()
                if is_read:
                    yield number, number / fps, np.asarray(image, np.uint8)
            number += 1
    finally:
        capture.release()
