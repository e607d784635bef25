"""The window that shows the overlay, on the main thread, if there is a screen."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np
from cv2.typing import MatLike

TITLE = "kinecast - q or Esc ends"
PROBE_TIMEOUT_S = 20.0
_ENDING_KEYS = (ord("q"), 27)
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
    """Shows images; every call must come from the main thread."""

    def __init__(self) -> None:
        self._is_shown = False
        self._note = ""

    @property
    def is_shown(self) -> bool:
        """Whether the window has been opened and not been closed since."""
        return self._is_shown

    def open(self, width_px: int, height_px: int) -> None:
        """Show an empty window; call it before tracking starts, because the window library loads slowly."""
        quiet_qt()
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        cv2.resizeWindow(TITLE, width_px, height_px)
        self._is_shown = True
        self.show(np.zeros((height_px, width_px, 3), dtype=np.uint8))
        cv2.waitKey(1)

    def show(self, image: MatLike) -> None:
        """Replace the image of an open window."""
        cv2.imshow(TITLE, image)

    def set_note(self, note: str) -> None:
        """Show a note in the title, such as that the camera is gone and no new images arrive."""
        if self._is_shown and note != self._note:
            cv2.setWindowTitle(TITLE, f"{TITLE} - {note}" if note else TITLE)
            self._note = note

    def is_open(self) -> bool:
        """Process the window's events; False once the user has closed it or pressed q or Esc."""
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
