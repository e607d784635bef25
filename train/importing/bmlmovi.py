"""BML-MoVi with the labels that D3KE generates.

`F_PG1_Subject_N_L.avi`, `F_PG2_...` (one video of all movements each), `F_v3d_Subject_N.mat` (first and last
frame of each movement at 30 Hz) and, from D3KE, `.../Subject_N_.../scale.osim` with
`IKResults/Subject_N_F_M_poses.mot` (movement M at 120 Hz), in any folders below the one that is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.skeleton import Skeleton
from train.errors import TrainError
from train.importing.coordinates import Motion, read_motion
from train.importing.take import Labelled, Read, Take, video_frames

FPS = 30.0
FOV_DEG = 44.5
"""Of 800 pixels at a focal length of 979, D3KE's for both cameras."""
_SUBJECT = re.compile(r"Subject_(\d+)(?!\d)")
_MOVEMENT = re.compile(r"Subject_(\d+)_F_(\d+)(?!\d).*\.mot")
_VIDEO = re.compile(r"F_(PG[12])_Subject_(\d+)_\w*\.avi", re.IGNORECASE)


def find_takes(folder: Path, own: Skeleton, every: int) -> tuple[list[Take], list[str]]:
    """One take for each subject and camera, and what was left out.

    Raises:
        TrainError: nothing is found, or a file that is needed is missing or damaged.
    """
    models = _models(folder)
    videos = [
        (m[2], m[1].upper(), p) for p in sorted(folder.rglob("*.avi")) if (m := _VIDEO.fullmatch(p.name))
    ]
    if not models or not videos:
        missing = "scale.osim in folders called Subject_N..." if not models else "F_PG1_Subject_N_L.avi"
        raise TrainError(f"{folder}: no {missing}; accepted: BML-MoVi's videos with what D3KE generates")
    takes, remarks = [], []
    for number, camera, video in videos:
        if number not in models:
            remarks.append(f"{video.name}: no scale.osim of subject {number}")
            continue
        flags = sorted(folder.rglob(f"F_v3d_Subject_{number}.mat"))
        if len(flags) != 1:
            raise TrainError(
                f"{folder}: {_listed(flags)} F_v3d_Subject_{number}.mat, which says where movements begin in "
                f"{video.name}; accepted: one"
            )
        subject = _Subject(models[number], flags[0], number, own)
        takes.append(
            Take(f"Subject_{number}", f"Subject_{number}_{camera}", _reader(subject, video, every), FOV_DEG)
        )
    return takes, remarks


def _models(folder: Path) -> dict[str, Path]:
    """Number of a subject -> the scaled model.

    Raises:
        TrainError: two subjects have one number.
    """
    models: dict[str, Path] = {}
    for path in sorted(folder.rglob("scale.osim")):
        match = _SUBJECT.search(str(path.parent.relative_to(folder)))
        if match is None:
            continue
        if match[1] in models:
            raise TrainError(
                f"{models[match[1]]} and {path} are both of subject {match[1]}; accepted: one model of each; "
                "import their folders one by one"
            )
        models[match[1]] = path
    return models


def _listed(paths: list[Path]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more" if paths else "no"


class _Subject:
    """Movements of one subject, read when the first frame asks for them."""

    def __init__(self, osim: Path, flags: Path, number: str, own: Skeleton) -> None:
        self._osim, self._flags, self._number, self._own = osim, flags, number, own

    @cached_property
    def movements(self) -> list[tuple[int, int, Motion]]:
        """First frame, last frame and coordinates of each movement."""
        spans = read_spans(self._flags, self._number)
        found: list[tuple[int, int, Motion]] = []
        for path in sorted(self._osim.parent.glob("IKResults/*.mot")):
            match = _MOVEMENT.fullmatch(path.name)
            if match is None or match[1] != self._number:
                raise TrainError(f"{path}: the name is not Subject_{self._number}_F_M_....mot")
            movement = int(match[2])
            if not 1 <= movement <= len(spans):
                raise TrainError(f"{path}: movement {movement}, but {self._flags.name} has {len(spans)}")
            first, last = spans[movement - 1]
            if any(first == begun for begun, _, _ in found):
                raise TrainError(
                    f"{path}: another .mot beside it is of movement {movement}, too; accepted: one"
                )
            found.append((first, last, read_motion(self._osim, path, self._own)))
        if not found:
            raise TrainError(f"{self._osim.parent / 'IKResults'}: no .mot files")
        return found

    def at(self, frame: int) -> Labelled | None:
        """What is known of a frame of the video."""
        for first, last, motion in self.movements:
            if first <= frame <= last:
                return motion.at((frame - first) / FPS)
        return None


def _reader(subject: _Subject, video: Path, every: int) -> Read:
    def read() -> Iterator[tuple[float, NDArray[np.uint8], Labelled]]:
        for number, time_s, image in video_frames(video, every):
            moment = subject.at(number)
            if moment is not None:
                yield time_s, image, moment

    return read


def read_spans(path: Path, number: str) -> list[tuple[int, int]]:
    """First and last frame of each movement in the 30 Hz videos, from 0.

    Raises:
        TrainError: the file is damaged, or has no `flags30`.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, squeeze_me=True, simplify_cells=True)
        flags = np.atleast_2d(np.asarray(content[f"Subject_{number}_F"]["move"]["flags30"], dtype=np.int64))
    except (OSError, ValueError, LookupError, TypeError, NotImplementedError, MatReadError) as error:
        raise TrainError(f"{path}: no Subject_{number}_F.move.flags30 ({error})") from error
    if flags.shape[1] != 2 or (flags[:, 0] > flags[:, 1]).any() or (flags < 1).any():
        raise TrainError(f"{path}: flags30 of shape {flags.shape}; accepted: first and last frame, from 1")
    return [(int(first) - 1, int(last) - 1) for first, last in flags]
