"""Synthetic people who walk to a camera and away from it, and what BlazePose sees of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics
from engines.blazepose.tracker import BlazePose, BlazePoseResult
from train.bodies.puppet import PuppetPool
from train.scene.cameras import Framing, View, crop_similarity, look_at
from train.synth.people import PeopleStream

Array = NDArray[np.float64]

SIDE_PX = 384
RATE_HZ = 20.0
NEAREST_M = 2.3
CAMERA_HEIGHT_M, PITCH_DEG = 1.4, -8.0


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """A filmed walk and the truth."""

    camera: CameraCalibration
    """Where it truly is, over the floor."""
    height_m: float
    scale_factors: Array
    t_ns: list[int]
    seen: list[BlazePoseResult | None]
    q: Array
    """Shape: (n_frames, n_q)."""


def film_walk(pool: PuppetPool, seed: int, *, away: bool, duration_s: float = 3.0) -> Walk:
    """Film one walk along the camera's line of sight."""
    rng = np.random.default_rng(seed)
    people = PeopleStream(seed, pool=pool, size_px=SIDE_PX)
    person = people.draw_person(rng, duration_s=0.5, fps=RATE_HZ)
    motion = people.library.sample(
        rng, duration_s=duration_s, fps=RATE_HZ, scale_factors=person.puppet.scale_factors, activity="walk"
    )
    person = replace(person, motion=motion)
    view = _view(motion.q[:, [people.skeleton.coordinate_index(f"pelvis_t{axis}") for axis in "xyz"]], away)
    scene = replace(people.clip_scene(person, rng, Framing.FULL_BODY), view=view)
    blazepose, seen = BlazePose(), []
    t_ns = [int(t * 1e9) for t in motion.t_s]
    for frame, stamp in enumerate(t_ns):
        picture = people.render(scene, person, frame, rng, view).picture
        seen.append(blazepose.step(np.ascontiguousarray(picture.image[..., ::-1]), stamp))
    return Walk(
        camera=replace(view.camera, has_floor=True),
        height_m=pool.model.shape(person.puppet.adult).stature_m,
        scale_factors=person.puppet.scale_factors,
        t_ns=t_ns,
        seen=seen,
        q=motion.q,
    )


def _view(pelvis_m: Array, away: bool) -> View:
    """A camera before (or behind) somebody, on the line that they walk along."""
    start, end = pelvis_m[0, [0, 2]], pelvis_m[-1, [0, 2]]
    along = (end - start) / np.linalg.norm(end - start)
    at = start - NEAREST_M * along if away else end + NEAREST_M * along
    look = along if away else -along
    eye = np.array([at[0], CAMERA_HEIGHT_M, at[1]])
    target = eye + np.array([look[0], np.tan(np.radians(PITCH_DEG)), look[1]])
    camera = CameraCalibration(Intrinsics.from_fov(SIDE_PX, SIDE_PX, 60.0), look_at(eye, target, 0.0))
    whole = crop_similarity(np.full(2, SIDE_PX / 2.0), float(SIDE_PX), 0.0, SIDE_PX)
    return View(camera, whole, SIDE_PX, Framing.FULL_BODY)
