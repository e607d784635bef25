"""Videos for studies: short pieces of the demonstration clip, and what no person can be found in."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.published import published

FPS = 30.0
SIZE_PX = (480, 270)


def write_video(path: Path, images: Iterable[NDArray[np.uint8]], fps: float = FPS) -> Path:
    """Write images of `SIZE_PX` as a video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, SIZE_PX)
    assert writer.isOpened()
    for image in images:
        writer.write(image)
    writer.release()
    return path


@cache
def demo_images() -> list[NDArray[np.uint8]]:
    """The demonstration clip's lower half: the upper one is the same person from another side."""
    capture = cv2.VideoCapture(str(published("demo_clip")))
    images = []
    while capture.grab():
        image = capture.retrieve()[1]
        images.append(cv2.resize(image[image.shape[0] // 2 :], SIZE_PX).astype(np.uint8))
    capture.release()
    return images


def cut_demo(path: Path, first: int, n: int) -> Path:
    """The person of the demonstration clip, in so many frames from the first."""
    return write_video(path, demo_images()[first : first + n])


def gray(path: Path, n: int, level: int = 90) -> Path:
    """A video without a person."""
    return write_video(path, [np.full((SIZE_PX[1], SIZE_PX[0], 3), level, np.uint8)] * n)


def broken(path: Path) -> Path:
    """A video that was cut before its index."""
    gray(path, 10)
    path.write_bytes(path.read_bytes()[:600])
    return path
