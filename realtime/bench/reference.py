"""Read a reference recording for `kinecast evaluate`, and check it before anything is tracked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calib.tables.storage import Table, read_mot
from realtime.bench.accuracy import Trajectory, common_names, scored_names
from realtime.errors import RealtimeError
from realtime.sources.source import FrameSource

MAX_JOINT_RAD = 3.5
"""No joint of trunk or legs bends by 200 degrees: larger numbers are degrees."""
MIN_FRAMES = 30
"""Fewer frames than these give figures that the next trial contradicts."""
DURATION_SLACK_S = 1.0
"""By how much the length that a video's header announces may be short."""

Offset = float | Literal["auto"]
"""Reference time minus video time in s; "auto": the reference starts when the video does."""

_STATE = re.compile(r".*/([^/]+)/value")


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What a file says of the skeleton's rotations."""

    path: Path
    trajectory: Trajectory
    other_names: tuple[str, ...]
    """Columns that the skeleton does not have."""
    warnings: tuple[str, ...]
    """What was assumed in reading it, for people."""

    def offset_s(self, asked: Offset) -> float:
        """Reference time minus video time in s."""
        return float(self.trajectory.time_s[0]) if asked == "auto" else asked


def read_reference(path: Path, rotations: Sequence[str]) -> Reference:
    """Read a `.mot` or `.sto` of coordinates, or of OpenSim's states.

    Args:
        path: A table of `calib.tables.storage`; columns such as `/jointset/hip_r/hip_flexion_r/value` count
            as `hip_flexion_r`.
        rotations: Names of the skeleton's rotational coordinates; other columns are left out.

    Raises:
        StorageError: the file is no such table.
        RealtimeError: it has no rows, none of the coordinates, or one of them twice.
    """
    table = read_mot(path)
    if len(table.time_s) < 2:
        raise RealtimeError(f"{path}: {len(table.time_s)} rows; a reference needs two or more")
    columns = coordinate_columns(path, table.names)
    kept = [name for name in rotations if name in columns]
    if not kept:
        # For its message, which names both sides.
        common_names(
            rotations, Trajectory(tuple(columns), table.time_s, table.values[:, list(columns.values())])
        )
    values = table.values[:, [columns[name] for name in kept]]
    angles_deg, warnings = _in_degrees(path, table, kept, values)
    others = tuple(name for name in columns if name not in kept)
    return Reference(path, Trajectory(tuple(kept), table.time_s, angles_deg), others, warnings)


def coordinate_columns(path: Path, names: Sequence[str]) -> dict[str, int]:
    """The column of each coordinate: plain names, and the last but one part of a state's path.

    Raises:
        RealtimeError: two columns are of one coordinate.
    """
    columns: dict[str, int] = {}
    for k, name in enumerate(names):
        state = _STATE.fullmatch(name)
        if state is None and "/" in name:
            continue  # speeds, activations, fibre lengths
        coordinate = name if state is None else state[1]
        if coordinate in columns:
            raise RealtimeError(
                f"{path}: columns {names[columns[coordinate]]} and {name} are both of {coordinate}; keep one"
            )
        columns[coordinate] = k
    return columns


def _in_degrees(
    path: Path, table: Table, names: list[str], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The columns in degrees, and what was assumed for that."""
    if table.in_degrees:
        return values, ()
    # The pelvis may turn round and arms wrap; trunk and legs cannot.
    judged = [names.index(name) for name in scored_names(names)]
    largest = np.abs(np.nan_to_num(values[:, judged])).max()
    if largest <= MAX_JOINT_RAD:
        return np.degrees(values), ()
    note = (
        f"{path}: the header does not say inDegrees=yes, but an angle of {largest:.1f} cannot be in radians; "
        "all are read as degrees"
    )
    return values, (note,)


def check_times(
    reference: Reference, source: FrameSource, offset_s: float, lag_range_s: float, min_frames: int
) -> None:
    """Refuse a reference that cannot cover enough of the video, before minutes of tracking.

    Args:
        reference: The reference, over its own time.
        source: The opened video; its announced length is not trusted to the frame.
        offset_s: Reference time minus video time.
        lag_range_s: Largest lag that will be tried.
        min_frames: Fewest frames to compare.

    Raises:
        RealtimeError: naming both times, and the option that brings them together.
    """
    first_s, last_s = (float(t) for t in reference.trajectory.time_s[[0, -1]])
    duration_s = source.n_frames / source.fps if source.n_frames else np.inf
    end_s = offset_s + duration_s + lag_range_s + DURATION_SLACK_S
    overlap_s = min(last_s, end_s) - max(first_s, offset_s - lag_range_s)
    if overlap_s < 0.0:
        video = (
            f"from {offset_s:.2f} s on"
            if np.isinf(end_s)
            else f"{offset_s:.2f} to {offset_s + duration_s:.2f} s"
        )
        raise RealtimeError(
            f"{reference.path}: its times are {first_s:.2f} to {last_s:.2f} s and the video's {video}: they "
            "do not overlap; give --offset S (reference time = video time + S), or --offset auto if both "
            "start together (offset_s in a trials file)"
        )
    refuse_few_frames(str(reference.path), int(overlap_s * source.fps) + 1, min_frames)


def refuse_few_frames(name: str, n_frames: int, min_frames: int) -> None:
    """Refuse figures of too few frames.

    Raises:
        RealtimeError: naming the number and the option that allows it.
    """
    if n_frames < min_frames:
        raise RealtimeError(
            f"{name}: {n_frames} frames can be compared, fewer than {min_frames}; check --offset, take a "
            f"longer trial, or allow it with --min-frames {max(n_frames, 1)}"
        )
