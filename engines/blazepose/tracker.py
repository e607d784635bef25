"""Follow one person with BlazePose: 33 landmarks in the image and in metres, frame by frame.

Source: Bazarevsky et al., "BlazePose: On-device real-time body pose tracking", 2020; Grishchenko et al.,
"BlazePose GHUM holistic", 2022. The networks are MediaPipe's, run through OpenVINO; the steps between them
follow MediaPipe's published graph without its smoothing of landmarks, so that `mp.solutions.pose` with
`smooth_landmarks=False` is a reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.assets import fetch
from engines.blazepose.detector import WHOLE_PICTURE, PoseDetector, SearchRegion, alignment_roi, sigmoid
from engines.blazepose.pose_landmark import N_LANDMARKS
from engines.blazepose.roi_filter import MIN_CUTOFF_HZ, RoiFilter
from engines.errors import EngineError
from engines.preprocess import Border, Roi, crop, crop_to_image, to_rgb_float
from engines.runtimes.openvino_engine import OpenvinoEngine

Array = NDArray[np.float64]

N_AUXILIARY = 2
N_OUTPUT = 39
"""What the network gives: 33 landmarks, the two of the region of interest, and four that nobody uses."""

INPUT_PX = 256
HEATMAP_RADIUS = 4
"""In cells, as MediaPipe behaves; its graph asks for a window of 7, which fits its results far worse."""
HEATMAP_MIN_PEAK = 0.5
MIN_ROI_PX = 8.0
DEFAULT_PERIOD_S = 1.0 / 30.0
OUTPUTS = ("Identity", "Identity_1", "Identity_3", "Identity_4")
"""Landmarks, presence, heatmaps, world landmarks; `Identity_2`, a mask, is cut off to save time."""


@dataclass(frozen=True, slots=True, eq=False)
class BlazePoseResult:
    """The landmarks of one person in one image, in the order of `PoseLandmark`."""

    landmarks_px: Array
    """x and y in the image; z in the same scale, smaller towards the camera, 0 at the mid hip.
    Shape: (33, 3)."""
    world_m: Array
    """From the mid hip, in camera directions: x right, y down, z away from the camera. Shape: (33, 3)."""
    visibility: Array
    """Probability that the landmark is in the image and not hidden. Shape: (33,)."""
    presence: Array
    """Probability that the landmark is in the image. Shape: (33,)."""
    score: float
    """Probability that the region holds a person."""
    roi: Roi
    """The region that the network looked at."""
    auxiliary_px: Array
    """Centre of the circle around the body and its point above the head. Shape: (2, 3)."""
    detected: bool
    """Whether the detector ran, so that the region does not come from the previous image."""
    person: int = 0
    """Number of the person, where several are told apart; see `engines.blazepose.people`."""
    points_sigma_px: Array | None = None
    """Standard deviations of points in patches, which follow the landmarks in the arrays above; None without
    a patch network. Shape: (n_points,)."""


class BlazePose:
    """BlazePose with its tracking: the detector runs only while nobody is followed.

    Keeps the filtered region of the last image and nothing else. When that region no longer holds a
    person, the detector searches the same image at once.

    Args:
        landmark_model_path: `pose_landmark_full.tflite`, or `_lite` or `_heavy`; None fetches full.
        detector_model_path: `pose_detection.tflite`; None fetches it.
        n_threads: CPU threads; None leaves the choice to OpenVINO.
        min_detection_score: Score below which detections are ignored.
        min_presence: Score below which the person is lost.
        roi_cutoff_hz: Cut-off frequency of the region of a person at rest; see `RoiFilter`.

    Raises:
        AssetError: a network is neither in the cache nor to be had.
        EngineError: a network cannot be compiled.
    """

    n_others = 0
    """It knows of nobody else; see `engines.blazepose.people`."""

    def __init__(
        self,
        landmark_model_path: Path | None = None,
        detector_model_path: Path | None = None,
        n_threads: int | None = None,
        *,
        min_detection_score: float = 0.5,
        min_presence: float = 0.5,
        roi_cutoff_hz: float = MIN_CUTOFF_HZ,
        search_region: SearchRegion = WHOLE_PICTURE,
    ) -> None:
        self.detector = PoseDetector(detector_model_path, n_threads=n_threads, min_score=min_detection_score)
        """Finds people in whole images."""
        self._engine = OpenvinoEngine(
            fetch("pose_landmark_full") if landmark_model_path is None else landmark_model_path,
            outputs=OUTPUTS,
            # Not bf16: it is faster, and moves the landmarks by centimetres.
            precision="f32",
            n_threads=n_threads,
        )
        self._min_presence = min_presence
        self._crop = np.empty((INPUT_PX, INPUT_PX, 3), np.uint8)
        self._rgb = np.empty_like(self._crop)
        self._roi: Roi | None = None
        self._roi_filter = RoiFilter(roi_cutoff_hz)
        self._last_ns: int | None = None
        self._search_region = search_region
        self.description = self._engine.description

    def step(self, image: NDArray[np.uint8], t_capture_ns: int | None = None) -> BlazePoseResult | None:
        """Follow the person into the next image.

        Args:
            image: BGR image. Shape: (height, width, 3).
            t_capture_ns: Capture time on any clock; None means 1/30 s after the last.

        Returns:
            The landmarks, or None while nobody is found.

        Raises:
            EngineError: the array is not such an image.
        """
        _check_image(image)
        dt_s = self._elapsed_s(t_capture_ns)
        result = None if self._roi is None else self._run(image, self._roi, detected=False)
        if result is None or result.score <= self._min_presence:
            self._forget_region()
            roi = self._search(image)
            result = None if roi is None else self._run(image, roi, detected=True)
        if result is None or result.score <= self._min_presence:
            return None
        centre_px, edge_px = self._roi_filter.step(result.auxiliary_px[:, :2], dt_s)
        self._roi = alignment_roi(centre_px, edge_px)
        return result

    def run_roi(self, image: NDArray[np.uint8], roi: Roi) -> BlazePoseResult | None:
        """Look at one region without following anybody; the score tells whether it holds a person.

        Args:
            image: BGR image. Shape: (height, width, 3).
            roi: Region to look at.

        Returns:
            The landmarks whatever the score, or None where the region is too small to look at.

        Raises:
            EngineError: the array is not such an image.
        """
        _check_image(image)
        return self._run(image, roi, detected=False)

    def reset(self) -> None:
        """Forget the person: the next step searches the whole image."""
        self._forget_region()
        self._last_ns = None

    def _search(self, image: NDArray[np.uint8]) -> Roi | None:
        rows, columns = self._search_region.slices(image)
        detection = self.detector.detect(image[rows, columns])
        return None if detection is None else detection.roi.shifted(columns.start, rows.start)

    def _forget_region(self) -> None:
        self._roi = None
        self._roi_filter.reset()

    def _elapsed_s(self, t_capture_ns: int | None) -> float:
        last_ns, self._last_ns = self._last_ns, t_capture_ns
        if last_ns is None or t_capture_ns is None:
            return DEFAULT_PERIOD_S
        return (t_capture_ns - last_ns) * 1e-9

    def _run(self, image: NDArray[np.uint8], roi: Roi, *, detected: bool) -> BlazePoseResult | None:
        if not (math.isfinite(roi.size_px) and roi.size_px >= MIN_ROI_PX):
            return None
        crop(image, roi, INPUT_PX, border=Border.REPLICATE, out=self._crop)
        to_rgb_float(self._crop, 0.0, 1.0, rgb=self._rgb, out=self._engine.inputs[0][0])
        raw, presence, heatmaps, world = self._engine.infer()
        used = N_LANDMARKS + N_AUXILIARY
        values = raw.reshape(N_OUTPUT, 5)[:used].astype(np.float64)
        values[:, :2] = refine_with_heatmaps(values[:, :2] / INPUT_PX, heatmaps[0, :, :, :used]) * INPUT_PX
        points = np.empty((used, 3))
        points[:, :2] = crop_to_image(values[:, :2], roi, INPUT_PX)
        points[:, 2] = values[:, 2] * (roi.size_px / INPUT_PX)
        return BlazePoseResult(
            landmarks_px=points[:N_LANDMARKS],
            world_m=_turn(world.reshape(N_OUTPUT, 3)[:N_LANDMARKS].astype(np.float64), roi.rotation_rad),
            visibility=sigmoid(values[:N_LANDMARKS, 3]),
            presence=sigmoid(values[:N_LANDMARKS, 4]),
            score=float(presence[0, 0]),
            roi=roi,
            auxiliary_px=points[N_LANDMARKS:],
            detected=detected,
        )


def refine_with_heatmaps(points: Array, heatmaps: NDArray[np.float32]) -> Array:
    """Replace each point by the centroid of its heatmap nearby, where the heatmap is certain enough.

    Args:
        points: Points, 0 to 1 over the heatmap. Shape: (n, 2), x and y.
        heatmaps: Logits. Shape: (rows, columns, n).

    Returns:
        Shape: (n, 2).
    """
    rows, columns, n = heatmaps.shape
    cell = np.trunc(points * (columns, rows)).astype(np.int64)
    inside = ((cell >= 0) & (cell < (columns, rows))).all(1)
    offset = np.arange(-HEATMAP_RADIUS, HEATMAP_RADIUS + 1)
    x = (cell[:, 0, None, None] + offset[None, None, :]).repeat(offset.size, axis=1)
    y = (cell[:, 1, None, None] + offset[None, :, None]).repeat(offset.size, axis=2)
    valid = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    logits = heatmaps[y.clip(0, rows - 1), x.clip(0, columns - 1), np.arange(n)[:, None, None]]
    weight = np.where(valid, sigmoid(logits.astype(np.float64)), 0.0)
    total = weight.sum((1, 2))
    refine = inside & (weight.max((1, 2)) >= HEATMAP_MIN_PEAK)
    safe = np.where(refine, total, 1.0)
    centroid = np.stack([(weight * x).sum((1, 2)) / columns, (weight * y).sum((1, 2)) / rows], -1)
    return np.where(refine[:, None], centroid / safe[:, None], points)


def _turn(world_m: Array, rotation_rad: float) -> Array:
    """Directions of a turned region to directions of the camera: a turn about the optical axis."""
    c, s = math.cos(rotation_rad), math.sin(rotation_rad)
    turned = world_m.copy()
    turned[:, 0] = c * world_m[:, 0] - s * world_m[:, 1]
    turned[:, 1] = s * world_m[:, 0] + c * world_m[:, 1]
    return turned


def _check_image(image: NDArray[np.uint8]) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise EngineError(
            f"an image must be bytes of shape (height, width, 3) in BGR, got {image.dtype} {image.shape}"
        )
