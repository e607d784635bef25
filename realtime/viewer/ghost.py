"""A second figure for comparison: another stream, or a recorded motion in a loop."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from calib.errors import StorageError
from realtime.client import Subscription, subscribe
from realtime.errors import RealtimeError
from realtime.geometry import rotation_matrices
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.stream.messages import Angles, Pose
from realtime.stream.security import ClientKeys
from realtime.viewer.anatomy import FARTHEST_M, TIP_MARKERS
from realtime.viewer.posture import MAX_BODIES, Posture, body_confidence, posture_of
from realtime.viewer.subject_scale import scale_factors_of

if TYPE_CHECKING:
    from calib.skeleton import Skeleton

Array = NDArray[np.float64]

RECORDED_NAMES = ("angles.sto", "angles.mot")
"""Files looked for in a folder without a log, in this order."""
PAUSE_S = 0.7
"""Pause between the end of a recording and its restart."""
LONGEST = 100_000
"""Largest number of samples of a recording; about a quarter of an hour at 120 Hz."""
SIZING_S = 1.0
"""Interval at which it takes over the first figure's size."""


class Ghost(Protocol):
    """Source of the second figure."""

    label: str

    def posture(self, now_s: float, beside: Posture | None) -> Posture | None:
        """Its present posture; None if there is none.

        Args:
            now_s: Time on any monotonic clock.
            beside: Posture of the first figure, whose size a recording takes over.
        """

    def restart(self) -> None:
        """Play a recording from its beginning."""

    def close(self) -> None:
        """Release resources."""


class StreamedGhost:
    """The newest posture of another stream.

    Raises:
        StreamError: the address is malformed.
    """

    def __init__(self, address: str, keys: ClientKeys | None = None) -> None:
        self.label = address
        self._subscription: Subscription = subscribe(address, latest=True, poses=True, keys=keys)
        self._posture: Posture | None = None
        self._heard_s = 0.0

    def posture(self, now_s: float, beside: Posture | None) -> Posture | None:
        """The newest posture; None once the stream has been silent for a while."""
        sample = self._subscription.receive(0.0)
        if sample is not None:
            self._posture, self._heard_s = posture_of(sample), now_s
        elif now_s - self._heard_s > 2.0:
            self._posture = None
        return self._posture

    def restart(self) -> None:
        """A stream cannot be restarted."""

    def close(self) -> None:
        """End the subscription."""
        self._subscription.close()


class _Loop:
    """Playback of a recording in a loop."""

    def __init__(self, time_s: Array) -> None:
        self._time_s = time_s - time_s[0]
        self._start_s: float | None = None

    def row(self, now_s: float) -> int:
        """Index of the row for the present time."""
        self._start_s = now_s if self._start_s is None else self._start_s
        at_s = (now_s - self._start_s) % (self._time_s[-1] + PAUSE_S)
        return max(0, int(np.searchsorted(self._time_s, at_s, side="right")) - 1)

    def restart(self) -> None:
        """Restart playback."""
        self._start_s = None

    def close(self) -> None:
        """Nothing to release."""


class LoggedGhost(_Loop):
    """A recorded stream in a loop at its own pace, with the recorded bodies of any model.

    Args:
        folder: Folder of the recording.

    Raises:
        RealtimeError: the log cannot be read or holds no poses.
    """

    def __init__(self, folder: Path) -> None:
        log = StreamLog(folder / LOG_NAME)
        self.label = folder.name
        model = log.meta.model
        n = min(len(model.body_names), MAX_BODIES)
        self._names, self._parents = tuple(model.body_names[:n]), tuple(model.body_parents[:n])
        self._coordinate_names = model.coordinate_names
        tips = [(k, name) for k, name in enumerate(model.marker_names) if name in TIP_MARKERS.values()]
        self._tip_names = [name for _, name in tips]
        rows = [
            (angles.t_capture_ns, _flat(angles, pose, n, [k for k, _ in tips]))
            for angles, pose in islice(log.samples(), LONGEST)
            if pose is not None
        ]
        if not rows:
            raise RealtimeError(f"{log.path}: no poses in this recording")
        self._t_ns = [t_ns for t_ns, _ in rows]
        self._rows = np.stack([row for _, row in rows])
        super().__init__(np.array(self._t_ns, dtype=np.float64) * 1e-9)

    def posture(self, now_s: float, beside: Posture | None) -> Posture | None:
        """The recorded posture at the present time."""
        k = self.row(now_s)
        n = len(self._names)
        p, wxyz, centres, rest = np.split(self._rows[k].astype(np.float64), [3 * n, 7 * n, 10 * n])
        tips, confidence = np.split(rest, [3 * len(self._tip_names)])
        T = np.zeros((n, 4, 4))
        T[:, :3, :3] = rotation_matrices(wxyz.reshape(-1, 4))
        T[:, :3, 3], T[:, 3, 3] = p.reshape(-1, 3), 1.0
        return Posture(
            self._t_ns[k],
            self._names,
            self._parents,
            T,
            centres.reshape(-1, 3),
            dict(zip(self._tip_names, tips.reshape(-1, 3), strict=True)),
            body_confidence(self._names, self._coordinate_names, confidence),
        )


def _flat(angles: Angles, pose: Pose, n: int, markers: list[int]) -> NDArray[np.float32]:
    """The stored part of a sample as one compact row, because a long recording has many."""
    parts = (
        pose.body_position_m[:n],
        pose.body_rotation_wxyz[:n],
        pose.joint_centre_m[:n],
        [pose.marker_m[k] for k in markers],
        angles.confidence,
    )
    row = np.concatenate([np.asarray(part, dtype=np.float64).ravel() for part in parts])
    return np.where(np.abs(row) < FARTHEST_M, row, np.nan).astype(np.float32)


class RecordedGhost(_Loop):
    """Coordinates of a file on a model's skeleton, in a loop at the recorded pace.

    Args:
        file: Path of a `.mot` or `.sto` file.
        skeleton: Skeleton of the coordinates.

    Raises:
        RealtimeError: the file cannot be read, or shares no coordinate with the model.
    """

    def __init__(self, file: Path, skeleton: Skeleton) -> None:
        from calib.tables.storage import coordinate_values, read_mot

        self.label = file.name
        try:
            table = read_mot(file)
        except StorageError as error:
            raise RealtimeError(str(error)) from error
        q = coordinate_values(table, skeleton.coordinate_names, skeleton.is_rotational)
        is_given = np.array([name in table.names for name in skeleton.coordinate_names])
        if not is_given.any() or not len(q):
            raise RealtimeError(
                f"{file}: no rows, or no coordinate of the skeleton {skeleton.name}; it has "
                f"{', '.join(table.names[:8])}; give its model: --skeleton FILE.osim"
            )
        q[:, ~is_given] = skeleton.q_default[~is_given]
        super().__init__(table.time_s)
        self._skeleton, self._q = skeleton, q
        self._factors = np.ones((skeleton.n_bodies, 3))
        self._sized_s = -SIZING_S

    def posture(self, now_s: float, beside: Posture | None) -> Posture | None:
        """The recorded posture at the present time; None where the person was lost."""
        from calib.kinematics import body_transforms, joint_centres

        row = self.row(now_s)
        q, skeleton = self._q[row], self._skeleton
        if not np.isfinite(q).all():
            return None
        if beside is not None and not 0.0 <= now_s - self._sized_s < SIZING_S:
            self._factors, self._sized_s = scale_factors_of(skeleton, beside), now_s
        return Posture(
            round(self._time_s[row] * 1e9),
            skeleton.body_names,
            tuple(skeleton.tree.parent.tolist()),
            body_transforms(skeleton, q, self._factors),
            joint_centres(skeleton, q, self._factors),
            {},
            np.ones(skeleton.n_bodies),
        )


def open_ghost(source: str, skeleton_path: Path | None, keys: ClientKeys | None = None) -> Ghost:
    """Open the ghost that the user chose.

    Args:
        source: Address of a stream, folder of a recording, or path of a `.mot` or `.sto` file.
        skeleton_path: Model of such a file; None for kinecast's own.
        keys: Keys for a stream that requires CURVE.

    Raises:
        RealtimeError: the source does not exist or cannot be read.
        OsimError: the model cannot be read.
    """
    if "://" in source:
        return StreamedGhost(source, keys)
    path = Path(source)
    if path.is_dir() and (path / LOG_NAME).is_file():
        return LoggedGhost(path)
    from calib.skeleton import load_skeleton

    return RecordedGhost(_recorded_file(path), load_skeleton(skeleton_path))


def _recorded_file(path: Path) -> Path:
    if path.is_dir():
        for name in RECORDED_NAMES:
            if (path / name).is_file():
                return path / name
        raise RealtimeError(
            f"{path}: holds none of {', '.join(RECORDED_NAMES)}; record one with: kinecast record --out DIR"
        )
    if not path.is_file():
        raise RealtimeError(
            f"{path}: no such recording; accepted: the folder of a recording, a .mot or .sto "
            "file, or the address of a stream"
        )
    return path
