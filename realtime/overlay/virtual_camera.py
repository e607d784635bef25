"""A camera of the system that shows the overlay, for video calls and other programs, by pyvirtualcam."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RealtimeError
from realtime.overlay.fitted import fitted

Image = NDArray[np.uint8]


class VirtualCamera:
    """Sends images to the first virtual camera of the system.

    Args:
        size_px: Width and height of its images.
        rate_hz: Rate that it states.

    Raises:
        RealtimeError: pyvirtualcam is missing, or the system has no virtual camera.
    """

    def __init__(self, size_px: tuple[int, int], rate_hz: float) -> None:
        try:
            module = import_module("pyvirtualcam")
        except ImportError as error:
            raise RealtimeError(
                f"--virtual-camera needs pyvirtualcam, which cannot be imported ({error}): "
                "pip install 'kinecast[camera]'",
                name="virtual_camera",
            ) from error
        self._size_px = size_px
        try:
            self._camera: Any = module.Camera(*size_px, fps=rate_hz, fmt=module.PixelFormat.BGR)
        except (RuntimeError, OSError) as error:
            raise RealtimeError(
                f"no virtual camera can be opened ({error}); install one (Linux: modprobe v4l2loopback, "
                "elsewhere OBS), and close programs that use it",
                name="virtual_camera",
            ) from error
        self.device = str(self._camera.device)
        """Name by which other programs find it."""

    def send(self, image: Image) -> None:
        """Show an image, scaled to fit, with black bars beside it. Shape: (height, width, 3)."""
        width, height = self._size_px
        inner = fitted(image, self._size_px)
        top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
        frame: Image = np.zeros((height, width, 3), dtype=np.uint8)
        frame[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        self._camera.send(frame)

    def close(self) -> None:
        """Release the camera; may be called twice."""
        self._camera.close()
