"""Further people of a stream, each a figure in a colour of their own, in the ground of the first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realtime.client import Subscription
from realtime.stream.messages import Camera
from realtime.viewer.body import DrawnBody
from realtime.viewer.posture import Posture, posture_of

Array = NDArray[np.float64]

SILENCE_S = 2.0
"""Time without a sample after which the figure is hidden."""


class FurtherPerson:
    """The figure of one further person.

    Args:
        stream: Subscription to this person, with poses.
        body: Figure to move.
        number: Number of the person, from 2.
    """

    def __init__(self, stream: Subscription, body: DrawnBody, number: int) -> None:
        self._stream, self.body = stream, body
        self.name = f"person_{number}"
        """Name of the figure."""
        self._taken_s = -np.inf

    def take(self, now_s: float, camera: Camera | None) -> bool:
        """Show the newest sample; returns whether the figure has changed.

        Args:
            now_s: Time on any monotonic clock.
            camera: Camera in the ground of the first person; None while it is not known.
        """
        sample = self._stream.receive(0.0)
        if sample is None or camera is None:
            is_silent = self.body.is_visible and now_s - self._taken_s > SILENCE_S
            if is_silent:
                self.body.hide()
            return is_silent
        self._taken_s = now_s
        self.body.show(in_ground_of(camera, posture_of(sample), sample.meta.camera))
        return True

    def close(self) -> None:
        """End the subscription."""
        self._stream.close()


def in_ground_of(camera: Camera, posture: Posture, own: Camera | None) -> Posture:
    """A posture in another ground, which the camera brings together with its own.

    Args:
        camera: The camera, in the other ground.
        posture: Posture in its own ground.
        own: The same camera in the posture's ground; None leaves the posture where it is.
    """
    if own is None:
        return posture
    return posture.moved(np.array(camera.T_ground_cam) @ np.linalg.inv(np.array(own.T_ground_cam)))
