"""The window that shows the overlay, on the main thread, if there is a screen."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from realtime.overlay.fitted import fitted, fitted_size_px
from realtime.overlay.virtual_camera import VirtualCamera

TITLE = "kinecast - q or Esc ends"
PROBE_TIMEOUT_S = 20.0
_ENDING_KEYS = (ord("q"), 27)
_NO_KEY = 0xFF
_STYLE = cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL
"""A plain window that can be resized; by default, Qt adds a toolbar, a status bar and margins."""
LARGEST_PX = (1280, 720)
"""Largest size at which a window is opened, so that it fits on a laptop's screen."""
_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1); cv2.destroyAllWindows()"


def display_problem() -> str | None:
    """Reason why no window can be opened here; None if one can.

    On Linux, the window library ends the whole process if the screen cannot be reached, so a child
    process tries first.
    """
    quiet_qt()
    if sys.platform == "linux":
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            return "no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)"
        try:
            probe = subprocess.run(
                [sys.executable, "-c", _PROBE], capture_output=True, timeout=PROBE_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return "the screen does not respond"
        if probe.returncode:
            return "the screen cannot be reached, or this OpenCV is built without windows"
        return None
    try:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
        cv2.destroyWindow(TITLE)
    except cv2.error:
        return "this OpenCV is built without windows"
    return None


def quiet_qt() -> None:
    """Suppress the window library's warnings about fonts that kinecast does not use."""
    os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")


class Window:
    """Shows images; every call must come from the main thread, except reading `size_px`.

    The window library shrinks images by nearest neighbour, in which text cannot be read. Images are
    therefore scaled here; what is drawn at `size_px` is shown pixel by pixel.

    Args:
        camera: Virtual camera that shows the same images, also without a window.
    """

    def __init__(self, camera: VirtualCamera | None = None) -> None:
        self._camera = camera
        self._is_shown = False
        self._note = self._key = ""
        self._click_px: tuple[int, int] | None = None
        self._image: MatLike | None = None
        self._size_px = LARGEST_PX

    @property
    def is_shown(self) -> bool:
        """Whether the window has been opened and not been closed since."""
        return self._is_shown

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the area for images."""
        return self._size_px

    def open(self, width_px: int, height_px: int) -> None:
        """Show an empty window; call it before tracking starts, because the window library loads slowly.

        Args:
            width_px: Width of the images to be shown; larger ones than `LARGEST_PX` open a smaller window.
            height_px: Height of these images.
        """
        quiet_qt()
        shrinks = width_px > LARGEST_PX[0] or height_px > LARGEST_PX[1]
        size_px = fitted_size_px((width_px, height_px), LARGEST_PX) if shrinks else (width_px, height_px)
        cv2.namedWindow(TITLE, _STYLE)
        cv2.resizeWindow(TITLE, *size_px)
        cv2.setMouseCallback(TITLE, self._on_mouse)
        self._is_shown, self._size_px = True, size_px
        self.show(np.zeros((size_px[1], size_px[0], 3), dtype=np.uint8))
        cv2.waitKey(1)

    def show(self, image: MatLike) -> None:
        """Replace the image of the window and of the virtual camera; scaled to fit, with black bars."""
        if self._camera is not None:
            self._camera.send(np.asarray(image, dtype=np.uint8))
        self._image = image
        if not self._is_shown:
            return
        cv2.imshow(TITLE, _framed(image, self._size_px))

    def set_note(self, note: str) -> None:
        """Show a note in the title, such as that the camera is gone and no new images arrive."""
        if self._is_shown and note != self._note:
            cv2.setWindowTitle(TITLE, f"{TITLE} - {note}" if note else TITLE)
            self._note = note

    def take_key(self) -> str:
        """The letter that was pressed last since the last call; empty if none was."""
        key, self._key = self._key, ""
        return key

    def take_click(self) -> tuple[float, float] | None:
        """Point of the shown image that was clicked last since the last call; None if none was.

        Returns:
            From the left and from the upper edge, from 0 to 1.
        """
        click_px, self._click_px = self._click_px, None
        if click_px is None or self._image is None:
            return None
        height, width = self._image.shape[:2]
        inner_px = fitted_size_px((width, height), self._size_px)
        x, y = (
            (at - (room - size) // 2) / size
            for at, room, size in zip(click_px, self._size_px, inner_px, strict=True)
        )
        return (x, y) if 0.0 <= x <= 1.0 and 0.0 <= y <= 1.0 else None

    def _on_mouse(self, event: int, x: int, y: int, *_: object) -> None:
        if event == cv2.EVENT_LBUTTONDOWN:
            self._click_px = x, y

    def is_open(self) -> bool:
        """Process the window's events; False once the user has closed it or pressed q or Esc."""
        if not self._is_shown:
            return True
        key = cv2.waitKey(1) & 0xFF
        if key in _ENDING_KEYS:
            return False
        self._key = self._key if key == _NO_KEY else chr(key).lower()
        if cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            return False
        self._follow_size()
        return True

    def _follow_size(self) -> None:
        """Take note of the window's size, and scale the shown image anew if the user has changed it."""
        *_, width, height = cv2.getWindowImageRect(TITLE)
        if width > 0 and height > 0 and (width, height) != self._size_px:
            self._size_px = (width, height)
            if self._image is not None:
                self.show(self._image)

    def close(self) -> None:
        """Remove the window, and release the virtual camera."""
        if self._camera is not None:
            self._camera.close()
        if self._is_shown:
            cv2.destroyAllWindows()
            self._is_shown = False


def _framed(image: MatLike, size_px: tuple[int, int]) -> MatLike:
    """The image scaled to fit, in the middle of black. Shape: (height, width, 3)."""
    inner = fitted(np.asarray(image, dtype=np.uint8), size_px)
    height, width = inner.shape[:2]
    if (width, height) == size_px:
        return inner
    frame: NDArray[np.uint8] = np.zeros((size_px[1], size_px[0], 3), dtype=np.uint8)
    left, top = (size_px[0] - width) // 2, (size_px[1] - height) // 2
    frame[top : top + height, left : left + width] = inner
    return frame
