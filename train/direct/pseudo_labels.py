"""Recordings of real people as training images, labelled by an estimator and weighted by its confidence.

The images stay in the folder they are put in; nothing is sent anywhere.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.camera_file import load_camera
from calib.kinematics import body_transforms, joint_centres, marker_positions
from calib.skeleton import Skeleton
from calib.tables.trc import MarkerTable, read_trc
from engines.features.crop_rays import square_about
from engines.preprocess import crop, crop_matrix
from train.direct.recorded_video import RecordedVideo, find_video
from train.errors import TrainError
from train.scene.cameras import Framing
from train.synth.folder import DESCRIPTION, SetDescription
from train.synth.labels import CameraLabels, EstimatedLabels
from train.synth.recipe import IMAGES_PER_SHARD, image_key, plan
from train.synth.shards import CodedImage, Kind, open_shard

Array = NDArray[np.float64]

SOURCE = "estimated"
SIZE_PX = 256
ROOM = 1.5
"""Side of the stored images over the person's extent."""
MIN_CONFIDENCE = 0.5
"""Smallest mean confidence over the coordinates of a frame that is used."""
TRUSTED = (0.3, 0.8)
"""Confidences of coordinates with weight 0 and weight 1."""
N_SCALED_ROWS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A recording of one person by `kinecast replay` or `kinecast live`."""

    video: RecordedVideo
    camera: CameraCalibration
    rows: dict[int, tuple[Array, Array]]
    """Frame number -> coordinates in rad and m, and confidences."""
    scale_factors: Array
    """Shape: (n_bodies, 3)."""


def read_recording(folder: Path, skeleton: Skeleton, videos: Sequence[Path] = ()) -> Recording:
    """Read a recording's files.

    Args:
        folder: Folder of the recording.
        skeleton: Skeleton that it must have been made with.
        videos: Folders to look for its video in, before those about the recording.

    Raises:
        TrainError: it is none, was made with another skeleton, or its video is not found.
        CalibError: its camera or markers cannot be read.
    """
    try:
        report = json.loads((folder / "report.json").read_text())
        with (folder / "angles.csv").open(newline="") as file:
            lines = list(csv.DictReader(file))
    except (OSError, ValueError) as error:
        raise TrainError(
            f"{folder}: no finished recording ({error}); make one: kinecast replay VIDEO --out {folder}"
        ) from error
    if report.get("skeleton_sha") != skeleton.sha:
        raise TrainError(f"{folder}: recorded with another skeleton; record it again without --skeleton")
    video = find_video(folder, str(report.get("source", "")), videos)
    tracked = [line for line in lines if line["status"] == "tracking"]
    rows = {int(line["frame_id"]): _row(line, skeleton) for line in tracked}
    times_s = np.array([float(line["time_s"]) for line in tracked])
    q = np.array([rows[int(line["frame_id"])][0] for line in tracked]).reshape(-1, skeleton.n_q)
    scale_factors = _scale_factors(read_trc(folder / "markers.trc"), times_s, q, skeleton)
    return Recording(video, load_camera(folder / "camera.json"), rows, scale_factors)


def _row(line: dict[str, str], skeleton: Skeleton) -> tuple[Array, Array]:
    names, is_angle = skeleton.coordinate_names, skeleton.is_rotational
    units = np.where(is_angle, "deg", "m")
    values = np.array([float(line[f"{name}_{unit}"]) for name, unit in zip(names, units, strict=True)])
    confidence = np.array([float(line[f"{name}_confidence"]) for name in names])
    return np.where(is_angle, np.radians(values), values), confidence


def _scale_factors(markers: MarkerTable, times_s: Array, q: Array, skeleton: Skeleton) -> Array:
    """Scale factors from distances between markers of one body; 1 for bodies with fewer than two markers."""
    factors = np.ones((skeleton.n_bodies, 3))
    names = [n for n in skeleton.marker_names if n in markers.names]
    column = [markers.names.index(n) for n in names]
    own = [skeleton.marker_names.index(n) for n in names]
    plain_m = marker_positions(skeleton, skeleton.q_default)[own]
    nearest = np.abs(markers.time_s[:, None] - times_s[None, :N_SCALED_ROWS]).argmin(0)
    seen_m = markers.positions_m[np.unique(nearest)][:, column]
    body = skeleton.tree.marker_body[own]
    for k in range(skeleton.n_bodies):
        on_body = np.flatnonzero(body == k)
        if len(on_body) >= 2 and len(seen_m):
            factors[k] = np.nanmedian(_spans(seen_m[:, on_body])) / _spans(plain_m[None, on_body])[0]
    return factors


def _spans(points_m: Array) -> Array:
    """Root mean square distance from the mean. Shapes: (n, k, 3) to (n,)."""
    return np.sqrt(((points_m - points_m.mean(1, keepdims=True)) ** 2).sum(2).mean(1))


def label_recording(recording: Recording, skeleton: Skeleton, every: int) -> Iterator[CodedImage]:
    """Images of the frames in which the estimator trusted itself.

    Args:
        recording: Recording to read.
        skeleton: Skeleton of the recording.
        every: Take one of so many frames.

    Raises:
        TrainError: the video cannot be read, or is another.
    """
    k = recording.camera.intrinsics
    wanted = frozenset(
        number
        for number, (_, confidence) in recording.rows.items()
        if number % every == 0 and confidence.mean() >= MIN_CONFIDENCE
    )
    for number, image in recording.video.frames(wanted, (k.width_px, k.height_px)):
        picture = _picture(image, recording, skeleton, *recording.rows[number])
        if picture is not None:
            yield picture


def _picture(
    image_bgr: NDArray[np.uint8], recording: Recording, skeleton: Skeleton, q: Array, confidence: Array
) -> CodedImage | None:
    """A square about the person with its labels; None where the estimate lies outside the image."""
    low, high = TRUSTED
    q_weight = np.clip((confidence - low) / (high - low), 0.0, 1.0)
    about = About(recording.video.path.stem, SOURCE)
    return label_image(image_bgr, skeleton, recording.camera, recording.scale_factors, q, q_weight, about)


@dataclass(frozen=True, slots=True)
class About:
    """Where an image comes from."""

    motion: str
    source: str
    t_s: float = 0.0


def label_image(
    image_bgr: NDArray[np.uint8],
    skeleton: Skeleton,
    camera: CameraCalibration,
    scale_factors: Array,
    q: Array,
    q_weight: Array,
    about: About,
) -> CodedImage | None:
    """A square about the person with its labels; None where the person lies outside the image.

    Args:
        image_bgr: Image of the camera.
        skeleton: Skeleton of the labels.
        camera: The camera in ground.
        scale_factors: The person's. Shape: (n_bodies, 3).
        q: Coordinates in rad and m. Shape: (n_q,).
        q_weight: Trust in each coordinate, from 0 to 1. Shape: (n_q,).
        about: Where the image comes from.
    """
    k = camera.intrinsics
    centres_m = joint_centres(skeleton, q, scale_factors)
    markers_m = marker_positions(skeleton, q, scale_factors)
    in_frame = camera.project(np.concatenate([centres_m, markers_m]))
    roi = square_about(in_frame, k.width_px, k.height_px, ROOM)
    if roi is None:
        return None
    A = np.asarray(cv2.invertAffineTransform(crop_matrix(roi, SIZE_PX)), np.float64)
    px = (in_frame @ A[:, :2].T + A[:, 2]).astype(np.float32)
    n = skeleton.n_bodies
    labels = EstimatedLabels(
        adult=-1, outfit=(), motion=about.motion, source=about.source, t_s=about.t_s, q=q,
        scale_factors=scale_factors, T_ground_body=body_transforms(skeleton, q, scale_factors),
        centres_m=centres_m.astype(np.float32), markers_m=markers_m.astype(np.float32),
        centres_px=px[:n], markers_px=px[n:], centres_visible=np.ones(n, bool),
        markers_visible=np.ones(len(markers_m), bool), box_px=np.full(4, np.nan, np.float32),
        camera=CameraLabels(
            width_px=k.width_px, height_px=k.height_px,
            fx=float(k.fx), fy=float(k.fy), cx=float(k.cx), cy=float(k.cy),
            T_ground_cam=camera.T_ground_cam, crop_from_frame=A, size_px=SIZE_PX, framing=Framing.FULL_BODY,
        ),
        segmentation_png=b"", q_weight=q_weight,
    )  # fmt: skip
    return CodedImage.of(crop(image_bgr, roi, SIZE_PX)[..., ::-1], labels)


def write_pseudo_set(recordings: Iterable[Recording], skeleton: Skeleton, folder: Path, every: int) -> int:
    """Write a set that `train.direct.sources.ShardPictures` reads.

    Returns:
        How many images it holds.

    Raises:
        TrainError: there is a set already, no frame was trusted, or a video cannot be read.
        OSError: it cannot be written.
    """
    pictures = (p for recording in recordings for p in label_recording(recording, skeleton, every))
    n = write_labelled_set(pictures, skeleton, folder, SOURCE)
    if n == 0:
        raise TrainError("no frame of these recordings was trusted enough; nothing was written")
    return n


def write_labelled_set(pictures: Iterable[CodedImage], skeleton: Skeleton, folder: Path, source: str) -> int:
    """Write labelled images as a set; its description, without which it is none, comes last.

    Returns:
        How many images it holds; nothing is written if there are none.

    Raises:
        TrainError: there is a set already.
        OSError: it cannot be written.
    """
    if (folder / DESCRIPTION).exists():
        raise TrainError(f"{folder}: holds a set already; give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    pictures = iter(pictures)
    n = 0
    while batch := list(islice(pictures, IMAGES_PER_SHARD)):
        with open_shard(folder / plan(Kind.IMAGES, n + len(batch), IMAGES_PER_SHARD)[-1].name) as writer:
            for k, picture in enumerate(batch):
                writer.add_image(image_key(n + k), picture)
        n += len(batch)
    if n:
        (folder / DESCRIPTION).write_bytes(_description(skeleton, n, source))
    return n


def _description(skeleton: Skeleton, n: int, source: str) -> bytes:
    import msgspec

    return msgspec.json.encode(
        SetDescription(
            kinecast="", seed=0, held_out=False, images=n, clips=0, size_px=SIZE_PX, motions=source,
            motions_sha="", backgrounds_sha="", bodies_sha="", skeleton_sha=skeleton.sha,
            coordinate_names=skeleton.coordinate_names, body_names=skeleton.body_names,
            marker_names=skeleton.marker_names,
        )
    )  # fmt: skip
