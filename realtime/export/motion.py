"""The samples of a recording as arrays and DataFrames, also of one whose process was killed.

```python
from realtime import load_recording

recording = load_recording("DIR")
print(recording.angles["knee_angle_r"].describe())
recording.plot("knee_angle").figure.savefig("knees.png")
```
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIC_ANGLES
from realtime.errors import RecordingError
from realtime.events.event import Event
from realtime.events.gait import ahead_of_pelvis
from realtime.events.movement import Curves, CycleOptions, movement_of
from realtime.events.repetitions import DEFAULT_RANGE_DEG, Direction
from realtime.export.cycles import Repeated
from realtime.export.extras import need
from realtime.geometry import rotation_matrices
from realtime.recording.joint_ranges import JointRanges
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.parts import find_person
from realtime.sample import Status
from realtime.stream.messages import Meta

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

HEELS = ("calcn_r", "calcn_l")
"""Bodies whose joints are followed for steps."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedMotion:
    """All samples of a recording, in the ground that it ended with; NaN where nothing is known."""

    meta: Meta
    """Skeletal model, camera and ground."""
    time_s: Array
    """Times since the first sample. Shape: (n,)."""
    frame_id: NDArray[np.int64]
    """Numbers of the source's frames. Shape: (n,)."""
    status: tuple[Status, ...]
    """Whether each sample can be used."""
    person_id: NDArray[np.int64]
    """Number of the tracked person, another one for somebody else; 0 where people are not told apart.
    Shape: (n,)."""
    q: Array
    """Coordinates in rad and m, in the order of `meta.model.coordinate_names`. Shape: (n, n_q)."""
    confidence: Array
    """Confidence of each coordinate, from 0 to 1. Shape: (n, n_q)."""
    pelvic_angles: Array
    """Rotation, obliquity and tilt of the pelvis in rad. Shape: (n, 3)."""
    joint_centres_m: Array
    """Centre of the joint that carries each body, in ground. Shape: (n, n_bodies, 3)."""
    body_rotations_wxyz: Array
    """Unit quaternions of R_ground_body. Shape: (n, n_bodies, 4)."""
    markers_m: Array
    """Marker positions in ground. Shape: (n, n_markers, 3)."""
    marks: tuple[Event, ...]
    """Events that the user marked, in order of time."""

    @property
    def names(self) -> tuple[str, ...]:
        """Coordinates and, where they are known, the clinical angles of the pelvis."""
        has_pelvis = bool(np.isfinite(self.pelvic_angles).any())
        return (*self.meta.model.coordinate_names, *(PELVIC_ANGLES if has_pelvis else ()))

    @property
    def units(self) -> tuple[str, ...]:
        """`deg` or `m` for each of `names`."""
        is_angle = [*self.meta.model.is_rotational, *[True] * len(PELVIC_ANGLES)]
        return tuple("deg" if angle else "m" for angle in is_angle[: len(self.names)])

    @property
    def values(self) -> Array:
        """Coordinates in deg and m, in the order of `names`; NaN where unknown. Shape: (n, n_names)."""
        values = np.concatenate([self.q, self.pelvic_angles], axis=1)[:, : len(self.names)]
        return values * np.where(np.array(self.units) == "deg", np.degrees(1.0), 1.0)

    @property
    def angles(self) -> pd.DataFrame:
        """Coordinates in degrees and m over `time_s`; a column for each of `names`.

        Raises:
            RecordingError: pandas is not installed.
        """
        pandas = need("pandas", "a DataFrame")
        index = pandas.Index(self.time_s, name="time_s")
        return pandas.DataFrame(self.values, columns=list(self.names), index=index)

    @property
    def table(self) -> pd.DataFrame:
        """`angles` after the columns `frame_id` and `status`.

        Raises:
            RecordingError: pandas is not installed.
        """
        table = self.angles
        table.insert(0, "frame_id", self.frame_id)
        table.insert(1, "status", [status.value for status in self.status])
        return table

    @property
    def ranges(self) -> pd.DataFrame:
        """Smallest, mean and largest value and range of each coordinate while somebody was tracked.

        Raises:
            RecordingError: pandas is not installed.
        """
        pandas = need("pandas", "a DataFrame")
        ranges = JointRanges(self.meta.model)
        for status, q, pelvic in zip(self.status, self.q, self.pelvic_angles, strict=True):
            ranges.add_values(status, np.concatenate([q, pelvic]))
        rows = ranges.as_dict()
        units = dict(zip(self.names, self.units, strict=True))
        index = pandas.Index(list(rows), name="coordinate")
        table = pandas.DataFrame(list(rows.values()), index=index, columns=["min", "mean", "max", "range"])
        table.insert(0, "unit", [units[name] for name in rows])
        return table

    @property
    def curves(self) -> Curves:
        """What events and cycles are found in; see `realtime.events.movement.movement_of`."""
        return Curves(
            time_s=self.time_s,
            names=self.names,
            units=self.units,
            values=self.values,
            ahead_m=self._ahead_m(),
            marks=self.marks,
        )

    def cycles(
        self, by: str = "auto", *, least_range: float = DEFAULT_RANGE_DEG, direction: Direction = "up"
    ) -> Repeated:
        """What was repeated: events, repetitions or strides, and tables of them.

        Args:
            by: `marks`, `gait`, or the name of a coordinate whose repetitions count (without a side: the mean
                of both); `auto` takes the first of marks, gait and `knee_angle` that gives cycles.
            least_range: Least way of a repetition, in deg or m.
            direction: Direction in which a repetition goes.

        Raises:
            RealtimeError: there is no such coordinate, or there are no marks.
        """
        return repeated_in(self, CycleOptions(by=by, least_range=least_range, direction=direction))

    def plot(self, *names: str, ax: Axes | None = None) -> Axes:
        """Plot coordinates over time.

        Args:
            names: Names of coordinates; without a side ("knee_angle"), both sides.
            ax: Axes to draw into; None makes new ones.

        Raises:
            RecordingError: there is no such coordinate, or matplotlib is not installed.
        """
        need("matplotlib", "a plot")
        columns = [column for name in names for column in self._columns(name)]
        units = dict(zip(self.names, self.units, strict=True))
        label = ", ".join(dict.fromkeys(units[column] for column in columns))
        drawn: Axes = self.angles[columns].plot(ax=ax, xlabel="time (s)", ylabel=label)
        return drawn

    def _ahead_m(self) -> Array | None:
        """How far the heels are in front of the pelvis; None without such bodies. Shape: (n, 2)."""
        bodies = self.meta.model.body_names
        if not {"pelvis", *HEELS} <= set(bodies):
            return None
        pelvis, feet = bodies.index("pelvis"), [bodies.index(name) for name in HEELS]
        R = rotation_matrices(self.body_rotations_wxyz[:, pelvis])
        return ahead_of_pelvis(self.joint_centres_m[:, pelvis], R, self.joint_centres_m[:, feet])

    def _columns(self, name: str) -> list[str]:
        """A coordinate, or both sides of it."""
        found = [known for known in (name, f"{name}_r", f"{name}_l") if known in self.names]
        if not found:
            raise RecordingError(
                f"no coordinate {name!r}; the recording has {', '.join(self.names)}",
                name="names", value=name, accepted=self.names,
            )  # fmt: skip
        return found


def repeated_in(motion: RecordedMotion, options: CycleOptions) -> Repeated:
    """What was repeated in a recording; see `RecordedMotion.cycles`.

    Raises:
        RealtimeError: there is no such coordinate, or there are no marks.
    """
    curves = motion.curves
    return Repeated(curves, movement_of(curves, options))


def load_recording(folder: str | Path, *, person: int = 1) -> RecordedMotion:
    """Read the samples of a recording; of one whose process was killed, what it has.

    Args:
        folder: Folder given as `--out`.
        person: Number of the person, where several were tracked (`--people`), from 1.

    Raises:
        RecordingError: the folder holds no recording, no such person, or no samples.
    """
    folder = Path(folder)
    if not (folder / LOG_NAME).is_file():
        raise RecordingError(
            f"{folder} holds no recording ({LOG_NAME}); make one with: kinecast live --out DIR",
            name="folder",
            value=folder,
        )
    folder = find_person(folder, person)
    log = StreamLog(folder / LOG_NAME)
    samples = list(log.samples())
    if not samples:
        raise RecordingError(f"{folder}: the recording ended before its first sample", name="folder")
    model = log.meta.model
    t_ns = np.array([angles.t_capture_ns for angles, _ in samples], dtype=np.int64)

    def poses(values: Sequence[Any], *shape: int) -> Array:
        unknown = np.full(shape, np.nan)
        return np.array([unknown if value is None else value for value in values]).reshape(-1, *shape)

    n_bodies, n_markers = len(model.body_names), len(model.marker_names)
    return RecordedMotion(
        meta=log.meta,
        time_s=(t_ns - t_ns[0]) * 1e-9,
        frame_id=np.array([angles.frame_id for angles, _ in samples], dtype=np.int64),
        status=tuple(angles.status for angles, _ in samples),
        person_id=np.array([angles.person_id for angles, _ in samples], dtype=np.int64),
        q=np.array([angles.q for angles, _ in samples]),
        confidence=np.array([angles.confidence for angles, _ in samples]),
        pelvic_angles=np.array([angles.pelvic_angles for angles, _ in samples]),
        joint_centres_m=poses([pose and pose.joint_centre_m for _, pose in samples], n_bodies, 3),
        body_rotations_wxyz=poses([pose and pose.body_rotation_wxyz for _, pose in samples], n_bodies, 4),
        markers_m=poses([pose and pose.marker_m for _, pose in samples], n_markers, 3),
        marks=tuple(
            Event((angles.t_capture_ns - int(t_ns[0])) * 1e-9, label)
            for angles, _ in samples
            for label in angles.events
        ),
    )
