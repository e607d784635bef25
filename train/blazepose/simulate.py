"""Clips without images: people move before a camera, and the model simulates BlazePose's output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from calib.kinematics import joint_centres, marker_positions
from calib.skeleton import Skeleton
from train.blazepose.clips import CLIP_S, MIN_ROWS, RATES_FPS, standing_view
from train.blazepose.data import CLIP_PX, LiftData, concatenated, picture_camera
from train.blazepose.events import exchange
from train.blazepose.model import ObservationModel
from train.blazepose.pictures import FRAMINGS
from train.blazepose.points import TrueView, true_points
from train.bodies.bodies import split_adults
from train.bodies.puppet import PuppetPool
from train.motion.library import MotionLibrary
from train.motion.motion import Motion
from train.scene.cameras import Framing, View, sample_view
from train.synth.people import CLIP_MOTION_FPS, filmed, is_framed

Array = NDArray[np.float64]

ANCHOR_MARKERS = {
    "head_top": "HEAD", "eye_r": "REYE", "eye_l": "LEYE", "neck_base": "C7",
    "shoulder_r": "RSJC", "shoulder_l": "LSJC", "elbow_r": "REJC", "elbow_l": "LEJC",
    "wrist_r": "RWJC", "wrist_l": "LWJC", "hip_r": "RHJC", "hip_l": "LHJC", "knee_r": "RKJC",
    "knee_l": "LKJC", "ankle_r": "RAJC", "ankle_l": "LAJC", "toe_r": "RTOE", "toe_l": "LTOE",
}  # fmt: skip
"""Markers of the skeleton that correspond to `train.bodies.surface_landmarks.ANCHORS`, in the same order."""
N_MOMENTS = 9
N_TRIES = 6
FRAMED_SHARE = 0.75
MIN_PICTURE_PX = 48
N_PLACES = 40
MOTION_PER_FRAME = 5.0
"""Poses of the motion per frame of the fastest rate; poses between them are interpolated."""


class MovingBodies:
    """Moving bodies without meshes.

    Args:
        pool: Adults to draw from.
        library: Motions to draw from.
        held_out: Draw the adults kept for evaluation instead of those for training.
    """

    def __init__(self, pool: PuppetPool, library: MotionLibrary, *, held_out: bool = False) -> None:
        self.skeleton = pool.skeleton
        self.library = library
        self._adults = split_adults(pool.model)[int(held_out)]
        self._pool = pool
        self._anchors = [self.skeleton.marker_index(name) for name in ANCHOR_MARKERS.values()]

    def draw(self, rng: np.random.Generator, duration_s: float, fps: float) -> tuple[int, Array, Motion]:
        """Draw an adult with scale factors and a motion."""
        adult = int(rng.choice(self._adults))
        scale = self._pool.scale_factors(adult)
        motion = self.library.sample(rng, duration_s=duration_s, fps=fps, scale_factors=scale)
        return adult, scale, motion

    def anchors(self, q: Array, scale_factors: Array) -> dict[str, Array]:
        """`train.bodies.surface_landmarks.ANCHORS` of a pose, in m."""
        markers = marker_positions(self.skeleton, q, scale_factors)
        return {name: markers[k] for name, k in zip(ANCHOR_MARKERS, self._anchors, strict=True)}


@dataclass(frozen=True, slots=True, eq=False)
class FilmedBody:
    """A motion before a camera."""

    adult: int
    scale_factors: Array
    motion: Motion
    view: View


def film(
    bodies: MovingBodies,
    rng: np.random.Generator,
    n_cameras: int = 1,
    duration_s: float = CLIP_S,
    rates_fps: tuple[float, ...] = RATES_FPS,
) -> Iterator[FilmedBody]:
    """Draw a moving body and cameras placed as in rendered clips."""
    motion_fps = min(CLIP_MOTION_FPS, MOTION_PER_FRAME * max(rates_fps))
    adult, scale, motion = bodies.draw(rng, duration_s, motion_fps)
    for _ in range(n_cameras):
        taken = filmed(motion, rng, rates_fps)
        yield FilmedBody(adult, scale, taken, _standing_camera(bodies, scale, taken, rng))


def _standing_camera(bodies: MovingBodies, scale: Array, motion: Motion, rng: np.random.Generator) -> View:
    framing = FRAMINGS[int(rng.integers(len(FRAMINGS)))]
    places = [bodies.anchors(q, scale) for q in motion.q[:: max(1, motion.n_frames // N_PLACES)]]
    moments = [places[k] for k in np.linspace(0, len(places) - 1, N_MOMENTS).astype(int).tolist()]
    view = _camera(moments, framing, rng)
    names = ["hip_r", "hip_l", *(name for name in ANCHOR_MARKERS if not name.startswith("hip"))]
    places_m = np.array([[place[name] for name in names] for place in places])
    return standing_view(view, places_m)


def _camera(moments: list[dict[str, Array]], framing: Framing, rng: np.random.Generator) -> View:
    for _ in range(N_TRIES):
        view = sample_view(moments[len(moments) // 2], 0.0, rng, size_px=CLIP_PX, framing=framing)
        if np.mean([is_framed(view, anchors) for anchors in moments]) >= FRAMED_SHARE:
            break
    return view


def simulated_clips(
    model: ObservationModel,
    bodies: MovingBodies,
    rng: np.random.Generator,
    n: int,
    *,
    n_cameras: int = 2,
    first_block: int = 0,
    duration_s: float = CLIP_S,
    rates_fps: tuple[float, ...] = RATES_FPS,
) -> LiftData:
    """Simulate BlazePose's output on `n` clips; frames in which nobody is found are left out.

    Args:
        model: Model of BlazePose.
        bodies: Bodies and motions to draw from.
        rng: Random generator.
        n: Number of clips; clips with too few tracked frames are drawn again.
        n_cameras: Number of cameras for each motion, because drawing motions is slower than observing.
        first_block: Number of the first clip.
        duration_s: Duration of a clip.
        rates_fps: Frame rates of the clips.
    """
    clips: list[LiftData] = []
    while len(clips) < n:
        for body in film(bodies, rng, n_cameras, duration_s, rates_fps):
            clip = observed_clip(model, bodies.skeleton, body, rng, first_block + len(clips))
            if clip is not None and len(clip) >= MIN_ROWS and len(clips) < n:
                clips.append(clip)
    return concatenated(clips)


def observed_clip(
    model: ObservationModel, skeleton: Skeleton, body: FilmedBody, rng: np.random.Generator, block: int
) -> LiftData | None:
    """Simulated output of one clip; None if the image is too small."""
    camera = picture_camera(body.view)
    k = camera.intrinsics
    if min(k.width_px, k.height_px) < MIN_PICTURE_PX:
        return None
    T, q, t_s = camera.T_ground_cam, body.motion.q, body.motion.t_s
    scale = np.broadcast_to(body.scale_factors, (len(q), *body.scale_factors.shape))
    intrinsics = np.tile([k.fx, k.cx, k.cy], (len(q), 1))
    rotation = np.broadcast_to(T[:3, :3], (len(q), 3, 3))
    points = (true_points(skeleton, q, scale) - T[:3, 3]) @ T[:3, :3]
    view = TrueView(points, intrinsics, rotation, np.full(len(q), float(body.view.size_px)))
    seen = model.observe(view, t_s, rng)
    centres = np.array([joint_centres(skeleton, qk, body.scale_factors) for qk in q])
    rows = LiftData(
        seen.landmarks_px, seen.world_m, seen.visibility, seen.presence, seen.roi,
        intrinsics.astype(np.float32), rotation.astype(np.float32), q.astype(np.float32),
        scale.astype(np.float32), ((centres - T[:3, 3]) @ T[:3, :3]).astype(np.float32),
        np.full(len(q), body.adult, dtype=np.int32), np.full(len(q), block, dtype=np.int32),
        np.full(len(q), body.motion.name), t_s.astype(np.float32),
    )  # fmt: skip
    return exchange(rows, seen.swapped).rows(seen.found)


def observed_again(
    model: ObservationModel, data: LiftData, view: TrueView, rng: np.random.Generator
) -> Iterator[LiftData]:
    """Simulate BlazePose's output on rendered clips, for comparison frame by frame.

    Args:
        model: Model of BlazePose.
        data: Clips.
        view: Truth of the clips.
        rng: Random generator.
    """
    for rows in data.clips():
        clip = data.rows(rows)
        seen = model.observe(view.rows(rows), clip.t_s.astype(np.float64), rng)
        said = {f.name: getattr(clip, f.name) for f in fields(LiftData)}
        said |= {
            name: getattr(seen, name) for name in ("landmarks_px", "world_m", "visibility", "presence", "roi")
        }
        yield exchange(LiftData(**said), seen.swapped)
