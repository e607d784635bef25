"""Make the lifter's data: images of synthetic people, processed by BlazePose as in live use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.blazepose.tracker import BlazePose
from train.blazepose.data import Image, LiftData, observe, upright_view, within_frame
from train.cluster import done_on_cluster
from train.errors import TrainError
from train.files import save_arrays
from train.scene.cameras import Framing
from train.scene.studio import Scene
from train.synth.people import BLOCK_SIZE, POSE_INTERVAL_S, PeopleStream, Person, Sample
from train.synth.stream import Recipe
from train.synth.workers import begin_worker, one_thread_each

BLOCKS_PER_FILE = 16
FRAMINGS = (Framing.FULL_BODY,) * 7 + (Framing.THREE_QUARTER,) * 2 + (Framing.WEBCAM,)
"""Framings, mostly of whole people: landmarks outside the image teach nothing."""
ONE_CAMERA_ODDS = 0.7
"""Share of blocks that one camera took, as in use."""
JPEG_QUALITY = 93
MIN_PICTURE_PX = 48
_LIFT_BLOCKS = 2
"""Tag of the random generator's key, to keep it apart from other uses of the same seed."""


def make_lift_data(
    folder: Path, recipe: Recipe, n_blocks: int, workers: int, cluster: str | None = None
) -> Iterator[int]:
    """Write what is missing of `n_blocks` blocks of images, a file for every `BLOCKS_PER_FILE`.

    Args:
        folder: Folder of the files; complete ones are kept.
        recipe: Description of the people; its image size is not used.
        n_blocks: Number of blocks in the folder at the end.
        workers: Number of processes.
        cluster: Address of a Ray cluster that does the work instead.

    Yields:
        The number of finished blocks, after each file.

    Raises:
        TrainError: the folder cannot be written, or backgrounds or motions are missing.
    """
    starts = [k for k in range(0, n_blocks, BLOCKS_PER_FILE) if not _file(folder, recipe, k).exists()]
    done = n_blocks - BLOCKS_PER_FILE * len(starts)
    for _ in make_files(folder, partial(_make_file, folder, recipe), starts, workers, cluster):
        done += BLOCKS_PER_FILE
        yield min(done, n_blocks)


def make_files(
    folder: Path, make: Callable[[int], None], numbers: list[int], workers: int, cluster: str | None = None
) -> Iterator[None]:
    """Make files in single-threaded processes; yields after each.

    Args:
        folder: Folder of the files.
        make: Makes one of them, under absolute paths if on a cluster.
        numbers: What `make` is called with.
        workers: Number of processes.
        cluster: Address of a Ray cluster that does the work instead.

    Raises:
        TrainError: the folder cannot be written.
        ClusterError: the cluster cannot be reached, or is lost.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainError(f"{folder}: cannot be written ({error.strerror})") from error
    if cluster is not None:
        if numbers:
            yield from (None for _ in done_on_cluster(cluster, make, numbers))
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), begin_worker) as executor:
        with one_thread_each():  # all processes start here
            files = executor.map(make, numbers)
        yield from files


def lift_block(
    people: PeopleStream, blazepose: BlazePose, key: tuple[int, ...]
) -> Iterator[tuple[dict[str, object], Image]]:
    """Rows and BGR images of one block: one person in one outfit, by one camera or by many."""
    rng = np.random.default_rng([*key, _LIFT_BLOCKS])
    person = people.draw_person(rng, duration_s=BLOCK_SIZE * POSE_INTERVAL_S, fps=1.0 / POSE_INTERVAL_S)
    scene = None
    if rng.random() < ONE_CAMERA_ODDS:
        scene = people.clip_scene(person, rng, _framing(rng))
    for frame in range(person.motion.n_frames):
        sample = _photograph(people, person, frame, rng, scene)
        if sample is None:
            continue
        rows_px, columns_px = within_frame(sample.picture.view)
        if min(rows_px.stop - rows_px.start, columns_px.stop - columns_px.start) < MIN_PICTURE_PX:
            continue
        row = observe(sample, blazepose, key[-1])
        if row is not None:
            yield row, sample.picture.image[rows_px, columns_px, ::-1]


def _framing(rng: np.random.Generator) -> Framing:
    return FRAMINGS[int(rng.integers(len(FRAMINGS)))]


def _photograph(
    people: PeopleStream, person: Person, frame: int, rng: np.random.Generator, scene: Scene | None
) -> Sample | None:
    """One image of a moment, in a scene or by a random camera; None where the scene's does not see them."""
    if scene is None:
        return people.photograph_with(
            person, frame, rng, lambda view, points: upright_view(view, points, rng), framing=_framing(rng)
        )
    points_m = people.points_of(person, frame)
    if not np.isfinite(scene.view.camera.project(points_m)).all(1).any():
        return None
    return people.render(scene, person, frame, rng, upright_view(scene.view, points_m, rng))


def images_path(path: Path) -> Path:
    """Where the images of a file of lift data are kept."""
    return path.parent / "images" / path.name


def read_images(path: Path) -> Iterator[Image]:
    """The BGR images of a file of lift data, in the order of its rows.

    Raises:
        TrainError: there are none.
    """
    return map(decode_bgr, read_jpegs(path))


def read_jpegs(path: Path) -> list[NDArray[np.uint8]]:
    """The images of a file of lift data as they are stored.

    Raises:
        TrainError: there are none.
    """
    try:
        with np.load(images_path(path), allow_pickle=False) as stored:
            return np.split(stored["jpeg"], np.cumsum(stored["n_bytes"])[:-1])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise TrainError(
            f"{images_path(path)}: no images of this data ({error}); delete {path.name} and make it again: "
            "kinecast train lift-data, or lift-clips"
        ) from error


def decode_bgr(jpeg: NDArray[np.uint8]) -> Image:
    """One of them as a BGR image."""
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), dtype=np.uint8)


def save_images(path: Path, images: Sequence[Image]) -> None:
    """Keep the BGR images of a file as JPEG, before the file itself, which says that both are complete."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    jpegs = [cv2.imencode(".jpg", np.ascontiguousarray(image), quality)[1].ravel() for image in images]
    jpeg = np.concatenate(jpegs) if jpegs else np.zeros(0, np.uint8)
    save_arrays(images_path(path), {"jpeg": jpeg, "n_bytes": np.array([len(j) for j in jpegs])})


def _file(folder: Path, recipe: Recipe, start: int) -> Path:
    return folder / f"{recipe.seed:04d}-{start:07d}.npz"


@lru_cache(maxsize=1)
def lift_tools(recipe: Recipe) -> tuple[PeopleStream, BlazePose]:
    """The renderer and BlazePose, opened once in each process."""
    return recipe.open(), BlazePose(n_threads=1)


def _make_file(folder: Path, recipe: Recipe, start: int) -> None:
    people, blazepose = lift_tools(recipe)
    rows, images = [], []
    for block in range(start, start + BLOCKS_PER_FILE):
        for row, image in lift_block(people, blazepose, (recipe.seed, int(recipe.held_out), block)):
            rows.append(row)
            images.append(image)
    path = _file(folder, recipe, start)
    save_images(path, images)
    LiftData.from_rows(rows).save(path)
