"""A drawn person who walks on the spot and turns: a source without a camera, the same in every run."""

from __future__ import annotations

import math
import threading
import time

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.sample import Frame

SIZE_PX = (640, 480)
STRIDE_S = 1.2
TURN_S = 12.0
PIXELS_PER_M = 225.0
FEET_PX = (320.0, 440.0)

_SKIN, _HAIR, _SHOES = (150, 180, 225), (40, 55, 75), (40, 40, 40)
_SHIRT, _TROUSERS = (60, 90, 190), (120, 80, 50)
_SUB_PIXEL_BITS = 4

# Segment: points it joins, width in m, colour.
_SEGMENTS = (
    ("hip_l", "hip_r", 0.16, _TROUSERS),
    ("shoulder_l", "shoulder_r", 0.12, _SHIRT),
    ("pelvis", "neck", 0.30, _SHIRT),
    ("neck", "head", 0.10, _SKIN),
    *((f"{a}_{side}", f"{b}_{side}", width, colour) for side in "lr" for a, b, width, colour in (
        ("hip", "knee", 0.15, _TROUSERS), ("knee", "ankle", 0.11, _TROUSERS), ("ankle", "toe", 0.08, _SHOES),
        ("shoulder", "elbow", 0.10, _SHIRT), ("elbow", "wrist", 0.08, _SKIN), ("wrist", "hand", 0.07, _SKIN),
    )),
)  # fmt: skip


class SyntheticSource:
    """Images of the drawn person, computed from the frame number alone; endless without `n_frames`."""

    is_live = False
    note = ""
    description = "synthetic"

    def __init__(
        self, n_frames: int | None = None, fps: float = 30.0, size_px: tuple[int, int] = SIZE_PX
    ) -> None:
        self.width_px, self.height_px = size_px
        self.fps = fps
        self.n_frames = n_frames
        self._interrupted = threading.Event()
        self._frame_id = 0
        self._start_ns = 0

    def open(self) -> None:
        """Start again from the first frame."""
        self._interrupted.clear()
        self._frame_id = 0

    def read(self) -> Frame | None:
        """Draw the next frame."""
        if self._interrupted.is_set() or self._frame_id == self.n_frames:
            return None
        if self._frame_id == 0:
            self._start_ns = time.perf_counter_ns()
        presented_ns = round(self._frame_id * 1e9 / self.fps)
        image = draw_person(presented_ns * 1e-9, (self.width_px, self.height_px))
        image.flags.writeable = False
        frame = Frame(self._frame_id, self._start_ns + presented_ns, image)
        self._frame_id += 1
        return frame

    def interrupt(self) -> None:
        """Make the next `read` return None."""
        self._interrupted.set()

    def close(self) -> None:
        """Nothing to release."""


def person_points(time_s: float) -> dict[str, NDArray[np.float64]]:
    """Joint positions of the walking person: X forward, Y up, Z right of the person, in m from the floor."""
    phase = 2.0 * math.pi * time_s / STRIDE_S
    points = {"pelvis": np.array([0.0, 0.95 + 0.015 * math.cos(2.0 * phase), 0.0])}
    points["neck"] = points["pelvis"] + (0.02, 0.52, 0.0)
    points["head"] = points["neck"] + (0.02, 0.17, 0.0)
    for side, right, lead in (("r", 1.0, 0.0), ("l", -1.0, math.pi)):
        swing = math.sin(phase + lead)
        hip_rad, knee_rad = 0.45 * swing, -0.15 - 0.75 * max(0.0, math.cos(phase + lead))
        shoulder_rad, elbow_rad = -0.5 * swing, -0.5 * swing + 0.5
        points[f"hip_{side}"] = points["pelvis"] + (0.0, -0.04, 0.09 * right)
        points[f"knee_{side}"] = points[f"hip_{side}"] + _hanging(0.42, hip_rad)
        points[f"ankle_{side}"] = points[f"knee_{side}"] + _hanging(0.41, hip_rad + knee_rad)
        points[f"toe_{side}"] = points[f"ankle_{side}"] + _hanging(0.2, hip_rad + knee_rad + 1.4)
        points[f"shoulder_{side}"] = points["neck"] + (0.0, -0.05, 0.18 * right)
        points[f"elbow_{side}"] = points[f"shoulder_{side}"] + _hanging(0.30, shoulder_rad, 0.1 * right)
        points[f"wrist_{side}"] = points[f"elbow_{side}"] + _hanging(0.26, elbow_rad)
        points[f"hand_{side}"] = points[f"wrist_{side}"] + _hanging(0.1, elbow_rad + 0.2)
    return points


def draw_person(time_s: float, size_px: tuple[int, int] = SIZE_PX) -> NDArray[np.uint8]:
    """The image of one moment. Shape: (height, width, 3)."""
    image = _room(size_px)
    heading_rad = 2.0 * math.pi * time_s / TURN_S
    scale = min(size_px[0] / SIZE_PX[0], size_px[1] / SIZE_PX[1])
    c, s = math.cos(heading_rad), math.sin(heading_rad)

    def to_image(point: NDArray[np.float64]) -> tuple[float, float, float]:
        toward_camera, right = c * point[0] - s * point[2], s * point[0] + c * point[2]
        perspective = PIXELS_PER_M * scale * 4.0 / (4.0 - toward_camera)
        # A person who faces the camera has the right side on the image's left.
        x_px = FEET_PX[0] / SIZE_PX[0] * size_px[0] - right * perspective
        return x_px, FEET_PX[1] / SIZE_PX[1] * size_px[1] - point[1] * perspective, toward_camera

    places = {name: to_image(point) for name, point in person_points(time_s).items()}
    for start, end, width_m, colour in sorted(_SEGMENTS, key=lambda g: places[g[0]][2] + places[g[1]][2]):
        ends = _fixed(places[start]), _fixed(places[end])
        thickness_px = max(1, round(width_m * PIXELS_PER_M * scale))
        cv2.line(image, *ends, colour, thickness_px, cv2.LINE_AA, _SUB_PIXEL_BITS)
    _draw_head(image, places["head"], 0.105 * PIXELS_PER_M * scale, heading_rad)
    return image


def _draw_head(
    image: NDArray[np.uint8], place: tuple[float, float, float], radius_px: float, heading_rad: float
) -> None:
    one = 1 << _SUB_PIXEL_BITS
    axes = (round(0.8 * radius_px * one), round(radius_px * one))
    cv2.ellipse(image, _fixed(place), axes, 0.0, 0.0, 360.0, _HAIR, -1, cv2.LINE_AA, _SUB_PIXEL_BITS)
    if math.cos(heading_rad) < -0.3:
        return  # seen from behind
    x_px = place[0] - 0.5 * radius_px * math.sin(heading_rad)
    face = (x_px, place[1] + 0.15 * radius_px, 0.0)
    axes = (round(0.62 * radius_px * one), round(0.82 * radius_px * one))
    cv2.ellipse(image, _fixed(face), axes, 0.0, 0.0, 360.0, _SKIN, -1, cv2.LINE_AA, _SUB_PIXEL_BITS)
    for side in (-1.0, 1.0):
        eye = (x_px + 0.28 * side * radius_px, place[1], 0.0)
        cv2.circle(image, _fixed(eye), round(0.1 * radius_px * one), _SHOES, -1, cv2.LINE_AA, _SUB_PIXEL_BITS)


def _room(size_px: tuple[int, int]) -> NDArray[np.uint8]:
    """A wall that darkens towards the floor."""
    rows = np.linspace(215.0, 150.0, size_px[1]).astype(np.uint8)
    rows[int(0.85 * size_px[1]) :] = 105
    return np.ascontiguousarray(np.broadcast_to(rows[:, None, None], (size_px[1], size_px[0], 3)))


def _hanging(length_m: float, forward_rad: float, aside_m: float = 0.0) -> NDArray[np.float64]:
    """A segment that hangs down and is swung forward."""
    return np.array([length_m * math.sin(forward_rad), -length_m * math.cos(forward_rad), aside_m])


def _fixed(place: tuple[float, float, float]) -> tuple[int, int]:
    """Pixels in OpenCV's fixed-point drawing units."""
    one = 1 << _SUB_PIXEL_BITS
    return round(place[0] * one), round(place[1] * one)
