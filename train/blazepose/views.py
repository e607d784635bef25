"""Synthetic people seen by several cameras at once, and what BlazePose sees of them in each.

`python -m train.blazepose.views OUT` writes one file a clip. `realtime.views.error_curve` measures on them
what each further view is worth.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics
from engines.blazepose.tracker import BlazePose, BlazePoseResult
from train.errors import TrainError
from train.scene.cameras import Framing, View, crop_similarity, look_at
from train.scene.studio import Scene
from train.synth.people import PeopleStream, Person

Array = NDArray[np.float64]

SIDE_PX = 384
"""Side of the square images."""
RATE_HZ, CLIP_S = 8.0, 3.0
ACTIVITIES = ("squat", "walk", "bend", "lunge", "reach", "balance", "march", "raise_arms")
"""Taken in turn. None hides the person behind furniture."""
APART_DEG = (50.0, 110.0)
"""Turn about the person from each camera to the next."""
HEIGHT_M, DISTANCE_M, FOV_DEG = (0.8, 2.2), (3.0, 4.2), (50.0, 70.0)
FIELDS = ("landmarks_px", "world_m", "visibility", "presence", "score", "auxiliary_px", "detected")
_VIEWS = 7
"""Tag of the random generator's key, to keep it apart from other uses of the same seed."""


def film_views(people: PeopleStream, number: int, n_views: int) -> dict[str, NDArray[np.generic]]:
    """One clip of somebody, seen by several cameras, as the arrays of its file.

    Args:
        people: Source of people, in images of `SIDE_PX`.
        number: Number of the clip.
        n_views: Number of cameras.
    """
    rng = np.random.default_rng([*people.key, _VIEWS, number])
    person = _person(people, rng, ACTIVITIES[number % len(ACTIVITIES)])
    places_m = np.array([list(_anchors(person, frame).values()) for frame in range(person.motion.n_frames)])
    views = [_view(places_m, bearing, rng) for bearing in _bearings(rng, n_views)]
    scene = people.clip_scene(person, rng, Framing.FULL_BODY)
    columns: dict[str, list[NDArray[np.generic]]] = {}
    for view in views:
        blazepose = BlazePose()
        seen = [
            blazepose.step(_image(people, person, frame, rng, replace(scene, view=view)), round(1e9 * t_s))
            for frame, t_s in enumerate(person.motion.t_s.tolist())
        ]
        for name, values in _as_arrays(seen).items():
            columns.setdefault(name, []).append(values)
    arrays = {name: np.stack(values) for name, values in columns.items()}
    return arrays | {
        "T_ground_cam": np.stack([view.camera.T_ground_cam for view in views]),
        "fov_px": np.array([view.camera.intrinsics.fx for view in views]),
        "side_px": np.array(SIDE_PX),
        "t_s": person.motion.t_s,
        "q": person.motion.q,
        "scale_factors": person.puppet.scale_factors,
        "height_m": np.array(people.pool.model.shape(person.puppet.adult).stature_m),
        "activity": np.array(person.motion.name),
    }


def _person(people: PeopleStream, rng: np.random.Generator, activity: str) -> Person:
    person = people.draw_person(rng, duration_s=0.5, fps=RATE_HZ)
    factors = person.puppet.scale_factors
    motion = people.library.sample(
        rng, duration_s=CLIP_S, fps=RATE_HZ, scale_factors=factors, activity=activity
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


def _image(
    people: PeopleStream, person: Person, frame: int, rng: np.random.Generator, scene: Scene
) -> NDArray[np.uint8]:
    picture = people.render(scene, person, frame, rng, scene.view).picture
    return np.ascontiguousarray(picture.image[..., ::-1])


def _as_arrays(seen: Sequence[BlazePoseResult | None]) -> dict[str, NDArray[np.generic]]:
    """Landmarks of one view as arrays over frames; those without a person are NaN."""
    given = next((one for one in seen if one is not None), None)
    if given is None:
        raise TrainError("BlazePose never found the person; draw another clip")

    def value(one: BlazePoseResult | None, name: str) -> Array:
        like = np.asarray(getattr(given, name), dtype=np.float64)
        return np.full_like(like, np.nan) if one is None else np.asarray(getattr(one, name), np.float64)

    arrays = {name: np.stack([value(one, name) for one in seen]) for name in FIELDS}
    rois = [
        [np.nan] * 4
        if one is None
        else [one.roi.centre_x_px, one.roi.centre_y_px, one.roi.size_px, one.roi.rotation_rad]
        for one in seen
    ]
    return arrays | {"roi": np.array(rois)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write clips; see the module."""
    parser = argparse.ArgumentParser(prog="python -m train.blazepose.views", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the clips; complete ones are kept")
    parser.add_argument("--clips", type=int, default=24, help="default: %(default)s")
    parser.add_argument("--views", type=int, default=4, help="cameras of each clip; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    people = PeopleStream(args.seed, held_out=True, size_px=SIDE_PX)
    for number in range(args.clips):
        path = args.out / f"views-{args.seed:04d}-{number:04d}.npz"
        if path.exists():
            continue
        arrays = film_views(people, number, args.views)
        partial = path.with_suffix(".partial.npz")
        np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]
        partial.replace(path)
        print(f"{path.name}: {arrays['activity']}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
