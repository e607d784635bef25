"""The window on the main thread, where there is a screen to open one on."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
from cv2.typing import MatLike

TITLE = "kinecast - q or Esc ends"
PROBE_TIMEOUT_S = 20.0
_ENDING_KEYS = (ord("q"), 27)
_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1); cv2.destroyAllWindows()"


def display_problem() -> str | None:
    """Why no window can be opened here; None if one can.

    On Linux a screen that cannot be reached makes the window library end the whole process, so a child
    process tries first.
    """
    if sys.platform == "linux":
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            return "no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)"
        try:
            probe = subprocess.run(
                [sys.executable, "-c", _PROBE], capture_output=True, timeout=PROBE_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return "the screen does not answer"
        if probe.returncode:
            return "the screen cannot be reached, or this OpenCV is built without windows"
        return None
    try:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
        cv2.destroyWindow(TITLE)
    except cv2.error:
        return "this OpenCV is built without windows"
    return None


class Window:
    """Shows pictures; every call belongs to the main thread."""

    def __init__(self) -> None:
        self._is_shown = False

    def show(self, image: MatLike) -> None:
        """Replace the picture; the window opens with the first."""
        if not self._is_shown:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
            cv2.resizeWindow(TITLE, image.shape[1], image.shape[0])
        cv2.imshow(TITLE, image)
        self._is_shown = True

    def is_open(self) -> bool:
        """Let the window react; False once the user has closed it or pressed q or Esc."""
        if not self._is_shown:
            return True
        if cv2.waitKey(1) & 0xFF in _ENDING_KEYS:
            return False
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        """Remove the window."""
        if self._is_shown:
            cv2.destroyAllWindows()
            self._is_shown = False
