"""Render clips of synthetic people and run BlazePose on every frame: training data of the temporal network.

The frames go through the live code. A clip has one fixed camera; in some clips an object hides a part of
the person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.tracker import BlazePose
from train.blazepose.data import COVERED_SHARE, Cover, LiftData, seen_row, within_frame
from train.blazepose.pictures import FRAMINGS, lift_tools, make_files
from train.scene.cameras import View, crop_similarity
from train.synth.people import CLIP_MOTION_FPS, PeopleStream, Person, Sample, filmed
from train.synth.stream import Recipe

Array = NDArray[np.float64]

CLIP_S = 8.0
RATES_FPS = (4.0, 4.0, 8.0, 12.0, 30.0)
"""Frame rates. Slow clips show more people for the same work; few fast ones suffice for jitter."""
MIN_ROWS = 20
_LIFT_CLIPS = 3
"""Tag of the random generator's key, to keep it apart from other uses of the same seed."""


def make_lift_clips(
    folder: Path, recipe: Recipe, n_clips: int, workers: int, cluster: str | None = None
) -> Iterator[int]:
    """Write the missing files of `n_clips` clips, one file per clip.

    Args:
        folder: Folder of the files; complete ones are kept.
        recipe: Description of the people, in images of `CLIP_PX`.
        n_clips: Number of clips in the folder at the end.
        workers: Number of processes.
        cluster: Address of a Ray cluster that does the work instead.

    Yields:
        The number of finished clips, after each.

    Raises:
        TrainError: the folder cannot be written, or backgrounds or motions are missing.
    """
    numbers = [k for k in range(n_clips) if not _file(folder, recipe, k).exists()]
    done = n_clips - len(numbers)
    for _ in make_files(folder, partial(_make_file, folder, recipe), numbers, workers, cluster):
        done += 1
        yield done


def lift_clip(people: PeopleStream, blazepose: BlazePose, key: tuple[int, ...]) -> list[dict[str, object]]:
    """Rows of one clip, each with `t_s`; frames without the person are left out."""
    rng = np.random.default_rng([*key, _LIFT_CLIPS])
    person = people.draw_person(rng, duration_s=CLIP_S, fps=CLIP_MOTION_FPS)
    person = replace(person, motion=filmed(person.motion, rng, RATES_FPS))
    framing = FRAMINGS[int(rng.integers(len(FRAMINGS)))]
    scene = people.clip_scene(person, rng, framing)
    places_m = _places(person)
    view = standing_view(scene.view, places_m)
    cover = None
    if rng.random() < COVERED_SHARE:
        hips_px = view.crop_from_frame @ [*view.camera.project(places_m[:, :2].mean((0, 1))[None])[0], 1.0]
        hips_from_top = float(np.nan_to_num(hips_px[1] / view.size_px, nan=0.5))
        cover = Cover.sample(rng, float(person.motion.t_s[-1]), hips_from_top)
    blazepose.reset()
    rows: list[dict[str, object]] = []
    for frame, t_s in enumerate(person.motion.t_s.tolist()):
        sample = people.render(scene, person, frame, rng, view)
        row = _look(sample, blazepose, cover, t_s, key[-1])
        if row is not None:
            rows.append(row)
    return rows


def _places(person: Person) -> Array:
    """Positions of the hips, then of other points, in the motion. Shape: (n_frames, n_anchors, 3)."""
    places = []
    for q in person.motion.q[:: max(1, person.motion.n_frames // 40)]:
        anchors = person.dressed.place_anchors(person.puppet.node_transforms(q))
        names = ["hip_r", "hip_l", *(name for name in anchors if not name.startswith("hip"))]
        places.append([anchors[name] for name in names])
    return np.array(places)


def standing_view(view: View, places_m: Array) -> View:
    """An upright square crop of the camera's frame that holds the whole motion, as far as the frame does.

    Args:
        view: View of the camera.
        places_m: Points of the person through the motion, in ground. Shape: (n_frames, n, 3).
    """
    k = view.camera.intrinsics
    limits = np.array([k.width_px, k.height_px], dtype=np.float64)
    uv_px = view.camera.project(places_m.reshape(-1, 3)).reshape(*places_m.shape[:2], 2)
    uv_px = np.clip(uv_px, 0.0, limits)
    low, high = np.nanmin(uv_px, (0, 1)), np.nanmax(uv_px, (0, 1))
    side = float(np.clip(1.2 * (high - low).max(), 64.0, limits.max()))
    crop = crop_similarity(0.5 * (low + high), side, 0.0, view.size_px)
    return replace(view, crop_from_frame=crop)


def _look(
    sample: Sample, blazepose: BlazePose, cover: Cover | None, t_s: float, clip: int
) -> dict[str, object] | None:
    rows, columns = within_frame(sample.picture.view)
    image = np.ascontiguousarray(sample.picture.image[rows, columns, ::-1])
    if cover is not None:
        cover.hide(image, t_s)
    seen = blazepose.step(image, int(t_s * 1e9))
    return None if seen is None else seen_row(sample, seen, clip, t_s)


def _file(folder: Path, recipe: Recipe, number: int) -> Path:
    return folder / f"clip-{recipe.seed:04d}-{number:06d}.npz"


def _make_file(folder: Path, recipe: Recipe, number: int) -> None:
    people, blazepose = lift_tools(recipe)
    rows = lift_clip(people, blazepose, (recipe.seed, int(recipe.held_out), number))
    # A file without rows marks a clip that was tried.
    LiftData.from_rows(rows if len(rows) >= MIN_ROWS else []).save(_file(folder, recipe, number))
