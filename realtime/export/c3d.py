"""Markers, angles and events as C3D."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realtime.errors import RecordingError
from realtime.events.event import Event
from realtime.export.even import evenly
from realtime.export.extras import need
from realtime.export.motion import RecordedMotion

CONTEXTS = {"r": "Right", "l": "Left", "": "General"}
"""Side of an event -> its context in the file."""


def write_c3d(motion: RecordedMotion, events: Sequence[Event], path: Path) -> None:
    """Write markers as points in mm, coordinates as analog channels in degrees and m, and events.

    Points and channels are at the even rate of `markers.trc`, with its positions; unknown ones are invalid
    points. Axes are those of ground: Y up, X where the person faced at first. The number of the first frame
    tells its time; times of events count from the same zero, the first sample of the recording.

    Args:
        motion: Recording from `load_recording`.
        events: Events of the recording, in order of time.
        path: File to write.

    Raises:
        RecordingError: ezc3d is missing or cannot work beside opensim, or nobody was tracked.
    """
    ezc3d = need("ezc3d", "a C3D file")
    try:
        _write(ezc3d, motion, events, path)
    except TypeError as error:
        if "opensim" not in sys.modules:
            raise
        # Both wrap C++ by SWIG, which keeps one table of types for a process.
        raise RecordingError(
            "ezc3d cannot write in a process in which opensim was used; "
            "run: kinecast export REC --to c3d --out FILE"
        ) from error


def _write(ezc3d: Any, motion: RecordedMotion, events: Sequence[Event], path: Path) -> None:
    even, model = evenly(motion), motion.meta.model
    is_angle = np.array(model.is_rotational, dtype=np.bool_)
    to_unit = np.where(is_angle, np.degrees(1.0), 1.0)
    points = np.ones((4, len(model.marker_names), len(even.time_s)))
    points[:3] = 1000.0 * even.resampled(motion.markers_m).transpose(2, 1, 0)

    file = ezc3d.c3d()
    parameters = file["parameters"]
    parameters["POINT"]["RATE"]["value"] = [even.rate_hz]
    parameters["POINT"]["LABELS"]["value"] = list(model.marker_names)
    parameters["POINT"]["UNITS"]["value"] = ["mm"]
    parameters["ANALOG"]["RATE"]["value"] = [even.rate_hz]
    parameters["ANALOG"]["LABELS"]["value"] = list(model.coordinate_names)
    parameters["ANALOG"]["UNITS"]["value"] = ["deg" if angle else "m" for angle in is_angle]
    file.add_parameter("POINT", "X_SCREEN", ["+X"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    file.add_parameter("MANUFACTURER", "SOFTWARE", ["kinecast"])
    file["header"]["points"]["first_frame"] = round(float(even.time_s[0]) * even.rate_hz)
    _add_events(file, events)
    file["data"]["points"] = points
    file["data"]["analogs"] = (even.resampled(motion.q, is_angle) * to_unit).T[None]
    file.write(str(path))


def _add_events(file: Any, events: Sequence[Event]) -> None:
    """The group EVENT, as Vicon's programs have it: times are rows of whole minutes and seconds."""
    file.add_parameter("EVENT", "USED", [len(events)])
    if not events:
        return
    times_s = np.array([event.time_s for event in events])
    file.add_parameter("EVENT", "CONTEXTS", [CONTEXTS[event.side] for event in events])
    file.add_parameter("EVENT", "LABELS", [event.label for event in events])
    file.add_parameter("EVENT", "TIMES", np.stack([times_s // 60.0, times_s % 60.0]))
