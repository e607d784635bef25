"""Options of a run as values: the command line builds them, and Python code can do so, too.

Example:
    camera = make_camera(CameraOptions(fov_deg=65.0), 640, 480)
    estimator = make_estimator(EstimatorOptions(height_m=1.75), camera)
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeVar

from calib.camera import DEFAULT_FOV_DEG
from engines.runtimes.available import Precision, Runtime

HEIGHT_RANGE_M = (0.5, 2.5)
"""Accepted statures."""
HEADINGS = ("person", "camera")
"""Accepted headings of the ground, besides an angle in degrees."""


def is_heading(text: str) -> bool:
    """Whether a text is one of `HEADINGS`, or an angle in degrees."""
    if text in HEADINGS:
        return True
    try:
        return abs(float(text)) <= 360.0
    except ValueError:
        return False


class Neutral(StrEnum):
    """What is done about the neutral pose, in which the person is learned; see `realtime.person.offsets`."""

    ASK = "ask"
    """As `AUTO`; the window of `live` also shows what to do."""
    AUTO = "auto"
    """The person is learned when they happen to stand in it."""
    OFF = "off"
    """Nothing is learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraOptions:
    """Which calibration the camera has; see `realtime.estimators.build.make_camera`."""

    camera_path: Path | None = None
    """File of `kinecast calibrate camera`; None assumes a level camera."""
    may_scale_camera: bool = False
    """Whether a calibration of another image size may be scaled."""
    fov_deg: float = DEFAULT_FOV_DEG
    """Field of view along the longer side of the image, without a camera file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorOptions:
    """Which estimator tracks the person, and how; see `realtime.estimators.build.make_estimator`."""

    estimator: str | None = None
    """One of `realtime.estimators.build.ESTIMATOR_NAMES`; None takes the best one for the skeleton."""
    skeleton_path: Path | None = None
    """An `.osim` file; None takes kinecast's own skeleton."""
    height_m: float | None = None
    """Stature of the person, if known."""
    subject_path: Path | None = None
    """File of `kinecast calibrate subject`; its scale factors are then kept."""
    apply_offsets: bool = False
    """Whether angles are counted from the subject's neutral pose."""
    model_path: Path | None = None
    """Network to use instead of kinecast's: a direct network for `direct`, else a BlazePose landmark
    network."""
    runtime: Runtime | None = None
    """Runtime of the direct network; None takes the fastest engine that was built on this machine."""
    precision: Precision | None = None
    """Precision of the direct network; None takes the fastest engine that was built on this machine."""
    engines_dir: Path | None = None
    """Folder of the built engines; None takes the one in the user's cache."""
    offline: bool = False
    """Whether downloads are forbidden."""
    smoothing: bool = True
    """Whether angles are smoothed; without it, no temporal network runs either."""
    temporal: bool = True
    """Whether the temporal network runs before the One-Euro filter, where the estimator and the skeleton
    allow it."""
    patches: bool = True
    """Whether a network looks at patches of the image around feet, knees, elbows and wrists; `lifted` with
    kinecast's own skeleton and one camera."""
    heading: str = "person"
    """Where ground's X points: `person`: where they face at first; `camera`: at the camera, or as in the
    camera file; or the angle in degrees at which the person faces, to their left from straight at the
    camera."""
    neutral: Neutral = Neutral.ASK
    """How the person is learned. Estimates under `ask` and `auto` are the same."""
    person: str | None = None
    """Who is tracked where several people are in view: `largest`, `left`, `right`, or a number from the
    left, from 1; None: the largest."""
    n_people: int = 1
    """Number of people to track, each with an estimator of their own; `lifted` and `landmarks` with one
    camera."""
    search_region: tuple[float, float, float, float] | None = None
    """Left, top, width and height of the part of the image that is searched for a person, from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewsOptions:
    """Several views of one person at the same time; see `realtime.views`."""

    sources: tuple[str, ...] = field(repr=False)
    """Sources in the order of the rig's cameras; a recording of all views is a single one."""
    rig_path: Path
    """File of the cameras; see `calib.rig_file.load_rig`."""
    camera_names: tuple[str, ...] | None = None
    """Those of the file's cameras that took the sources, in the order of the sources; None: all."""
    offsets_s: tuple[float, ...] | None = None
    """Of videos: when the first frame of each was taken, on a common clock; of cameras: time added to the
    stamps of each. None: 0."""
    clock_rates: tuple[float, ...] | None = None
    """Seconds of the common clock in one second of each video's; None: 1."""
    keeps_each: bool = False
    """Whether each view's own estimate is computed and kept, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingOptions:
    """What a recording needs to be tracked again; `session.json` holds it."""

    camera: CameraOptions = CameraOptions()
    estimator: EstimatorOptions = EstimatorOptions()
    rate_hz: float | None = None
    """Frame rate that was asked for; the recorded times follow it."""
    capture_rate_hz: float | None = None
    """Frames a second that the camera of a slow or fast motion video took; the recorded times follow it."""
    n_views: int = 1
    """Number of views side by side in the recorded video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """Where samples are published, and for whom."""

    address: str | None = None
    """ZeroMQ address; None publishes nothing."""
    keys_dir: Path | None = None
    """Folder of `kinecast keys`; None publishes without encryption."""
    encoding: Literal["msgpack", "json"] = "msgpack"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingOptions:
    """What is drawn on the images."""

    show: tuple[str, ...] | None = None
    """Coordinates written as numbers; None takes the overlay's own choice."""
    plot: tuple[str, ...] = ()
    """Coordinates plotted over the last seconds."""
    arcs: bool = True
    """Whether arcs are drawn at the joints."""
    panels: bool = True
    """Whether status, speed and angles are written, too."""
    floor: bool = False
    """Whether the floor of the camera file is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """One run of `kinecast live` or `kinecast replay`."""

    source: str = field(repr=False)
    """Camera number, URL, video, folder of images or `synthetic`."""
    camera: CameraOptions = CameraOptions()
    estimator: EstimatorOptions = EstimatorOptions()
    drawing: DrawingOptions = DrawingOptions()
    publish: PublishOptions = PublishOptions()
    size_px: tuple[int, int] | None = None
    """Width and height asked of a camera."""
    rate_hz: float | None = None
    """Frame rate asked of a camera, or of a folder of images or a video without time stamps."""
    capture_rate_hz: float | None = None
    """Frames a second that the camera took, for a video in slow or fast motion; None believes its times."""
    max_frames: int | None = None
    max_duration_s: float | None = None
    trace_path: Path | None = None
    """File for the timing of each step; None writes none."""
    out: Path | None = None
    """Folder of the recording; None records nothing."""
    smooth_hz: float | None = None
    """Frequency above which movements are removed from the finished recording; None leaves it as tracked."""
    views: ViewsOptions | None = None
    """Several views of one person, the first of them `source`; None: `source` is the only one."""


Options = TypeVar("Options", CameraOptions, EstimatorOptions)


def with_paths_from(options: Options, folder: Path) -> Options:
    """The same options with absolute paths, so that they hold wherever they are read.

    Args:
        options: Options whose relative paths begin at `folder`; `~` is the user's own folder.
        folder: Folder that relative paths begin at.
    """
    found = {f.name: getattr(options, f.name) for f in fields(options)}
    relative = {name: value.expanduser() for name, value in found.items() if isinstance(value, Path)}
    paths: dict[str, Any] = {name: (folder / path).resolve() for name, path in relative.items()}
    return replace(options, **paths)


def portable_path(path: Path, folder: Path) -> str:
    """A path that does not name the user, for files in `folder`; `with_paths_from` reads it.

    Args:
        path: Path; if relative, from the working folder.
        folder: Folder that the result begins at, unless only `path` lies in the user's own folder.
    """
    path, folder, home = path.expanduser().resolve(), folder.resolve(), Path.home().resolve()
    if path.is_relative_to(home) and not folder.is_relative_to(home):
        return str(Path("~") / path.relative_to(home))
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # another drive
        return str(path)
