"""Find a person in a whole image: BlazePose's single-shot detector and its region of interest.

Source: Bazarevsky et al., "BlazePose: On-device real-time body pose tracking", 2020, and the anchor and
box parameters that MediaPipe publishes with the network (Liu et al., "SSD", 2016, for the scheme).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.assets import fetch
from engines.errors import EngineError
from engines.preprocess import Border, Roi, crop, crop_to_image, letterbox_roi, to_rgb_float
from engines.runtimes.openvino_engine import OpenvinoEngine

Array = NDArray[np.float64]

INPUT_PX = 224
# Cells of each feature map and how many anchors share a cell's centre: strides 8 and 16 have one layer of
# two anchors, stride 32 has three.
ANCHOR_GRIDS = ((28, 2), (14, 2), (7, 6))
NMS_OVERLAP = 0.3
MIN_SEARCHED_SHARE = 0.02
ROI_MARGIN = 1.25
"""How much larger than the circle around the person the landmark network's square is."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One person in an image."""

    score: float
    box_px: Array
    """Left, top, right, bottom of the face and torso. Shape: (4,)."""
    keypoints_px: Array
    """Mid hip, a point on the circle around the whole body, mid shoulder, a point on the circle around
    the upper body. Shape: (4, 2)."""

    @property
    def roi(self) -> Roi:
        """The region that the landmark network looks at."""
        return alignment_roi(self.keypoints_px[0], self.keypoints_px[1])


@dataclass(frozen=True, slots=True)
class SearchRegion:
    """The part of the image in which people are looked for, as shares of its width and height."""

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        right, bottom = self.left + self.width, self.top + self.height
        inside = min(self.left, self.top) >= 0.0 and max(right, bottom) <= 1.0 + 1e-9
        if not (inside and min(self.width, self.height) >= MIN_SEARCHED_SHARE):
            raise EngineError(
                f"search region {self.left:g},{self.top:g},{self.width:g},{self.height:g} is not inside the "
                "image; accepted: left, top, width, height from 0 to 1, width and height at least "
                f"{MIN_SEARCHED_SHARE:g}",
                name="search_region",
                value=(self.left, self.top, self.width, self.height),
                accepted=(0.0, 1.0),
            )

    def slices(self, image: NDArray[np.uint8]) -> tuple[slice, slice]:
        """Rows and columns of an image."""
        height_px, width_px = image.shape[:2]
        top, left = round(self.top * height_px), round(self.left * width_px)
        bottom, right = (
            round((self.top + self.height) * height_px),
            round((self.left + self.width) * width_px),
        )
        return slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))


WHOLE_PICTURE = SearchRegion(0.0, 0.0, 1.0, 1.0)


class PoseDetector:
    """BlazePose's person detector.

    Args:
        model_path: `pose_detection.tflite`; None fetches it.
        n_threads: CPU threads; None leaves the choice to OpenVINO.
        min_score: Score below which detections are ignored.

    Raises:
        AssetError: the network is neither in the cache nor to be had.
        EngineError: the network cannot be compiled.
    """

    def __init__(
        self, model_path: Path | None = None, *, n_threads: int | None = None, min_score: float = 0.5
    ) -> None:
        self._engine = OpenvinoEngine(
            fetch("pose_detection") if model_path is None else model_path,
            outputs=("Identity", "Identity_1"),
            n_threads=n_threads,
        )
        self._min_score = min_score
        self._anchors = anchor_centres()
        self._crop = np.empty((INPUT_PX, INPUT_PX, 3), np.uint8)
        self._rgb = np.empty_like(self._crop)
        self.description = self._engine.description

    def detect(self, image: NDArray[np.uint8]) -> Detection | None:
        """The most certain person of an image, or None.

        Args:
            image: BGR image. Shape: (height, width, 3).
        """
        found = self._strong(image)
        if found is None:
            return None
        scores, corners, keypoints, roi = found
        corners, keypoints = merge_overlapping(scores, corners, keypoints)
        return _in_image(float(scores.max()), corners, keypoints, roi)

    def detect_all(self, image: NDArray[np.uint8]) -> list[Detection]:
        """All people of an image, the most certain first.

        Args:
            image: BGR image. Shape: (height, width, 3).
        """
        found = self._strong(image)
        if found is None:
            return []
        scores, corners, keypoints, roi = found
        people = []
        while len(scores):
            best = int(np.argmax(scores))
            merged = merge_overlapping(scores, corners, keypoints)
            people.append(_in_image(float(scores[best]), *merged, roi))
            rest = overlaps(corners, corners[best]) <= NMS_OVERLAP
            rest[best] = False
            scores, corners, keypoints = scores[rest], corners[rest], keypoints[rest]
        return people

    def _strong(self, image: NDArray[np.uint8]) -> tuple[Array, Array, Array, Roi] | None:
        """Scores, boxes and keypoints above the least score, and the region they are counted in."""
        height_px, width_px = image.shape[:2]
        roi = letterbox_roi(width_px, height_px)
        crop(image, roi, INPUT_PX, border=Border.BLACK, out=self._crop)
        to_rgb_float(self._crop, -1.0, 1.0, rgb=self._rgb, out=self._engine.inputs[0][0])
        boxes, logits = self._engine.infer()
        scores = sigmoid(logits[0, :, 0].astype(np.float64))
        strong = np.flatnonzero(scores >= self._min_score)
        if strong.size == 0:
            return None
        corners, keypoints = decode_boxes(boxes[0, strong].astype(np.float64), self._anchors[strong])
        return scores[strong], corners, keypoints, roi


def _in_image(score: float, corners: Array, keypoints: Array, roi: Roi) -> Detection:
    """A detection in the pixels of the image."""
    points = crop_to_image(np.vstack([corners.reshape(2, 2), keypoints]) * INPUT_PX, roi, INPUT_PX)
    return Detection(score, points[:2].ravel(), points[2:])


def anchor_centres() -> Array:
    """Centres of the anchors in the order of the network's outputs, 0 to 1. Shape: (2254, 2), x and y."""
    grids = []
    for cells, per_cell in ANCHOR_GRIDS:
        ticks = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(ticks, ticks, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], -1), per_cell, axis=0))
    return np.concatenate(grids)


def decode_boxes(raw: Array, anchors: Array) -> tuple[Array, Array]:
    """Turn the network's offsets into boxes and keypoints; all anchors have unit size.

    Args:
        raw: Centre, size and four keypoints of each box, in input pixels from the anchor. Shape: (n, 12).
        anchors: Anchor centres. Shape: (n, 2).

    Returns:
        Left, top, right, bottom, shape (n, 4), and keypoints, shape (n, 4, 2): 0 to 1 over the input.
    """
    points = raw.reshape(-1, 6, 2) / INPUT_PX
    half = points[:, 1] / 2.0
    centre = points[:, 0] + anchors
    return np.hstack([centre - half, centre + half]), points[:, 2:] + anchors[:, None]


def merge_overlapping(scores: Array, corners: Array, keypoints: Array) -> tuple[Array, Array]:
    """The strongest detection, averaged by score with all that overlap it: steadier than its box alone.

    Args:
        scores: Scores of the boxes. Shape: (n,).
        corners: Corners of the boxes. Shape: (n, 4).
        keypoints: Keypoints of the boxes. Shape: (n, 4, 2).

    Returns:
        Shapes: (4,) and (4, 2).
    """
    best = int(np.argmax(scores))
    weight = np.where(overlaps(corners, corners[best]) > NMS_OVERLAP, scores, 0.0)
    weight[best] = scores[best]
    weight /= weight.sum()
    return weight @ corners, np.tensordot(weight, keypoints, axes=1)


def overlaps(corners: Array, box: Array) -> Array:
    """Shared area of each box with one box, as a share of what both cover.

    Args:
        corners: Corners of the boxes. Shape: (n, 4).
        box: Corners of the one box. Shape: (4,).

    Returns:
        Shape: (n,).
    """
    low = np.maximum(corners[:, :2], box[:2])
    high = np.minimum(corners[:, 2:], box[2:])
    shared = np.prod(np.clip(high - low, 0.0, None), axis=1)
    area = np.prod(np.clip(corners[:, 2:] - corners[:, :2], 0.0, None), axis=1)
    own = float(np.prod(np.clip(box[2:] - box[:2], 0.0, None)))
    return np.asarray(shared / np.maximum(area + own - shared, 1e-12))


def sigmoid(logits: Array) -> Array:
    """The logistic function, safe for large values."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def alignment_roi(centre_px: Array, edge_px: Array) -> Roi:
    """The turned square around a person, from the circle around the body.

    Args:
        centre_px: The circle's centre (mid hip). Shape: (2,).
        edge_px: The circle's point above the head: gives its radius and which way is up. Shape: (2,).
    """
    dx, dy = float(edge_px[0] - centre_px[0]), float(edge_px[1] - centre_px[1])
    size_px = 2.0 * math.hypot(dx, dy)
    return Roi(float(centre_px[0]), float(centre_px[1]), size_px * ROI_MARGIN, math.atan2(dx, -dy))
