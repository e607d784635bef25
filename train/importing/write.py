"""Makes sets of takes: labelled images for `train spatial` and `evaluate`, landmarks for `train lift`.

Both lie in one folder: `images-*.tar` with `set.json`, and `landmarks-*.npz` of `LiftData`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.kinematics import joint_centres, marker_positions
from calib.skeleton import Skeleton
from engines.blazepose.tracker import BlazePose, BlazePoseResult
from train.blazepose.data import LiftData
from train.direct.pseudo_labels import About, label_image, write_labelled_set
from train.errors import TrainError
from train.importing.camera_fit import JOINTS, LARGEST_MISS, fit_camera
from train.importing.person import PersonFit, scale_factors_of
from train.importing.take import Array, Labelled, Take
from train.synth.shards import CodedImage

LEAST_VISIBILITY = 0.5


def check_takes(takes: Sequence[Take]) -> None:
    """Read the first labelled image of each take, before hours of work.

    Raises:
        TrainError: a file is damaged or in other units, there is none, or two takes have one name.
    """
    names = [take.name for take in takes]
    for take in takes:
        if names.count(take.name) > 1:
            raise TrainError(
                f"{take.name}: {names.count(take.name)} videos of this person and camera; accepted: one; "
                "import their folders one by one, or remove copies"
            )
        if next(take.read(), None) is None:
            raise TrainError(f"{take.name}: no image has coordinates at its time; do both begin together?")


@dataclass(slots=True)
class Imported:
    """What came of an import."""

    images: int = 0
    takes: int = 0
    stated: set[str] = field(default_factory=set)
    """Coordinates that a source stated."""
    left_out: list[str] = field(default_factory=list)
    """Takes that could not be used, with reasons."""
    miss_percent: list[float] = field(default_factory=list)
    """Median distance from joint centres to landmarks, in percent of the person's height, of each take."""


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """One frame in which somebody was seen."""

    t_s: float
    seen: BlazePoseResult
    q: Array
    stated: NDArray[np.bool_]


def write_imported_set(
    takes: Sequence[Take], skeleton: Skeleton, blazepose: BlazePose, folder: Path, layout: str
) -> Imported:
    """Write a set of everything that can be used.

    Args:
        takes: Images with coordinates.
        skeleton: Skeleton of kinecast.
        blazepose: Landmark tracker; it finds the cameras, and its landmarks train the lifter.
        folder: Folder of the set; must not hold one.
        layout: Name of the layout, for the labels.

    Raises:
        TrainError: a file of a take is damaged or in other units, there is a set already, or nothing could
            be used.
    """
    result = Imported()
    people = {name: k for k, name in enumerate(sorted({take.subject for take in takes}), start=1)}

    pictures = (
        picture
        for number, take in enumerate(takes)
        for picture in _pictures_of(
            take, _Numbers(people[take.subject], number), skeleton, blazepose, folder, layout, result
        )
    )
    try:
        result.images = write_labelled_set(pictures, skeleton, folder, layout)
    except OSError as error:
        raise TrainError(f"{folder}: cannot be written ({error.strerror or error})") from error
    if not result.images:
        raise TrainError(
            f"nothing could be used: {'; '.join(result.left_out) or 'no frames with coordinates'}"
        )
    return result


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Numbers of a person and a take, for the labels."""

    person: int
    take: int


def _pictures_of(
    take: Take,
    numbers: _Numbers,
    skeleton: Skeleton,
    blazepose: BlazePose,
    folder: Path,
    layout: str,
    result: Imported,
) -> Iterator[CodedImage]:
    """Write the landmarks of a take, and give its labelled images; none if its camera cannot be found."""
    size, frames, factors = look(take, skeleton, blazepose)
    reason, camera = _camera_of(frames, skeleton, factors, (*size, take.fov_deg), result)
    if camera is None:
        result.left_out.append(f"{take.name}: {reason}")
        return
    rows = [_row(f, skeleton, camera, factors, numbers, take.name) for f in frames]
    LiftData.from_rows(rows).save(folder / f"landmarks-{numbers.take:06d}.npz")
    result.takes += 1
    by_time = {frame.t_s: frame for frame in frames}
    for t_s, image, _ in take.read():
        frame = by_time.get(t_s)
        if frame is None:
            continue
        about = About(take.name, layout, t_s)
        weight = frame.stated.astype(np.float64)
        picture = label_image(image, skeleton, camera, factors, frame.q, weight, about)
        if picture is not None:
            yield picture


def look(take: Take, skeleton: Skeleton, blazepose: BlazePose) -> tuple[tuple[int, int], list[_Frame], Array]:
    """Size of the images, frames in which somebody was seen, and the person's scale factors."""
    blazepose.reset()
    size, moments = (0, 0), []
    for t_s, image, moment in take.read():
        size = image.shape[1], image.shape[0]
        seen = blazepose.step(np.ascontiguousarray(image), int(t_s * 1e9))
        if seen is not None:
            moments.append((t_s, seen, moment))
    labels: list[Labelled] = [moment for _, _, moment in moments]
    factors = scale_factors_of(skeleton, labels)
    fit = PersonFit(skeleton, factors)
    return size, [_Frame(t_s, seen, *fit.solve(moment)) for t_s, seen, moment in moments], factors


def _camera_of(
    frames: Sequence[_Frame],
    skeleton: Skeleton,
    factors: Array,
    lens: tuple[int, int, float | None],
    result: Imported,
) -> tuple[str, CameraCalibration | None]:
    """The camera of a take, or why there is none; `lens` is width, height, field of view."""
    if not frames:
        return "nobody was seen in its images", None
    for frame in frames:
        result.stated |= {skeleton.coordinate_names[k] for k in np.flatnonzero(frame.stated)}
    index = [skeleton.marker_index(name) for name in JOINTS]
    centres = np.array([marker_positions(skeleton, frame.q, factors)[index] for frame in frames])
    landmarks = np.array([_landmarks(frame.seen) for frame in frames])
    found = fit_camera(centres, landmarks, *lens)
    if found is None:
        return f"too little was seen of the person in {len(frames)} images to find the camera", None
    camera, miss = found
    if miss > LARGEST_MISS:
        return (
            f"joint centres lie {100.0 * miss:.0f} % of the person's height from where they are seen; "
            f"accepted: {100.0 * LARGEST_MISS:.0f} %: images and coordinates do not belong together, or "
            "not at these times"
        ), None
    result.miss_percent.append(100.0 * miss)
    return "", camera


def _landmarks(seen: BlazePoseResult) -> Array:
    """The landmarks at `JOINTS`; NaN where they are hidden. Shape: (12, 2)."""
    chosen = list(JOINTS.values())
    visible = seen.visibility[chosen] >= LEAST_VISIBILITY
    return np.asarray(np.where(visible[:, None], seen.landmarks_px[chosen, :2], np.nan))


def _row(
    frame: _Frame,
    skeleton: Skeleton,
    camera: CameraCalibration,
    factors: Array,
    numbers: _Numbers,
    name: str,
) -> dict[str, object]:
    """A row of `LiftData`; coordinates that the source does not state are NaN."""
    k, T, seen = camera.intrinsics, camera.T_ground_cam, frame.seen
    roi = seen.roi
    centres = joint_centres(skeleton, frame.q, factors)
    is_known = frame.stated | skeleton.is_dependent | np.char.startswith(skeleton.coordinate_names, "pelvis_")
    values = {
        "landmarks_px": seen.landmarks_px, "world_m": seen.world_m, "visibility": seen.visibility,
        "presence": seen.presence,
        "roi": np.array([roi.centre_x_px, roi.centre_y_px, roi.size_px, roi.rotation_rad]),
        "camera": np.array([k.fx, k.cx, k.cy]), "R_ground_cam": T[:3, :3],
        "q": np.where(is_known, frame.q, np.nan), "scale_factors": factors,
        "centres_cam_m": (centres - T[:3, 3]) @ T[:3, :3],
    }  # fmt: skip
    row: dict[str, object] = {key: value.astype(np.float32) for key, value in values.items()}
    return row | {
        "adult": np.int32(numbers.person), "block": np.int32(numbers.take),
        "activity": name, "t_s": np.float32(frame.t_s),
    }  # fmt: skip
