"""A second figure to compare with: another stream, or a recorded motion played over and over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from calib.errors import StorageError
from realtime.client import Subscription, subscribe
from realtime.curve import ClientKeys
from realtime.errors import RealtimeError
from realtime.viewer.posture import Posture, posture_of
from realtime.viewer.subject_scale import scale_factors_of

if TYPE_CHECKING:
    from calib.skeleton import Skeleton

RECORDED_NAMES = ("angles.sto", "angles.mot")
"""Looked for in a folder, in this order."""
PAUSE_S = 0.7
"""Between the end of a recording and its next beginning."""
SIZING_S = 1.0
"""How often it takes over the first figure's size."""


class Ghost(Protocol):
    """Where the second figure comes from."""

    label: str

    def posture(self, now_s: float, beside: Posture | None) -> Posture | None:
        """Where it is now; None where it is not.

        Args:
            now_s: on any clock that runs evenly.
            beside: the first figure, whose size a recording takes over.
        """

    def restart(self) -> None:
        """Play a recording from its beginning."""

    def close(self) -> None:
        """Release what it holds."""


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
        """The newest; None once the stream has been silent for a while."""
        sample = self._subscription.receive(0.0)
        if sample is not None:
            self._posture, self._heard_s = posture_of(sample), now_s
        elif now_s - self._heard_s > 2.0:
            self._posture = None
        return self._posture

    def restart(self) -> None:
        """A stream cannot."""

    def close(self) -> None:
        """Leave the stream."""
        self._subscription.close()


class RecordedGhost:
    """Coordinates of a file on a model's skeleton, in a loop, at the pace they were recorded.

    Args:
        path: a folder that kinecast recorded into, or a `.mot` or `.sto` file.
        skeleton: the model whose coordinates they are.

    Raises:
        RealtimeError: there is no such recording, or it shares no coordinate with the model.
    """

    def __init__(self, path: Path, skeleton: Skeleton) -> None:
        from calib.storage import coordinate_values, read_mot

        file = _recorded_file(path)
        self.label = file.parent.name if path.is_dir() else file.name
        try:
            table = read_mot(file)
        except StorageError as error:
            raise RealtimeError(str(error)) from error
        q = coordinate_values(table, skeleton.coordinate_names, skeleton.is_rotational)
        given = [name in table.names for name in skeleton.coordinate_names]
        if not any(given) or not len(q):
            raise RealtimeError(
                f"{file}: no row, or no coordinate of the skeleton {skeleton.name}; it has "
                f"{', '.join(table.names[:8])}; name its model: --skeleton FILE.osim"
            )
        q[:, ~np.array(given)] = skeleton.q_default[~np.array(given)]
        self._skeleton = skeleton
        self._time_s, self._q = table.time_s - table.time_s[0], q
        self._start_s: float | None = None
        self._factors = np.ones((skeleton.n_bodies, 3))
        self._sized_s = -SIZING_S

    def posture(self, now_s: float, beside: Posture | None) -> Posture | None:
        """Where the recorded person is by now; None where they were lost."""
        from calib.kinematics import body_transforms, joint_centres

        self._start_s = now_s if self._start_s is None else self._start_s
        at_s = (now_s - self._start_s) % (self._time_s[-1] + PAUSE_S)
        q = self._q[max(0, int(np.searchsorted(self._time_s, at_s, side="right")) - 1)]
        if not np.isfinite(q).all():
            return None
        if beside is not None and not 0.0 <= now_s - self._sized_s < SIZING_S:
            self._factors, self._sized_s = scale_factors_of(self._skeleton, beside), now_s
        return self._placed(body_transforms(self._skeleton, q, self._factors),
                            joint_centres(self._skeleton, q, self._factors), at_s)  # fmt: skip

    def _placed(self, T: NDArray[np.float64], centres: NDArray[np.float64], at_s: float) -> Posture:
        skeleton = self._skeleton
        return Posture(
            round(at_s * 1e9), skeleton.body_names, tuple(skeleton.tree.parent.tolist()), T, centres, {},
            np.ones(skeleton.n_bodies),
        )  # fmt: skip

    def restart(self) -> None:
        """Play from the beginning."""
        self._start_s = None

    def close(self) -> None:
        """Nothing to release."""


def _recorded_file(path: Path) -> Path:
    if path.is_dir():
        for name in RECORDED_NAMES:
            if (path / name).is_file():
                return path / name
        raise RealtimeError(
            f"{path}: holds none of {', '.join(RECORDED_NAMES)}; record one: kinecast record --out"
        )
    if not path.is_file():
        raise RealtimeError(
            f"{path}: no such recording; accepted: a folder that kinecast recorded into, a .mot or .sto "
            "file, or the address of a stream"
        )
    return path
