"""What was repeated in a recording: its events and cycles, by marks, by steps or by an angle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RealtimeError
from realtime.events.cycles import marked, repeated, strides
from realtime.events.event import Cycle, Event
from realtime.events.gait import gait_events
from realtime.events.repetitions import DEFAULT_RANGE_DEG, Direction, find_repetitions

Array = NDArray[np.float64]

BY_ITSELF, GAIT, MARKS, NONE = "auto", "gait", "marks", "none"
DEFAULT_ANGLE = "knee_angle"
"""Angle by whose repetitions a movement is divided, where nothing else is asked for or found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleOptions:
    """What divides a recording into cycles."""

    by: str = BY_ITSELF
    """`marks`, `gait`, `none`, or the name of a coordinate (without a side: the mean of both); `auto` takes
    the first of marks, gait and `DEFAULT_ANGLE` that gives cycles."""
    least_range: float = DEFAULT_RANGE_DEG
    """Least way of a repetition, in deg or m."""
    direction: Direction = "up"
    """Direction in which a repetition goes."""


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What a movement is divided by."""

    time_s: Array
    """Times since the first sample. Shape: (n,)."""
    names: tuple[str, ...]
    """Names of the coordinates."""
    units: tuple[str, ...]
    """`deg` or `m` for each coordinate."""
    values: Array
    """Coordinates in deg and m; NaN where unknown. Shape: (n, n_names)."""
    ahead_m: Array | None
    """How far the right and the left heel are in front of the pelvis; None where the skeleton has none.
    Shape: (n, 2)."""
    marks: tuple[Event, ...]
    """Events that were marked by hand, in order of time."""


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """Events and cycles of a recording."""

    events: tuple[Event, ...]
    """Marks, foot strikes and foot-offs where there are steps, and the ends and turns of repetitions, in
    order of time."""
    cycles: tuple[Cycle, ...]
    """Cycles in order of their start; none where nothing was repeated."""
    divided_by: str
    """`marks`, `gait`, a coordinate, or empty without cycles."""


def movement_of(curves: Curves, options: CycleOptions | None = None) -> Movement:
    """Events and cycles of a recording.

    Raises:
        RealtimeError: the skeleton has no such coordinate, or no heels; or there are too few marks.
    """
    options = options or CycleOptions()
    steps = [] if curves.ahead_m is None else gait_events(curves.time_s, curves.ahead_m)
    by, cycles = _divided(curves, steps, options)
    events = [*curves.marks, *(steps if options.by in (GAIT, BY_ITSELF) else []), *_ends_of(cycles)]
    return Movement(tuple(sorted(events)), tuple(cycles), by if cycles else "")


def _divided(curves: Curves, steps: Sequence[Event], options: CycleOptions) -> tuple[str, list[Cycle]]:
    """By what, and the cycles."""
    if options.by == NONE:
        return NONE, []
    if options.by == MARKS or (options.by == BY_ITSELF and len(marked(curves.marks)) > 1):
        return MARKS, _of_marks(curves)
    if options.by == GAIT or (options.by == BY_ITSELF and len(strides(steps)) > 1):
        if curves.ahead_m is None:
            raise RealtimeError(
                "gait needs a skeleton with bodies pelvis, calcn_r and calcn_l", name="cycles"
            )
        return GAIT, strides(steps)
    name = DEFAULT_ANGLE if options.by == BY_ITSELF else options.by
    columns = sides_of(name, curves.names)
    if not columns and options.by != BY_ITSELF:
        raise RealtimeError(
            f"no coordinate {name!r} to find repetitions by; accepted: auto, marks, gait, none, "
            f"{', '.join(curves.names)}",
            name="cycles", value=name, accepted=curves.names,
        )  # fmt: skip
    if not columns:
        return NONE, []
    angle = curves.values[:, columns].mean(axis=1)
    found = find_repetitions(curves.time_s, angle, options.least_range, direction=options.direction)
    return name, repeated(found)


def sides_of(name: str, names: Sequence[str]) -> list[int]:
    """Columns of a coordinate, or of both sides of it; empty where there is none."""
    if name in names:
        return [names.index(name)]
    both = [f"{name}_r", f"{name}_l"]
    return [names.index(side) for side in both] if set(both) <= set(names) else []


def _ends_of(cycles: Sequence[Cycle]) -> list[Event]:
    """Start, turn and end of each repetition as events."""
    return [
        Event(time_s, f"Repetition {what}")
        for cycle in cycles
        for what, time_s in (("Start", cycle.start_s), ("Turn", cycle.turn_s), ("End", cycle.end_s))
        if cycle.kind == "repetition" and time_s is not None
    ]


def _of_marks(curves: Curves) -> list[Cycle]:
    cycles = marked(curves.marks)
    if not cycles:
        raise RealtimeError(
            f"the recording has {len(curves.marks)} marks, and cycles need two of one name; make them with "
            "key E in the window of: kinecast live --out DIR",
            name="cycles", value="marks",
        )  # fmt: skip
    return cycles
