"""Live sources: cameras and network streams, with a watchdog that reconnects."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from pathlib import Path

import cv2

from realtime.errors import SourceError
from realtime.sample import Frame
from realtime.source_names import public_source
from realtime.sources.pixels import PixelShape
from realtime.sources.source import DEFAULT_FPS, FPS_RANGE, as_bgr, quiet_opencv

logger = logging.getLogger(__name__)

DEFAULT_SIZE_PX = (640, 480)
RETRY_FIRST_S = 0.5
RETRY_LONGEST_S = 8.0
OPEN_TIMEOUT_MS = 5000
READ_TIMEOUT_MS = 5000
SETTLE_S = 4.0
"""Some cameras fail for a while after they are opened."""

_CAMERA_BACKENDS = {"linux": "V4L2", "darwin": "AVFOUNDATION", "win32": "DSHOW"}


class _LiveSource:
    """A capture that may vanish at any time: reading goes on once it is back."""

    is_live = True
    n_frames: int | None = None

    def __init__(self, description: str) -> None:
        self.description = description
        self.width_px = 0
        self.height_px = 0
        self.fps = DEFAULT_FPS
        self.note = ""
        self._capture: cv2.VideoCapture | None = None
        self._pixels = PixelShape()
        self._interrupted = threading.Event()
        self._frame_id = 0

    def _connect(self) -> tuple[cv2.VideoCapture, tuple[int, int]]:
        """A capture that has given an image, and the width and height of the image with square pixels.

        Raises:
            SourceError: nothing was found.
        """
        raise NotImplementedError

    def open(self) -> None:
        """Connect and learn the size of the images.

        Raises:
            SourceError: nothing was found; the message says what was tried.
        """
        quiet_opencv()
        self.close()
        self._interrupted.clear()
        self._frame_id = 0
        self._capture, (self.width_px, self.height_px) = self._connect()
        self._pixels = PixelShape.of(self._capture)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if FPS_RANGE[0] <= rate <= FPS_RANGE[1] else DEFAULT_FPS

    def read(self) -> Frame | None:
        """The next frame, after reconnecting if need be; None only after `interrupt`."""
        while not self._interrupted.is_set():
            if self._capture is None:
                self._reconnect()
                continue
            if self._capture.grab():
                # Between grab and retrieve: decoding is part of the latency, not of the image's age.
                t_capture_ns = time.perf_counter_ns()
                decoded, image = self._capture.retrieve()
                image = self._pixels.square(image) if decoded else image
                if decoded and image.shape[:2] == (self.height_px, self.width_px):
                    frame = Frame(self._frame_id, t_capture_ns, as_bgr(image))
                    self._frame_id += 1
                    return frame
            self.close()
        return None

    def _reconnect(self) -> None:
        """Try again and again, at growing intervals, until a capture is back or reading is interrupted."""
        self.note = f"{self.description} is gone, trying again"
        logger.warning("%s gives no more images; trying to reconnect", self.description)
        lost_ns, retry_s = time.perf_counter_ns(), RETRY_FIRST_S
        while not self._interrupted.wait(retry_s):
            retry_s = min(2.0 * retry_s, RETRY_LONGEST_S)
            try:
                capture, size_px = self._connect()
            except SourceError:
                continue
            if size_px != (self.width_px, self.height_px):
                capture.release()
                raise SourceError(
                    f"{self.description} came back with images of {size_px[0]}x{size_px[1]}, it gave "
                    f"{self.width_px}x{self.height_px} before; start again",
                    name="size_px",
                    value=size_px,
                    accepted=[(self.width_px, self.height_px)],
                )
            self._capture, self.note = capture, ""
            lost_s = (time.perf_counter_ns() - lost_ns) * 1e-9
            logger.warning("%s is back after %.1f s", self.description, lost_s)
            return

    def interrupt(self) -> None:
        """Make a waiting `read` return None."""
        self._interrupted.set()

    def close(self) -> None:
        """Release the capture."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


class CameraSource(_LiveSource):
    """A camera attached to this computer, by its number."""

    def __init__(
        self, index: int = 0, *, size_px: tuple[int, int] | None = None, fps: float = DEFAULT_FPS
    ) -> None:
        super().__init__(f"camera {index}")
        self.index = index
        self._size_px = size_px or DEFAULT_SIZE_PX
        self._asked_fps = fps

    def _connect(self) -> tuple[cv2.VideoCapture, tuple[int, int]]:
        tried = []
        for name in (_CAMERA_BACKENDS.get(sys.platform, "ANY"), "ANY"):
            if name in tried:
                continue
            capture = cv2.VideoCapture(self.index, getattr(cv2, f"CAP_{name}"))
            if capture.isOpened():
                self._configure(capture)
                if size_px := _picture_size(capture):
                    return capture, size_px
                tried.append(f"{name} (opens but gives no image)")
            else:
                tried.append(name)
            capture.release()
        raise SourceError(
            self._failure(tried),
            name="source",
            value=self.index,
            accepted=[index for index, _ in list_cameras()],
        )

    def _configure(self, capture: cv2.VideoCapture) -> None:
        """Ask for size, rate and the newest image; a camera may refuse each of them."""
        width_px, height_px = self._size_px
        if width_px * height_px > DEFAULT_SIZE_PX[0] * DEFAULT_SIZE_PX[1] or self._asked_fps > DEFAULT_FPS:
            # Raw images this large or this often do not fit through USB 2.
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width_px)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height_px)
        capture.set(cv2.CAP_PROP_FPS, self._asked_fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def _failure(self, tried: list[str]) -> str:
        present = list_cameras()
        found = ", ".join(f"{index} ({name})" for index, name in present) or "none"
        advice = "use a video instead: kinecast replay VIDEO --out DIR"
        device = Path(f"/dev/video{self.index}")
        if device.exists() and not os.access(device, os.R_OK | os.W_OK):
            advice = f"you may not use {device}: sudo usermod -aG video $USER, then log in again"
        elif any(index == self.index for index, _ in present):
            advice = "close the program that uses it, or unplug it and plug it in again"
        elif present:
            advice = f"try --source {present[0][0]}"
        attempts = ", ".join(tried)
        return f"{self.description} cannot be opened (tried {attempts}; cameras found: {found}); {advice}"


class StreamSource(_LiveSource):
    """A network camera: RTSP, RTMP, MJPEG over HTTP and whatever else FFmpeg receives."""

    def __init__(self, url: str) -> None:
        super().__init__(public_source(url))
        self._url = url

    def _connect(self) -> tuple[cv2.VideoCapture, tuple[int, int]]:
        timeouts = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            OPEN_TIMEOUT_MS,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            READ_TIMEOUT_MS,
        ]
        capture = cv2.VideoCapture(self._url, cv2.CAP_FFMPEG, timeouts)
        if capture.isOpened() and (size_px := _picture_size(capture)):
            return capture, size_px
        capture.release()
        raise SourceError(
            f"{self.description}: no images within {OPEN_TIMEOUT_MS / 1000:.0f} s (tried FFmpeg); check "
            "address, user and password with: ffplay URL",
            name="source",
            value=self.description,
        )


def list_cameras(probe_up_to: int = 4) -> list[tuple[int, str]]:
    """Numbers and names of the cameras that this computer shows.

    Linux lists them without opening any; elsewhere each number below `probe_up_to` is opened in turn.
    """
    if sys.platform == "linux":
        found = []
        for device in Path("/dev").glob("video*"):
            if number := re.fullmatch(r"video(\d+)", device.name):
                label = Path("/sys/class/video4linux") / device.name / "name"
                name = label.read_text().strip() if label.is_file() else str(device)
                found.append((int(number[1]), name))
        return sorted(found)
    quiet_opencv()
    backend = getattr(cv2, f"CAP_{_CAMERA_BACKENDS.get(sys.platform, 'ANY')}")
    found = []
    for index in range(probe_up_to):
        capture = cv2.VideoCapture(index, backend)
        if capture.isOpened():
            found.append((index, capture.getBackendName()))
        capture.release()
    return found


def device_name(source: object) -> str:
    """Name that this computer gives an attached camera; empty for other sources, and where it is unknown."""
    if not isinstance(source, CameraSource) or sys.platform != "linux":
        return ""
    return next((name for index, name in list_cameras() if index == source.index), "")


def _picture_size(capture: cv2.VideoCapture) -> tuple[int, int] | None:
    """Width and height with square pixels of the first image; the driver may announce another size."""
    deadline_ns = time.perf_counter_ns() + int(SETTLE_S * 1e9)
    while time.perf_counter_ns() < deadline_ns:
        decoded, image = capture.read()
        if decoded:
            return PixelShape.of(capture).size_px(image.shape[1], image.shape[0])
        time.sleep(0.02)
    return None
