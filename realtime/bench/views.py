"""Two live sources of 30 frames a second, from their images to the published sample.

Both show the demo clip, shifted sideways: what two parallel cameras see of a flat person. So rays cross and
views agree, and everything runs that runs with two people's cameras: capture threads, the wait for
the other view, the slot that drops what comes too fast, estimation and publication.
"""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics
from calib.rig import Rig, make_rig
from engines.benchmark import BenchResult, Figure, Timing
from realtime.bench.estimator import FRAME_NS, HEIGHT_PX, WIDTH_PX, demo_images
from realtime.errors import RealtimeError
from realtime.estimators.build import make_views_estimator
from realtime.options import EstimatorOptions
from realtime.pipeline.capture import Capture
from realtime.pipeline.slot import LatestSlot, SlotClosed
from realtime.sample import Estimator, Frame, Status
from realtime.stream.publisher import Publisher
from realtime.views.live_source import LiveViewsSource

Image = NDArray[np.uint8]

ACROSS_M, DISTANCE_M, EYE_M = (-0.3, 0.3), 6.0, 1.2
"""Positions of the cameras to the side, distance of the person, who is as tall as others then, and height."""
FIRST, LAST = 60, 200
"""Frames of the clip in which the person is far from the edges of both images."""
SETTLING_NS = 2_000_000_000
"""At the beginning, when nothing counts: the detector runs, and the person is measured."""


class _Looped:
    """Images over and over, at 30 frames a second."""

    is_live = False
    note = ""
    fps = 1e9 / FRAME_NS
    n_frames = None
    width_px, height_px = WIDTH_PX, HEIGHT_PX

    def __init__(self, images: list[Image], description: str) -> None:
        self.description = description
        self._images, self._number = images, 0
        self._is_over = False

    def open(self) -> None:
        """Begin with the first image."""

    def read(self) -> Frame | None:
        """The next image; None after `interrupt`."""
        if self._is_over:
            return None
        self._number += 1
        return Frame(self._number, self._number * FRAME_NS, self._images[self._number % len(self._images)])

    def interrupt(self) -> None:
        """End."""
        self._is_over = True

    def close(self) -> None:
        """Nothing to release."""


def parallel_cameras() -> Rig:
    """Two level cameras side by side, which look the same way."""
    k = Intrinsics.from_fov(WIDTH_PX, HEIGHT_PX, 60.0)
    poses = [CameraCalibration.assumed(WIDTH_PX, HEIGHT_PX).T_ground_cam.copy() for _ in range(2)]
    for T, across_m in zip(poses, ACROSS_M, strict=True):
        T[:3, 3] = across_m * T[:3, 0] + np.array([0.0, EYE_M, 0.0])
    return make_rig([CameraCalibration(k, T, 0.3, f"camera {view}") for view, T in enumerate(poses)])


def seen_from(image: Image, camera: CameraCalibration, across_m: float) -> Image:
    """What a camera to the side sees of a picture at `DISTANCE_M` that one in the middle sees so."""
    shift = np.array([[1.0, 0.0, -camera.intrinsics.fx * across_m / DISTANCE_M], [0.0, 1.0, 0.0]])
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, shift, size, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


def measure(quick: bool) -> BenchResult:
    """Run two sources for 20 s, or 5.

    Raises:
        RealtimeError: no sample was published in this time.
    """
    rig, images = parallel_cameras(), demo_images(LAST)[FIRST:]
    sources = [
        _Looped([seen_from(image, camera, across_m) for image in images], camera.name)
        for camera, across_m in zip(rig.cameras, ACROSS_M, strict=True)
    ]
    estimator = make_views_estimator(EstimatorOptions(), rig)
    estimator.warm_up()
    source = LiveViewsSource(sources)
    slot: LatestSlot[Frame] = LatestSlot()
    source.open()
    capture = Capture(source, slot, max_duration_s=1e-9 * SETTLING_NS + (5.0 if quick else 20.0))
    thread = threading.Thread(target=capture.run, name="capture", daemon=True)
    with Publisher("tcp://127.0.0.1:*", estimator.skeleton, estimator.camera) as publisher:
        thread.start()
        try:
            return _result(slot, estimator, publisher)
        finally:
            capture.stop()
            thread.join()
            source.close()


def _result(slot: LatestSlot[Frame], estimator: Estimator, publisher: Publisher) -> BenchResult:
    """Estimate and publish all moments, and time those after `SETTLING_NS`."""
    total_ns: list[int] = []
    step_ns: list[int] = []
    both, first_ns, published_ns = 0, 0, 0
    try:
        while True:
            frame = slot.get()
            if frame is None:
                continue
            first_ns = first_ns or frame.t_capture_ns
            start_ns = time.perf_counter_ns()
            sample = estimator.step(frame)
            publisher.send(sample)
            if frame.t_capture_ns - first_ns < SETTLING_NS or sample.status is Status.LOST:
                continue
            published_ns = time.perf_counter_ns()
            total_ns.append(published_ns - frame.t_capture_ns)
            step_ns.append(published_ns - start_ns)
            both += len(sample.used_views) == 2
    except SlotClosed:
        pass
    if not total_ns:
        raise RealtimeError("bench views: the computer is too slow for a single sample; leave out --quick")
    seconds = 1e-9 * (published_ns - first_ns - SETTLING_NS)
    return BenchResult(
        "two views",
        (Timing.from_ns("frame -> published", total_ns), Timing.from_ns("  of it estimate", step_ns)),
        figures=(
            Figure("samples", len(total_ns) / seconds, "1/s"),
            Figure("of two views", 100.0 * both / len(total_ns), "%"),
        ),
        notes=(f"two sources of {WIDTH_PX}x{HEIGHT_PX} at 30 frames a second; from the image's stamp",),
    )
