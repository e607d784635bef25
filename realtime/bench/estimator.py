"""Estimators from frame to published sample, on the demo clip at 640x480."""

from __future__ import annotations

import time

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from engines.assets import fetch
from engines.benchmark import BenchResult, Timing
from realtime.estimators.build import make_estimator
from realtime.options import EstimatorOptions
from realtime.sample import Frame, Status
from realtime.sources.parse import parse_source
from realtime.stream.publisher import Publisher

WIDTH_PX, HEIGHT_PX = 640, 480
FRAME_NS = 33_333_333


def measure_landmarks(quick: bool) -> BenchResult:
    """Time the estimator `landmarks`."""
    return measure("landmarks", quick)


def measure_lifted(quick: bool) -> BenchResult:
    """Time the estimator `lifted`."""
    return measure("lifted", quick)


def measure_direct(quick: bool) -> BenchResult:
    """Time the estimator `direct`."""
    return measure("direct", quick)


def measure(name: str, quick: bool) -> BenchResult:
    """Time every frame with a person from hand-over to the estimator until its sample is on the wire."""
    images = demo_images(60 if quick else 230)
    camera = CameraCalibration.assumed(WIDTH_PX, HEIGHT_PX)
    estimator = make_estimator(EstimatorOptions(estimator=name), camera)
    total_ns: list[int] = []
    stages_ns: dict[str, list[int]] = {}
    n_lost = 0
    with Publisher("tcp://127.0.0.1:*", estimator.skeleton, camera) as publisher:
        for k in range(-len(images), 2 * len(images)):  # the first round warms up
            frame = Frame(k, (k + len(images)) * FRAME_NS, images[k % len(images)])
            start_ns = time.perf_counter_ns()
            sample = estimator.step(frame)
            publisher.send(sample)
            end_ns = time.perf_counter_ns()
            if k < 0:
                continue
            if sample.status is Status.LOST:  # which costs less, and would flatter the rest
                n_lost += 1
                continue
            total_ns.append(end_ns - start_ns)
            for stage, duration_ns in sample.stage_ns.items():
                stages_ns.setdefault(stage, []).append(duration_ns)
    timings = [Timing.from_ns("frame -> published", total_ns)]
    timings += [Timing.from_ns(f"  of it {stage}", durations) for stage, durations in stages_ns.items()]
    note = f"demo clip at {WIDTH_PX}x{HEIGHT_PX}, {len(total_ns)} frames with a person, {n_lost} without"
    return BenchResult(f"estimator {name}", tuple(timings), notes=(note,))


def demo_images(n: int) -> list[NDArray[np.uint8]]:
    """Frames of the demo clip, padded to 4:3 and resized as a webcam would give them."""
    source = parse_source(str(fetch("demo_clip")))
    source.open()
    images: list[NDArray[np.uint8]] = []
    try:
        while len(images) < n and (frame := source.read()) is not None:
            height, width = frame.image.shape[:2]
            margin = max(0, (width * HEIGHT_PX // WIDTH_PX - height) // 2)
            padded = cv2.copyMakeBorder(frame.image, margin, margin, 0, 0, cv2.BORDER_REPLICATE)
            resized = cv2.resize(padded, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
            images.append(np.asarray(resized, dtype=np.uint8))
    finally:
        source.close()
    return images
