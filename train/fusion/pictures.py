"""Images of clips that several cameras saw (`train.blazepose.views`), one by one and moment by moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics
from calib.skeleton import Skeleton
from train.blazepose.pictures import decode_bgr, read_jpegs
from train.direct.pseudo_labels import About, label_image
from train.errors import TrainError
from train.synth.shards import LabelledImage

Array = NDArray[np.float64]
Index = NDArray[np.int64]

N_VIEWS = 2
"""Cameras of each clip whose images are used; clips may have more."""
SOURCE = "views"
PATTERN = "views-*.npz"
ADVICE = f"make some: kinecast train lift-clips --views {N_VIEWS} --out DIR"


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    path: Path
    T_ground_cam: Array
    focal_px: Array
    side_px: int
    t_s: Array
    q: Array
    scale_factors: Array

    @classmethod
    def read(cls, path: Path, skeleton: Skeleton) -> _Clip:
        try:
            with np.load(path, allow_pickle=False) as stored:
                clip = cls(
                    path=path,
                    T_ground_cam=stored["T_ground_cam"], focal_px=stored["fov_px"],
                    side_px=int(stored["side_px"]), t_s=stored["t_s"],
                    q=stored["q"], scale_factors=stored["scale_factors"],
                )  # fmt: skip
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise TrainError(
                f"{path}: not a clip of several views ({error}); delete it and {ADVICE}"
            ) from error
        if clip.q.shape[1:] != (skeleton.n_q,) or len(clip.T_ground_cam) < N_VIEWS:
            raise TrainError(
                f"{path}: {len(clip.T_ground_cam)} views and {clip.q.shape[-1]} coordinates; accepted: from "
                f"{N_VIEWS} views, and the {skeleton.n_q} coordinates of this skeleton; {ADVICE}"
            )
        return clip

    def camera(self, view: int) -> CameraCalibration:
        f, middle_px = float(self.focal_px[view]), 0.5 * self.side_px
        k = Intrinsics(self.side_px, self.side_px, f, f, middle_px, middle_px)
        return CameraCalibration(k, self.T_ground_cam[view])


class ViewsPictures:
    """The images of the first `N_VIEWS` views of all clips, as a `train.direct.sources.PictureSource`.

    Args:
        folders: Folders of clips made by `kinecast train lift-clips --views N`.
        skeleton: Skeleton of their coordinates.

    Raises:
        TrainError: a folder holds no clips, or one is damaged.
    """

    is_random_access = True

    def __init__(self, folders: list[Path], skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._clips: list[_Clip] = []
        for folder in folders:
            paths = sorted(folder.glob(PATTERN))
            if not paths:
                raise TrainError(f"{folder}: no clips of several views; {ADVICE}")
            self._clips += [_Clip.read(path, skeleton) for path in paths]
        self._first = N_VIEWS * np.cumsum([0, *(len(clip.t_s) for clip in self._clips)])
        self.identity = f"{len(self)} images of {N_VIEWS} views each of " + ", ".join(
            f"{folder.resolve()}" for folder in folders
        )

    def __len__(self) -> int:
        return int(self._first[-1])

    @property
    def n_clips(self) -> int:
        """Number of clips."""
        return len(self._clips)

    def moments(self, clip: int) -> Index:
        """Numbers of the images of a clip. Shape: (n_moments, N_VIEWS)."""
        return np.arange(self._first[clip], self._first[clip + 1]).reshape(N_VIEWS, -1).T

    def dt_s(self, clip: int) -> Array:
        """Time since the moment before; 0 for the first. Shape: (n_moments,)."""
        t_s = self._clips[clip].t_s
        return np.diff(t_s, prepend=t_s[:1])

    def q(self) -> Array:
        """Coordinates of all moments of all clips. Shape: (n, n_q)."""
        return np.concatenate([clip.q for clip in self._clips])

    def picture(self, index: int) -> LabelledImage:
        """Cut the square about the person out of one image.

        Raises:
            TrainError: the images are missing, or the person is not in this one.
        """
        number = int(np.searchsorted(self._first, index, side="right")) - 1
        clip = self._clips[number]
        view, frame = divmod(index - int(self._first[number]), len(clip.t_s))
        coded = label_image(
            decode_bgr(_jpegs(clip.path)[view * len(clip.t_s) + frame]), self._skeleton, clip.camera(view),
            clip.scale_factors, clip.q[frame], np.ones(clip.q.shape[1]),
            About(clip.path.stem, SOURCE, float(clip.t_s[frame])),
        )  # fmt: skip
        if coded is None:
            raise TrainError(f"{clip.path}: nobody in image {frame} of view {view}; delete it and {ADVICE}")
        return coded.decoded(str(index))


@lru_cache(maxsize=8)
def _jpegs(path: Path) -> list[NDArray[np.uint8]]:
    return read_jpegs(path)


def holds_views(folders: list[Path]) -> bool:
    """Whether any of the folders holds clips of several views."""
    return any(next(folder.glob(PATTERN), None) is not None for folder in folders)
