"""Synthetic people seen by several cameras at once, and what BlazePose sees of them in each.

`train.fusion` trains on these clips, and `realtime.estimators.views_error` measures on those of held-out
people what each further view is worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics
from engines.blazepose.pose_landmark import N_LANDMARKS
from engines.blazepose.tracker import BlazePose, BlazePoseResult
from train.blazepose.data import CLIP_PX
from train.blazepose.pictures import lift_tools, make_files, save_images
from train.files import save_arrays
from train.scene.cameras import Framing, View, crop_similarity, look_at
from train.scene.studio import Scene
from train.synth.people import PeopleStream, Person
from train.synth.stream import Recipe

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

SIDE_PX = CLIP_PX
"""Side of the square images."""
RATE_HZ, CLIP_S = 8.0, 3.0
"""Frames a second, unless asked otherwise: fewer show more people for the same work."""
ACTIVITIES = ("squat", "walk", "bend", "lunge", "reach", "balance", "march", "raise_arms")
"""Taken in turn. None hides the person behind furniture."""
APART_DEG = (50.0, 110.0)
"""Turn about the person from each camera to the next."""
HEIGHT_M, DISTANCE_M, FOV_DEG = (0.8, 2.2), (3.0, 4.2), (50.0, 70.0)
FIELDS: dict[str, tuple[int, ...]] = {
    "landmarks_px": (N_LANDMARKS, 3),
    "world_m": (N_LANDMARKS, 3),
    "visibility": (N_LANDMARKS,),
    "presence": (N_LANDMARKS,),
    "score": (),
    "auxiliary_px": (2, 3),
    "detected": (),
}
"""What is kept of a result, and its shape."""
_VIEWS = 7
"""Tag of the random generator's key, to keep it apart from other uses of the same seed."""


def make_views_clips(
    folder: Path, recipe: Recipe, n_clips: int, n_views: int, rate_hz: float, workers: int,
    cluster: str | None = None,
) -> Iterator[int]:  # fmt: skip
    """Write the missing files of clips seen by several cameras, one file per clip, its images beside it.

    Args:
        folder: Folder of the files; complete ones are kept.
        recipe: Description of the people, in images of `SIDE_PX`.
        n_clips: Number of clips in the folder at the end.
        n_views: Number of cameras.
        rate_hz: Frames a second.
        workers: Number of processes.
        cluster: Address of a Ray cluster that does the work instead.

    Yields:
        The number of finished clips, after each.

    Raises:
        TrainError: the folder cannot be written, or backgrounds or motions are missing.
    """
    numbers = [k for k in range(n_clips) if not _file(folder, recipe, k).exists()]
    done = n_clips - len(numbers)
    make = partial(_make_file, folder, recipe, n_views, rate_hz)
    for _ in make_files(folder, make, numbers, workers, cluster):
        done += 1
        yield done


def film_views(
    people: PeopleStream, blazepose: BlazePose, number: int, n_views: int, rate_hz: float = RATE_HZ
) -> tuple[dict[str, NDArray[np.generic]], list[Image]]:
    """One clip of somebody, seen by several cameras: the arrays of its file, and its images.

    Args:
        people: Source of people, in images of `SIDE_PX`.
        blazepose: Finds the person in each view, one after another.
        number: Number of the clip.
        n_views: Number of cameras.
        rate_hz: Frames a second.

    Returns:
        Arrays, and BGR images of all frames of the first view, then of the next.
    """
    rng = np.random.default_rng([*people.key, _VIEWS, number])
    person = _person(people, rng, ACTIVITIES[number % len(ACTIVITIES)], rate_hz)
    places_m = np.array([list(_anchors(person, frame).values()) for frame in range(person.motion.n_frames)])
    views = [_view(places_m, bearing, rng) for bearing in _bearings(rng, n_views)]
    scene = people.clip_scene(person, rng, Framing.FULL_BODY)
    columns: dict[str, list[NDArray[np.generic]]] = {}
    images: list[Image] = []
    for view in views:
        shot = replace(scene, view=view)
        images += [_image(people, person, frame, rng, shot) for frame in range(person.motion.n_frames)]
        blazepose.reset()
        seen = [
            blazepose.step(image, round(1e9 * t_s))
            for image, t_s in zip(images[-person.motion.n_frames :], person.motion.t_s.tolist(), strict=True)
        ]
        for name, values in _as_arrays(seen).items():
            columns.setdefault(name, []).append(values)
    arrays = {name: np.stack(values) for name, values in columns.items()}
    about: dict[str, NDArray[np.generic]] = {
        "T_ground_cam": np.stack([view.camera.T_ground_cam for view in views]),
        "fov_px": np.array([view.camera.intrinsics.fx for view in views]),
        "side_px": np.array(SIDE_PX),
        "t_s": person.motion.t_s,
        "q": person.motion.q,
        "scale_factors": person.puppet.scale_factors,
        "height_m": np.array(people.pool.model.shape(person.puppet.adult).stature_m),
        "activity": np.array(person.motion.name),
    }
    return arrays | about, images


def _person(people: PeopleStream, rng: np.random.Generator, activity: str, rate_hz: float) -> Person:
    person = people.draw_person(rng, duration_s=0.5, fps=RATE_HZ)
    factors = person.puppet.scale_factors
    motion = people.library.sample(
        rng, duration_s=CLIP_S, fps=rate_hz, scale_factors=factors, activity=activity
    )
    return replace(person, motion=motion)


def _anchors(person: Person, frame: int) -> dict[str, Array]:
    return person.dressed.place_anchors(person.puppet.node_transforms(person.motion.q[frame]))


def _bearings(rng: np.random.Generator, n: int) -> Array:
    """Directions from the person to the cameras, one way round."""
    return rng.uniform(0.0, 360.0) + np.cumsum(rng.uniform(*APART_DEG, n))


def _view(places_m: Array, bearing_deg: float, rng: np.random.Generator) -> View:
    """A camera that sees the whole motion.

    Args:
        places_m: Points of the person through the motion. Shape: (n_frames, n, 3).
        bearing_deg: Direction from the person to the camera.
        rng: Source of chance.
    """
    low, high = places_m.min((0, 1)), places_m.max((0, 1))
    middle_m, bearing = 0.5 * (low + high), np.radians(bearing_deg)
    k = Intrinsics.from_fov(SIDE_PX, SIDE_PX, float(rng.uniform(*FOV_DEG)))
    reach_m = 0.5 * float(np.linalg.norm(high - low)) * 2.0 * k.fx / SIDE_PX
    away_m = max(float(rng.uniform(*DISTANCE_M)), 1.1 * reach_m)
    eye = middle_m + away_m * np.array([np.cos(bearing), 0.0, -np.sin(bearing)])
    eye[1] = rng.uniform(*HEIGHT_M)
    camera = CameraCalibration(k, look_at(eye, middle_m, 0.0))
    whole = crop_similarity(np.full(2, SIDE_PX / 2.0), float(SIDE_PX), 0.0, SIDE_PX)
    return View(camera, whole, SIDE_PX, Framing.FULL_BODY)


def _image(people: PeopleStream, person: Person, frame: int, rng: np.random.Generator, scene: Scene) -> Image:
    picture = people.render(scene, person, frame, rng, scene.view).picture
    return np.ascontiguousarray(picture.image[..., ::-1])


def _as_arrays(seen: Sequence[BlazePoseResult | None]) -> dict[str, NDArray[np.generic]]:
    """Landmarks of one view as arrays over frames; those without a person are NaN."""
    arrays: dict[str, NDArray[np.generic]] = {
        name: np.stack(
            [
                np.full(shape, np.nan) if one is None else np.asarray(getattr(one, name), dtype=np.float64)
                for one in seen
            ]
        )
        for name, shape in FIELDS.items()
    }
    rois = [
        [np.nan] * 4
        if one is None
        else [one.roi.centre_x_px, one.roi.centre_y_px, one.roi.size_px, one.roi.rotation_rad]
        for one in seen
    ]
    return arrays | {"roi": np.array(rois)}


def _file(folder: Path, recipe: Recipe, number: int) -> Path:
    return folder / f"views-{recipe.seed:04d}-{number:04d}.npz"


def _make_file(folder: Path, recipe: Recipe, n_views: int, rate_hz: float, number: int) -> None:
    people, blazepose = lift_tools(recipe)
    arrays, images = film_views(people, blazepose, number, n_views, rate_hz)
    path = _file(folder, recipe, number)
    save_images(path, images)
    save_arrays(path, arrays, compress=True)
