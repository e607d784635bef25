"""BlazePose's landmarks on synthetic people with the truth beside them: training data of the lifter.

The images go through the live code: the same detector and region of interest, found in a first pass and
tracked in a second, so that the lifter is trained on the errors of live use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics
from engines.blazepose.pose_landmark import PoseLandmark
from engines.blazepose.tracker import BlazePose, BlazePoseResult
from train.errors import TrainError
from train.scene.cameras import View, crop_similarity
from train.synth.people import Sample

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Image = NDArray[np.uint8]

PICTURE_PX = 288
"""Side of the images: a person fills them about as much as a region of interest of the network."""
CLIP_PX = 384
"""Side of the frames of clips: people who walk through them are still large enough for the network."""
COVERED_SHARE = 0.3
"""Share of clips in which something hides a part of the person for a while."""
MAX_MEDIAN_MISS = 0.12
"""Largest accepted median error, in heights of the person; beyond it BlazePose followed something else."""
CHECKED_BODIES = {
    PoseLandmark.LEFT_SHOULDER: "humerus_l",
    PoseLandmark.RIGHT_SHOULDER: "humerus_r",
    PoseLandmark.LEFT_HIP: "femur_l",
    PoseLandmark.RIGHT_HIP: "femur_r",
    PoseLandmark.LEFT_KNEE: "tibia_l",
    PoseLandmark.RIGHT_KNEE: "tibia_r",
}


@dataclass(frozen=True, slots=True, eq=False)
class LiftData:
    """Observations as arrays, one row each."""

    landmarks_px: Floats
    """Landmarks in the image. Shape: (n, 33, 3)."""
    world_m: Floats
    """Landmarks in m as the network gives them, with the rotation of the region undone. Shape: (n, 33, 3)."""
    visibility: Floats
    """Shape: (n, 33)."""
    presence: Floats
    """Shape: (n, 33)."""
    roi: Floats
    """Centre x, y, side, rotation of the region. Shape: (n, 4)."""
    camera: Floats
    """Focal length and principal point x, y, of the image, in px. Shape: (n, 3)."""
    R_ground_cam: Floats
    """Shape: (n, 3, 3)."""
    q: Floats
    """True coordinates. Shape: (n, n_q)."""
    scale_factors: Floats
    """Shape: (n, n_bodies, 3)."""
    centres_cam_m: Floats
    """True joint centres in the camera. Shape: (n, n_bodies, 3)."""
    adult: NDArray[np.int32]
    """Shape: (n,)."""
    block: NDArray[np.int32]
    """Number of the block of images, or of the clip. Shape: (n,)."""
    activity: NDArray[np.str_]
    """Shape: (n,)."""
    t_s: Floats
    """Time since the clip began; 0 for images that stand alone. Shape: (n,)."""

    def __len__(self) -> int:
        return len(self.q)

    def save(self, path: Path) -> None:
        """Write atomically."""
        partial = path.with_suffix(".partial.npz")
        np.savez_compressed(partial, **{f.name: getattr(self, f.name) for f in fields(self)})
        partial.replace(path)

    def rows(self, mask: NDArray[np.bool_] | slice) -> LiftData:
        """Select observations."""
        return LiftData(**{f.name: getattr(self, f.name)[mask] for f in fields(self)})

    @classmethod
    def load(cls, folder: Path) -> LiftData:
        """Load all files of a folder.

        Raises:
            TrainError: there are none, in all of them nobody was found, or another version made them.
        """
        paths = data_files(folder)
        files = [file for file in map(cls.load_file, paths) if len(file)]
        if not files:
            raise TrainError(
                f"{folder}: nobody was found in any image of its {len(paths)} files; make more, or others: "
                f"kinecast train lift-data --out {folder}"
            )
        return concatenated(files)

    @classmethod
    def load_file(cls, path: Path) -> LiftData:
        """Load one file.

        Raises:
            TrainError: another version made it, or it is damaged.
        """
        try:
            with np.load(path) as stored:
                return cls(**{f.name: stored[f.name] for f in fields(cls)})
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise TrainError(
                f"{path}: cannot be read ({error}); remove it and make the data again"
            ) from error
        except KeyError as error:
            raise TrainError(f"{path}: made by another version of kinecast; make the data again") from error

    def clips(self) -> Iterator[slice]:
        """The rows of each clip, or block of images, in the order of time."""
        another = (np.diff(self.block) != 0) | (np.diff(self.adult) != 0) | (np.diff(self.t_s) < 0)
        ends = (np.flatnonzero(another) + 1).tolist()
        for start, stop in zip([0, *ends], [*ends, len(self)], strict=True):
            yield slice(start, stop)

    def apart(self, interval_s: float) -> LiftData:
        """Thin out clips to frames at least `interval_s` apart; single images are all kept."""
        keep = np.zeros(len(self), dtype=np.bool_)
        for rows in self.clips():
            is_clip, last_s = self.t_s[rows.stop - 1] > 0.0, -np.inf
            for k in range(rows.start, rows.stop):
                if not is_clip or self.t_s[k] - last_s >= interval_s:
                    keep[k], last_s = True, float(self.t_s[k])
        return self.rows(keep)

    @classmethod
    def from_rows(cls, rows: list[dict[str, object]]) -> LiftData:
        """Stack the rows that `observe` gives."""
        return cls(**{f.name: np.array([row[f.name] for row in rows]) for f in fields(cls)})


def data_files(folder: Path) -> list[Path]:
    """The complete files of a folder of lift data.

    Raises:
        TrainError: there are none.
    """
    paths = [p for p in sorted(folder.glob("*.npz")) if not p.name.endswith(".partial.npz")]
    if not paths:
        raise TrainError(f"{folder}: no lift data; make some: kinecast train lift-data --out {folder}")
    return paths


@dataclass(frozen=True, slots=True)
class Cover:
    """A rectangle before the camera for some time, in shares of the image from the left and the top."""

    start_s: float
    stop_s: float
    left: float
    top: float
    right: float
    bottom: float
    colour: tuple[int, int, int]

    @classmethod
    def sample(cls, rng: np.random.Generator, duration_s: float, hips_from_top: float) -> Cover:
        """Draw a cover: mostly the legs, as behind a table; else a vertical strip or the whole image."""
        start_s = float(rng.uniform(0.5, max(duration_s - 2.0, 0.6)))
        stop_s = start_s + float(rng.uniform(0.3, 3.5))
        colour = tuple(int(c) for c in rng.integers(10, 240, 3))
        kind = rng.random()
        if kind < 0.6:
            box = (0.0, hips_from_top + float(rng.uniform(-0.05, 0.1)), 1.0, 1.0)
        elif kind < 0.9:
            left = float(rng.uniform(0.1, 0.6))
            box = (left, 0.0, left + float(rng.uniform(0.1, 0.3)), 1.0)
        else:
            box = (0.0, 0.0, 1.0, 1.0)
            stop_s = min(stop_s, start_s + 1.0)
        return cls(start_s, stop_s, *box, colour)  # type: ignore[arg-type]

    def hide(self, image: Image, t_s: float) -> None:
        """Paint over the image during the time of the cover."""
        if self.start_s <= t_s < self.stop_s:
            height, width = image.shape[:2]
            rows = slice(int(self.top * height), int(self.bottom * height))
            image[rows, int(self.left * width) : int(self.right * width)] = self.colour


def concatenated(parts: list[LiftData]) -> LiftData:
    """Concatenate several sets of observations."""
    return LiftData(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(LiftData)})


def upright_view(view: View, p_ground: Array, rng: np.random.Generator, size_px: int = PICTURE_PX) -> View:
    """The same camera, cropped to an upright square around the visible part of a person, with a margin."""
    k = view.camera.intrinsics
    limits = np.array([k.width_px, k.height_px], dtype=np.float64)
    uv_px = view.camera.project(p_ground)
    uv_px = np.clip(uv_px[np.isfinite(uv_px).all(1)], 0.0, limits)
    low, high = uv_px.min(0), uv_px.max(0)
    side = float(np.clip((high - low).max() * rng.uniform(1.15, 1.9), 64.0, limits.max()))
    centre = 0.5 * (low + high) + rng.normal(0.0, 0.05, 2) * side
    return replace(view, crop_from_frame=crop_similarity(centre, side, 0.0, size_px), size_px=size_px)


def within_frame(view: View) -> tuple[slice, slice]:
    """Rows and columns of a crop that the camera's frame covers; upright crops only."""
    k, a = view.camera.intrinsics, view.crop_from_frame
    low = np.maximum(np.ceil(a[:, 2]), 0).astype(int)
    high = np.floor(a[:, 2] + np.diag(a[:, :2]) * [k.width_px, k.height_px])
    high = np.minimum(high, view.size_px).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def picture_camera(view: View) -> CameraCalibration:
    """The camera of what `within_frame` keeps of a image."""
    rows, columns = within_frame(view)
    k, scale = view.camera.intrinsics, view.scale
    centre = view.crop_from_frame[:, :2] @ [k.cx, k.cy] + view.crop_from_frame[:, 2]
    return CameraCalibration(
        Intrinsics(
            columns.stop - columns.start,
            rows.stop - rows.start,
            k.fx * scale,
            k.fy * scale,
            centre[0] - columns.start,
            centre[1] - rows.start,
        ),
        view.camera.T_ground_cam,
    )


def observe(sample: Sample, blazepose: BlazePose, block: int) -> dict[str, object] | None:
    """Run BlazePose over one image.

    Returns:
        A row of `LiftData`, or None if nobody or somebody else was found.
    """
    view = sample.picture.view
    rows, columns = within_frame(view)
    image = np.ascontiguousarray(sample.picture.image[rows, columns, ::-1])
    if min(image.shape[:2]) < 48:
        return None
    blazepose.reset()
    # The first pass runs the detector, the second tracks: live, nearly all frames are tracked.
    if blazepose.step(image) is None or (seen := blazepose.step(image)) is None:
        return None
    return seen_row(sample, seen, block, 0.0)


def seen_row(sample: Sample, seen: BlazePoseResult, block: int, t_s: float) -> dict[str, object] | None:
    """One row of data for an image that was cropped by `within_frame`.

    Returns:
        A row of `LiftData`, or None if somebody else was found.
    """
    camera = picture_camera(sample.picture.view)
    puppet = sample.person.puppet
    centres_m = sample.joint_centres_m
    if _misses(seen.landmarks_px, camera.project(centres_m), puppet.skeleton.body_names):
        return None
    k, T = camera.intrinsics, camera.T_ground_cam
    roi = seen.roi
    return {
        "landmarks_px": seen.landmarks_px.astype(np.float32),
        "world_m": seen.world_m.astype(np.float32),
        "visibility": seen.visibility.astype(np.float32),
        "presence": seen.presence.astype(np.float32),
        "roi": np.array([roi.centre_x_px, roi.centre_y_px, roi.size_px, roi.rotation_rad], dtype=np.float32),
        "camera": np.array([k.fx, k.cx, k.cy], dtype=np.float32),
        "R_ground_cam": T[:3, :3].astype(np.float32),
        "q": sample.q.astype(np.float32),
        "scale_factors": puppet.scale_factors.astype(np.float32),
        "centres_cam_m": ((centres_m - T[:3, 3]) @ T[:3, :3]).astype(np.float32),
        "adult": np.int32(puppet.adult),
        "block": np.int32(block),
        "activity": sample.person.motion.name,
        "t_s": np.float32(t_s),
    }


def _misses(landmarks_px: Array, centres_px: Array, body_names: tuple[str, ...]) -> bool:
    index = [body_names.index(body) for body in CHECKED_BODIES.values()]
    truth = centres_px[index]
    miss = np.linalg.norm(landmarks_px[list(CHECKED_BODIES), :2] - truth, axis=1)
    before_px = centres_px[np.isfinite(centres_px).all(1), 1]
    if not len(before_px):  # the person has walked past the camera
        return True
    height_px = np.ptp(before_px)
    return not np.nanmedian(miss) < MAX_MEDIAN_MISS * height_px
