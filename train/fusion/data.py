"""Moments of clips that several cameras saw (`train.blazepose.views`), as the fusion network reads them.

All views of a moment are put into one frame, which stands upright in the room and faces where the views
together see the person face. The lifter says of each view which pose it expects and how sure it is; rays of
all views say where landmarks are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIS_ROTATIONS
from calib.pelvis import pelvis_angles, pelvis_rotation
from calib.skeleton import Skeleton
from engines.blazepose.pose_landmark import HIPS
from engines.features.crossing import crossing_points
from engines.features.landmarks import LENGTHS, LandmarkBatch, landmark_features, turn_about_vertical
from train.errors import TrainError
from train.lift.exported import Lift
from train.lift.network import lifted_coordinates

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Clip = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True, eq=False)
class ViewsMoments:
    """Moments of one clip, in ground; v views."""

    seen: NDArray[np.bool_]
    """Whether a view shows the person. Shape: (n, v)."""
    heading_rad: Array
    """Where each view sees the person face. Shape: (n, v)."""
    q: Array
    """The lifter's coordinates, the pelvis's turned to ground. Shape: (n, v, n_coordinates)."""
    sigma: Array
    """Shape: (n, v, n_coordinates)."""
    eyes_m: Array
    """Positions of the cameras. Shape: (v, 3)."""
    rays: Array
    """Unit directions to the landmarks. Shape: (n, v, 33, 3)."""
    weights: Array
    """Shape: (n, v, 33)."""
    truth: Array
    """True coordinates in ground. Shape: (n, n_coordinates)."""


def load_moments(folder: Path, skeleton: Skeleton, lift: Lift) -> list[ViewsMoments]:
    """The clips of a folder.

    Raises:
        TrainError: there are none.
    """
    paths = sorted(folder.glob("views-*.npz"))
    if not paths:
        raise TrainError(
            f"{folder}: no clips of several views; make some: kinecast train lift-clips --views 3 --out DIR"
        )
    return [moments_of(dict(np.load(path)), skeleton, lift) for path in paths]


def moments_of(clip: Clip, skeleton: Skeleton, lift: Lift) -> ViewsMoments:
    """What the lifter makes of each view of a clip."""
    seen = np.isfinite(np.asarray(clip["score"], dtype=np.float64)).T
    n, v = seen.shape
    batch, rays = _landmarks(clip, n)
    found = landmark_features(batch)
    q, sigma = lift(batch)
    names = lifted_coordinates(skeleton)
    pelvis = [names.index(name) for name in PELVIS_ROTATIONS]
    q[:, pelvis] = pelvis_angles(turn_about_vertical(found.heading_rad) @ pelvis_rotation(q[:, pelvis]))
    index = [skeleton.coordinate_index(name) for name in names]
    return ViewsMoments(
        seen=seen,
        heading_rad=found.heading_rad.reshape(n, v),
        q=q.reshape(n, v, -1),
        sigma=sigma.reshape(n, v, -1),
        eyes_m=np.asarray(clip["T_ground_cam"], dtype=np.float64)[:, :3, 3],
        rays=rays,
        weights=batch.visibility.reshape(n, v, -1),
        truth=np.asarray(clip["q"], dtype=np.float64)[:, index],
    )


def _landmarks(clip: Clip, n: int) -> tuple[LandmarkBatch, Array]:
    """All images of a clip in the order of moments, and unit rays in ground, (n, v, 33, 3)."""

    def value(name: str) -> Array:
        values = np.asarray(clip[name], dtype=np.float64).swapaxes(0, 1)
        # Views without the person hold any numbers, which `seen` leaves out; no two landmarks the same.
        any_numbers = np.linspace(0.1, 1.0, values[0, 0].size).reshape(values.shape[2:])
        return np.where(np.isfinite(values), values, any_numbers)

    T, focal_px = np.asarray(clip["T_ground_cam"], np.float64), np.asarray(clip["fov_px"], np.float64)
    middle_px = 0.5 * float(np.asarray(clip["side_px"]))
    landmarks_px, R = value("landmarks_px")[..., :2], T[:, :3, :3]
    out = np.concatenate(
        [(landmarks_px - middle_px) / focal_px[:, None, None], np.ones((*landmarks_px.shape[:3], 1))], -1
    )
    rays = np.einsum("vij,nvkj->nvki", R, out)
    camera = np.stack([focal_px, np.full_like(focal_px, middle_px), np.full_like(focal_px, middle_px)], -1)
    batch = LandmarkBatch(
        landmarks_px=landmarks_px.reshape(-1, *landmarks_px.shape[2:]),
        world_m=value("world_m").reshape(-1, *landmarks_px.shape[2:3], 3),
        visibility=(value("visibility") * value("presence")).reshape(-1, landmarks_px.shape[2]),
        roi_centre_px=value("roi")[..., :2].reshape(-1, 2),
        camera=np.tile(camera, (n, 1)),
        R_ground_cam=np.tile(R, (n, 1, 1)),
    )
    return batch, rays / np.linalg.norm(rays, axis=-1, keepdims=True)


@dataclass(frozen=True, slots=True, eq=False)
class FusionRows:
    """What the network reads of moments that v views saw, in the frame that the person faces."""

    views: Floats
    """Of each view: coordinates about the pooled ones, logarithms of deviations. Shape: (n, v, n_view)."""
    crossed: Floats
    """Landmarks where rays meet, about the mid hips, over the person's size, and their least weights.
    Shape: (n, 33 * 4)."""
    pooled: Floats
    """Mean of the views' coordinates, weighed by inverse variances. Shape: (n, n_coordinates)."""
    truth: Floats
    """Shape: (n, n_coordinates)."""

    def __len__(self) -> int:
        return len(self.truth)


def fusion_rows(moments: ViewsMoments, chosen: list[int], skeleton: Skeleton) -> FusionRows:
    """The moments in which all chosen views show the person.

    Args:
        moments: Moments of a clip.
        chosen: Views, two or more.
        skeleton: Skeleton of the coordinates.
    """
    rows = moments.seen[:, chosen].all(1)
    pick = np.ix_(np.flatnonzero(rows), np.array(chosen))
    heading = moments.heading_rad[pick]
    middle_rad = np.arctan2(np.sin(heading).sum(1), np.cos(heading).sum(1))
    back = turn_about_vertical(-middle_rad)
    names = lifted_coordinates(skeleton)
    pelvis = [names.index(name) for name in PELVIS_ROTATIONS]

    def facing(q: Array, turn: Array) -> Array:
        q = q.copy()
        q[:, pelvis] = pelvis_angles(turn @ pelvis_rotation(q[:, pelvis]))
        return q

    v = len(chosen)
    q = facing(moments.q[pick].reshape(-1, len(names)), np.repeat(back, v, 0)).reshape(-1, v, len(names))
    weight = moments.sigma[pick] ** -2.0
    pooled = (weight * q).sum(1) / weight.sum(1)
    weights = moments.weights[pick]
    points_m = crossing_points(moments.eyes_m[chosen], moments.rays[pick], weights)
    points_m = np.einsum("nij,nkj->nki", back, points_m - points_m[:, list(HIPS)].mean(1, keepdims=True))
    ends = points_m[:, LENGTHS]
    size_m = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=-1).sum(1)
    places = (4.0 * points_m / size_m[:, None, None]).clip(-4.0, 4.0)
    views = [q - pooled[:, None], np.log(moments.sigma[pick])]
    crossed = [places.reshape(len(places), 3 * places.shape[1]), weights.min(1)]
    return FusionRows(
        np.concatenate(views, axis=-1).astype(np.float32),
        np.concatenate(crossed, axis=-1).astype(np.float32),
        pooled.astype(np.float32),
        facing(moments.truth[rows], back).astype(np.float32),
    )
