"""Where BlazePose puts its landmarks on people who stand: the distribution of offsets from the true joints.

`python -m train.blazepose.offsets --people 100 --svg FILE` draws people who stand still before a level
portrait camera at chest height, about 300 px high, from the front and at 45 degrees.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics
from engines.blazepose.tracker import BlazePose
from train.blazepose.data import observe
from train.blazepose.offsets_plot import distribution_plot
from train.scene.cameras import Framing, View, crop_similarity, look_at
from train.synth.people import BLOCK_SIZE, POSE_INTERVAL_S, PeopleStream, Person
from train.synth.recipe import Recipe

Array = NDArray[np.float64]

PICTURE_PX = 400
PARTS: dict[str, tuple[tuple[int, int], str]] = {
    "shoulder": ((12, 11), "humerus"),
    "hip": ((24, 23), "femur"),
    "knee": ((26, 25), "tibia"),
    "ankle": ((28, 27), "talus"),
    "heel": ((30, 29), "calcn"),
    "toes": ((32, 31), "toes"),
}
"""Landmarks, right and left, and the body whose joint centre they are measured from."""
OBLIQUE_RAD = np.pi / 4.0
_STANDING = 77
"""Keeps the generator's numbers apart from those of other uses of the same seed."""


def landmark_offsets(landmarks_px: Array, centres_px: Array, body_names: tuple[str, ...]) -> dict[str, float]:
    """Offsets upwards along the legs, means of both sides, and ratios of what BlazePose itself says.

    Args:
        landmarks_px: Landmarks of BlazePose in the image. Shape: (33, 2) or (33, 3).
        centres_px: True joint centres in the image. Shape: (n_bodies, 2).
        body_names: Names of the bodies, with "_r" and "_l".

    Returns:
        Offset of each of `PARTS` as a share of the true leg (hip to ankle) in the image, up positive, and the
        ratios `leg / trunk` and `shank / thigh` of the landmarks.
    """
    true = {
        part: np.array([centres_px[body_names.index(f"{body}_{side}")] for side in "rl"])
        for part, (_, body) in PARTS.items()
    }
    leg = true["hip"].mean(0) - true["ankle"].mean(0)
    length = float(np.linalg.norm(leg))
    seen = {part: landmarks_px[list(index), :2] for part, (index, _) in PARTS.items()}
    offsets = {part: float((seen[part] - true[part]).mean(0) @ leg / length**2) for part in PARTS}

    def span(one: str, other: str) -> float:
        return float(np.linalg.norm(seen[one].mean(0) - seen[other].mean(0)))

    offsets["leg / trunk"] = span("hip", "ankle") / span("shoulder", "hip")
    offsets["shank / thigh"] = span("knee", "ankle") / span("hip", "knee")
    return offsets


def standing_view(anchors: dict[str, Array], rng: np.random.Generator, turn_rad: float) -> View:
    """A level portrait camera at chest height, `turn_rad` from straight ahead, cut around the person."""
    hips = 0.5 * (anchors["hip_r"] + anchors["hip_l"])
    across = anchors["hip_r"] - anchors["hip_l"]
    azimuth = np.arctan2(-across[0], across[2]) + turn_rad
    distance, height = rng.uniform(2.5, 3.3), rng.uniform(1.1, 1.45)
    eye = np.array([hips[0] + distance * np.cos(azimuth), height, hips[2] + distance * np.sin(azimuth)])
    target = np.array([hips[0], height - distance * np.tan(np.radians(rng.normal(2.0, 1.5))), hips[2]])
    intrinsics = Intrinsics.from_fov(360, 640, float(rng.uniform(66.0, 72.0)))
    camera = CameraCalibration(intrinsics, look_at(eye, target, rng.normal(0.0, 0.01)))
    uv_px = np.array([camera.project(p) for p in anchors.values()])
    crop = crop_similarity(0.5 * (uv_px.min(0) + uv_px.max(0)), float(PICTURE_PX), 0.0, PICTURE_PX)
    return View(camera, crop, PICTURE_PX, Framing.FULL_BODY)


def standing_people(people: PeopleStream, seed: int, n: int) -> Iterator[tuple[Person, np.random.Generator]]:
    """People of the stream, each standing still."""
    for number in range(n):
        rng = np.random.default_rng([seed, _STANDING, number])
        person = people.draw_person(rng, duration_s=BLOCK_SIZE * POSE_INTERVAL_S, fps=1.0 / POSE_INTERVAL_S)
        factors = person.puppet.scale_factors
        motion = people.library.sample(rng, duration_s=1.0, fps=1.0, scale_factors=factors, activity="still")
        yield replace(person, motion=motion), rng


def measure_standing(recipe: Recipe, n: int) -> list[dict[str, float | str]]:
    """Offsets on `n` standing people, each from the front and at about 45 degrees.

    Raises:
        TrainError: something that is drawn from is missing.
    """
    people, blazepose = replace(recipe, size_px=PICTURE_PX).open(), BlazePose(n_threads=1)
    rows: list[dict[str, float | str]] = []
    for person, rng in standing_people(people, recipe.seed, n):
        nodes = person.puppet.node_transforms(person.motion.q[0])
        anchors = person.dressed.place_anchors(nodes)
        oblique = rng.choice([-1.0, 1.0]) * rng.normal(OBLIQUE_RAD, 0.12)
        for name, turn_rad in (("front", rng.normal(0.0, 0.12)), ("oblique", oblique)):
            view = standing_view(anchors, rng, float(turn_rad))
            sample = people.photograph_with(person, 0, rng, _always(view), framing=Framing.FULL_BODY)
            row = observe(sample, blazepose, len(rows))
            if row is not None:
                found = landmark_offsets(*_seen_px(row), people.skeleton.body_names)
                rows.append({"view": name, "worn": ", ".join(person.dressed.description), **found})
    return rows


def _always(view: View) -> Callable[[View, Array], View]:
    """A cut that ignores the random camera."""
    return lambda _view, _points: view


def _seen_px(row: dict[str, object]) -> tuple[Array, Array]:
    """Landmarks and true joint centres of a row of `LiftData`, both in the image."""
    focal, cx, cy = np.asarray(row["camera"], np.float64)
    centres_m = np.asarray(row["centres_cam_m"], np.float64)
    centres_px = focal * centres_m[:, :2] / centres_m[:, 2:] + [cx, cy]
    return np.asarray(row["landmarks_px"], np.float64), centres_px


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and plot."""
    parser = argparse.ArgumentParser(prog="python -m train.blazepose.offsets", description=__doc__)
    parser.add_argument("--people", type=int, default=100, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="keep what was measured")
    parser.add_argument("--with", type=Path, nargs="*", default=[], dest="others", metavar="FILE.json")
    parser.add_argument("--marks", type=Path, metavar="FILE.json", help="offsets of a real person by view")
    parser.add_argument("--svg", type=Path, metavar="FILE.svg")
    options = parser.parse_args(arguments)
    groups = {path.stem: json.loads(path.read_text()) for path in options.others}
    if options.people:
        groups["now"] = measure_standing(Recipe(options.seed), options.people)
    if options.out is not None:
        options.out.write_text(json.dumps(groups["now"]))
    marks = {} if options.marks is None else json.loads(options.marks.read_text())
    for name, rows in groups.items():
        for part in [*PARTS, "leg / trunk", "shank / thigh"]:
            for view in ("front", "oblique"):
                values = np.array([row[part] for row in rows if row["view"] == view])
                low, middle, high = np.percentile(values, [2.5, 50.0, 97.5])
                print(f"{name:10} {part:14} {view:8} {low:7.3f} {middle:7.3f} {high:7.3f}")
    if options.svg is not None:
        options.svg.write_text(distribution_plot(groups, marks))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
