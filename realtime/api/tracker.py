"""Tracking from Python: images in, poses out.

```python
import cv2
from realtime import Tracker

with Tracker(height_m=1.75) as track:
    for pose in track.run("demo_clip", max_frames=30):
        print(pose["knee_angle_r"], pose.confidence_of("knee_angle_r"))
    cv2.imwrite("last.png", pose.draw(track.image))
```
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.rig import Rig
from calib.rig_file import load_rig
from realtime.api.pose import TrackedPose
from realtime.api.sources import captured_frames, source_or_recording
from realtime.errors import RealtimeError
from realtime.estimators.build import make_camera, make_estimator, make_views_estimator
from realtime.options import (
    HEIGHT_RANGE_M,
    CameraOptions,
    DrawingOptions,
    EstimatorOptions,
    RunOptions,
)
from realtime.overlay.build import make_overlay
from realtime.sample import Drawing, Estimator, Frame
from realtime.sources.cameras import device_name
from realtime.views.drawing import overlay_of_views
from realtime.views.tiles import Tiles

Image = NDArray[np.uint8]


class Tracker:
    """Tracks one person through the images of a camera, or of several, as `kinecast replay` does, bit by bit.

    The first image, or the source, decides the size of all; networks are loaded then, which takes seconds,
    and about a minute once after an installation. Not thread-safe: use one tracker in each thread.

    Args:
        height_m: Stature of the person, if known; it replaces that of `estimator`.
        camera: Calibration of the camera; without one, a level camera is assumed.
        cameras: File of several cameras; each call is given the images of all, in their order.
        camera_names: Those of the file's cameras that take the images, in the order of the images; None: all.
        estimator: Estimator, skeleton, person and networks.
        drawing: Angles that `TrackedPose.draw` draws.

    Raises:
        RealtimeError: the stature is none of a person, in m.
    """

    def __init__(
        self,
        height_m: float | None = None,
        *,
        camera: CameraOptions | None = None,
        cameras: str | Path | None = None,
        camera_names: Sequence[str] | None = None,
        estimator: EstimatorOptions | None = None,
        drawing: DrawingOptions | None = None,
    ) -> None:
        options = estimator or EstimatorOptions()
        self._estimator_options = options if height_m is None else replace(options, height_m=height_m)
        _check_height(self._estimator_options.height_m)
        self._camera_options = camera or CameraOptions()
        self._drawing_options = drawing or DrawingOptions()
        self._rig_path = None if cameras is None else Path(cameras)
        if self._rig_path is not None and self._camera_options.camera_path is not None:
            raise RealtimeError("camera names the file of one camera, cameras that of all; give one of them")
        self._camera_names = camera_names
        self._rig: Rig | None = None
        self._tiles = Tiles(())
        self._estimator: Estimator | None = None
        self._overlay: Drawing | None = None
        self._index: dict[str, int] = {}
        self._device = ""
        self._run: Generator[TrackedPose, None, None] | None = None
        self._image: Image | None = None
        self._last_ns: int | None = None
        self._n_frames = 0
        self._is_open = True

    def __call__(self, image: Image | Sequence[Image | None], t_s: float | None = None) -> TrackedPose:
        """Track the person in the next image, or in the images that several cameras took at once.

        Args:
            image: BGR image, not mirrored; left unchanged. Shape: (height, width, 3). With `cameras`, a list
                of such images, None for a camera without one.
            t_s: Time of capture, later than that of the image before; None takes the time of the call.

        Raises:
            RealtimeError: the image is none, or of another size than the first, or the time does not
                increase; or the options cannot be used; or there is another number of images than of cameras.
            CalibError: a camera, skeleton or subject file cannot be used.
            EngineError: a network is missing or cannot be read.
        """
        t_s = time.perf_counter() if t_s is None else t_s
        t_ns = _time_ns(t_s)
        if self._rig_path is None:
            return self._track(Frame(self._n_frames, t_ns, _checked_image(image)), t_s)
        return self._track(Frame(self._n_frames, t_ns, self._side_by_side(self._rig_path, image)), t_s)

    def run(
        self,
        source: str | int | Path,
        *,
        size_px: tuple[int, int] | None = None,
        rate_hz: float | None = None,
        capture_rate_hz: float | None = None,
        max_frames: int | None = None,
        max_duration_s: float | None = None,
    ) -> Generator[TrackedPose, None, None]:
        """Poses of every frame of a video, or of a camera's newest frame each time; starts anew.

        Args:
            source: Number of a camera, path of a video, of a folder of images or of a recording with video,
                URL, a clip of `kinecast assets`, or `synthetic`.
            size_px: Width and height asked of a camera.
            rate_hz: Frame rate asked of a camera, or of images or a video without time stamps.
            capture_rate_hz: Frames a second that the camera of a slow or fast motion video took.
            max_frames: Number of frames after which to stop; None for no limit.
            max_duration_s: Time after the first frame at which to stop; None for no limit.

        Raises:
            SourceError: the source cannot be opened, or failed.
            RealtimeError: as for images.
            CalibError: as for images.
            EngineError: as for images.
        """
        self._require_open()
        if self._rig_path is not None:
            raise RealtimeError(
                "run takes one source; with cameras, call the tracker with the images of all, or run: "
                "kinecast replay A B --cameras RIG",
                name="cameras",
            )
        if self._run is not None:
            self._run.close()
        options = RunOptions(
            source=str(source),
            estimator=self._estimator_options,
            size_px=size_px,
            rate_hz=rate_hz,
            capture_rate_hz=capture_rate_hz,
            max_frames=max_frames,
            max_duration_s=max_duration_s,
        )
        self._run = self._poses(options)
        return self._run

    @property
    def image(self) -> Image:
        """Image of the newest pose, read-only. Shape: (height, width, 3).

        Raises:
            RealtimeError: nothing was tracked yet.
        """
        if self._image is None:
            raise RealtimeError("there is no image yet: track one first")
        return self._image

    def reset(self) -> None:
        """Forget the person, the times and the size of the images."""
        self._estimator = self._overlay = self._image = self._last_ns = None
        self._device, self._n_frames, self._rig = "", 0, None

    def close(self) -> None:
        """End a run and release the networks; may be called twice."""
        if self._run is not None:
            self._run.close()
        self.reset()
        self._is_open = False

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _poses(self, options: RunOptions) -> Generator[TrackedPose, None, None]:
        self.reset()
        with closing(source_or_recording(options)) as source:
            source.open()
            self._device = device_name(source)
            self._prepare(source.width_px, source.height_px)
            first_ns: int | None = None
            with closing(captured_frames(source, options)) as frames:
                for frame in frames:
                    first_ns = frame.t_capture_ns if first_ns is None else first_ns
                    yield self._track(frame, (frame.t_capture_ns - first_ns) * 1e-9)

    def _track(self, frame: Frame, t_s: float) -> TrackedPose:
        self._require_open()
        if self._last_ns is not None and frame.t_capture_ns <= self._last_ns:
            raise RealtimeError(
                f"time {t_s:.9g} s does not follow {self._last_ns * 1e-9:.9g} s; times must increase: call "
                "reset() before another video",
                name="t_s",
                value=t_s,
            )
        height_px, width_px = frame.image.shape[:2]
        estimator, overlay = self._prepare(width_px, height_px)
        sample = estimator.step(frame)
        self._last_ns, self._image, self._n_frames = frame.t_capture_ns, frame.image, frame.frame_id + 1
        return TrackedPose(sample, estimator.skeleton, t_s, overlay, self._index)

    def _prepare(self, width_px: int, height_px: int) -> tuple[Estimator, Drawing]:
        """Estimator and overlay for images of this size, made at the first."""
        if self._estimator is not None and self._overlay is not None:
            k = self._estimator.camera.intrinsics
            if self._rig is None and (width_px, height_px) != (k.width_px, k.height_px):
                raise RealtimeError(
                    f"an image of {width_px}x{height_px} px follows those of {k.width_px}x{k.height_px} px; "
                    "call reset() before images of another size",
                    name="image",
                )
            return self._estimator, self._overlay
        estimator, overlay = self._make(width_px, height_px)
        estimator.warm_up()
        self._index = {name: k for k, name in enumerate(estimator.skeleton.coordinate_names)}
        self._estimator, self._overlay = estimator, overlay
        return estimator, overlay

    def _make(self, width_px: int, height_px: int) -> tuple[Estimator, Drawing]:
        if self._rig is not None:
            views = make_views_estimator(self._estimator_options, self._rig)
            return views, overlay_of_views(self._drawing_options, views.skeleton, self._rig)
        camera = make_camera(self._camera_options, width_px, height_px, self._device)
        estimator = make_estimator(self._estimator_options, camera)
        return estimator, make_overlay(self._drawing_options, estimator.skeleton, camera)

    def _side_by_side(self, rig_path: Path, images: Image | Sequence[Image | None]) -> Image:
        """The images of all cameras as one; the first ones decide their sizes."""
        views = [None if image is None else _checked_image(image) for image in images]
        sizes_px = [None if view is None else (view.shape[1], view.shape[0]) for view in views]
        if self._rig is None:
            known_px = [size_px for size_px in sizes_px if size_px is not None]
            if len(known_px) < len(sizes_px):
                raise RealtimeError(
                    "the first images decide the sizes of all; give one of each camera", name="image"
                )
            may_scale = self._camera_options.may_scale_camera
            self._rig = load_rig(rig_path, self._camera_names).for_sizes(known_px, may_scale=may_scale)
            self._tiles = Tiles(tuple(known_px))
        expected_px = self._tiles.sizes_px
        if len(sizes_px) != len(expected_px) or any(
            size_px not in (None, one_px) for size_px, one_px in zip(sizes_px, expected_px, strict=True)
        ):
            raise RealtimeError(
                f"images of {sizes_px} px follow those of {list(expected_px)} px; give one of each camera, "
                "or None; call reset() before images of other sizes",
                name="image", value=sizes_px, accepted=expected_px,
            )  # fmt: skip
        return self._tiles.join(views)

    def _require_open(self) -> None:
        if not self._is_open:
            raise RealtimeError("the tracker is closed; make another one: Tracker(...)")


def _check_height(height_m: float | None) -> None:
    low, high = HEIGHT_RANGE_M
    if height_m is not None and not low <= height_m <= high:
        raise RealtimeError(
            f"{height_m!r} is not a stature from {low} to {high} m; give metres, such as 1.75",
            name="height_m",
            value=height_m,
        )


def _time_ns(t_s: float) -> int:
    if not np.isfinite(t_s):
        raise RealtimeError(f"time {t_s!r}; accepted: seconds, a finite number", name="t_s", value=t_s)
    return round(t_s * 1e9)


def _checked_image(image: Image | Sequence[Image | None]) -> Image:
    """A read-only view of an image, as sources give them."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise RealtimeError(
            f"an image of shape {image.shape} and type {image.dtype}; accepted: BGR, (height, width, 3), "
            "uint8, as OpenCV reads them",
            name="image",
        )
    view = np.ascontiguousarray(image).view()
    view.flags.writeable = False
    return view
