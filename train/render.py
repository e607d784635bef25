"""One picture of one person, end to end: posed mesh, furniture, light, background, webcam, and what is seen of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from train import backgrounds, occluders
from train.cameras import Framing, View, sample_view
from train.environment import load_panorama, panorama_files
from train.garments import Category
from train.materials import material_table
from train.mesh import vertex_normals
from train.noise import noise_lattice
from train.outfits import DressedBody
from train.raster import rasterise
from train.shading import Geometry, screen_occlusion, shade, shadow_map
from train.skinning import skin
from train.webcam import Webcam, expose, sample_webcam

NEAR_M = 0.05
_OCCLUSION_RADIUS_M = 0.14


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A rendered sample."""

    image: NDArray[np.uint8]
    """Red green blue. Shape: (size, size, 3)."""
    category: NDArray[np.uint8]
    """`train.garments.Category` of each pixel. Shape: (size, size)."""
    depth_m: NDArray[np.float32]
    """Distance along the camera's axis, inf where nothing stands. Shape: (size, size)."""
    view: View

    def visible(
        self, p_ground: NDArray[np.float64], thickness_m: NDArray[np.float64] | float = 0.12
    ) -> NDArray[np.bool_]:
        """Which points inside the person are seen: in the frame, and nothing nearer than the flesh around them.

        Args:
            p_ground: points, e.g. joint centres. Shape: (n, 3).
            thickness_m: how deep under the skin a point may lie. Shape: (n,) or one number.

        Returns:
            Shape (n,).
        """
        camera = self.view.camera
        depth = (p_ground - camera.T_ground_cam[:3, 3]) @ camera.T_ground_cam[:3, 2]
        uv, frame_px = self.view.project(p_ground), camera.project(p_ground)
        size, k = self.view.size_px, camera.intrinsics
        with np.errstate(invalid="ignore"):
            inside = (uv >= 0).all(1) & (uv < size).all(1) & (frame_px >= 0).all(1)
            inside &= (frame_px[:, 0] < k.width_px) & (frame_px[:, 1] < k.height_px)
        pixel = np.where(inside[:, None], np.nan_to_num(uv), 0.0).astype(int)
        nearest, what = self.depth_m[pixel[:, 1], pixel[:, 0]], self.category[pixel[:, 1], pixel[:, 0]]
        person = (what != Category.FURNITURE) & (what != Category.OCCLUDER)
        return inside & ((nearest > depth) | (person & (nearest > depth - thickness_m)))


class Studio:
    """Renders dressed bodies; holds buffers, so one per process or thread."""

    def __init__(self, *, size_px: int = 256, panorama_folder: Path | None = None) -> None:
        """Set up buffers.

        Args:
            size_px: width and height of the pictures.
            panorama_folder: with .hdr panoramas; without it all backgrounds are procedural.

        Raises:
            TrainError: the folder holds no panoramas.
        """
        self.size_px = size_px
        self.lattice = noise_lattice()
        self._panoramas = panorama_files(panorama_folder)
        fine = (2 * size_px, 2 * size_px)
        self._inverse_depth, self._face_id = np.empty(fine, np.float32), np.empty(fine, np.int32)
        self._occlusion = np.empty((size_px, size_px), np.float32)
        self._shaded = np.empty((size_px, size_px, 4), np.float32)
        self._background = np.empty((size_px, size_px, 3), np.float32)

    def shoot(
        self,
        person: DressedBody,
        node_transforms: NDArray[np.float32],
        rng: np.random.Generator,
        *,
        seated: bool = False,
        floor_y_m: float | None = None,
        framing: Framing | None = None,
        view: View | None = None,
        webcam: Webcam | None = None,
    ) -> Picture:
        """Photograph a person in a random place by a random camera.

        Args:
            person: dressed body.
            node_transforms: of its rig in this pose. Shape: (n_nodes, 3, 4), float32.
            rng: where all choices come from.
            seated: puts a seat under the person.
            floor_y_m: height of the floor under bare feet; None for the lowest point. Soles go into the floor by
                their thickness's share that the motion does not know of, so the floor is lowered to them.
            framing: of the camera; None for any.
            view: the camera; None for a random one.
            webcam: the camera's flaws; None for random ones.
        """
        p_m = np.empty_like(person.rest_m)
        skin(person.rest_m, person.node_index, person.node_weight, node_transforms, p_m)
        anchors = person.place_anchors(node_transforms)
        lowest = float(p_m[:, 1].min())
        floor = lowest if floor_y_m is None else min(floor_y_m, lowest)
        if view is None:
            view = sample_view(anchors, floor, rng, size_px=self.size_px, framing=framing)
        solids = self._furnish(p_m, person, anchors, view, floor, seated, rng)
        return self.render(person, p_m, solids, view, floor, rng, webcam or sample_webcam(rng))

    def _furnish(
        self,
        p_m: NDArray[np.float32],
        person: DressedBody,
        anchors: dict[str, NDArray[np.float64]],
        view: View,
        floor: float,
        seated: bool,
        rng: np.random.Generator,
    ) -> occluders.Solids:
        solids = occluders.Solids()
        eye = view.camera.T_ground_cam[:3, 3]
        if seated:
            occluders.seat(solids, anchors, person.seat_height_m(p_m), floor, rng)
            if view.framing is Framing.WEBCAM and rng.random() < 0.6:
                occluders.desk(solids, eye, anchors, floor, rng)
        if rng.random() < 0.5:
            occluders.behind(solids, eye, anchors, floor, rng)
        if rng.random() < 0.2:
            occluders.in_the_way(solids, eye, anchors, rng)
        return solids

    def render(
        self,
        person: DressedBody,
        p_m: NDArray[np.float32],
        solids: occluders.Solids,
        view: View,
        floor_y_m: float,
        rng: np.random.Generator,
        webcam: Webcam,
    ) -> Picture:
        """Photograph a posed person among solids; the background is random."""
        geometry, clip, materials, category = _scene(person, p_m, solids, rng)
        p_px = _project(geometry.p_m, view)
        rasterise(_doubled(p_px), geometry.faces, clip, self._inverse_depth, self._face_id)
        eye = view.camera.T_ground_cam[:3, 3].astype(np.float32)
        light, paint_background = self._backdrop(eye, p_m, rng)
        blur = float(rng.uniform(0.6, 2.2))
        shadow = shadow_map(geometry.p_m, geometry.faces, clip, light.sun_direction, blur)
        coarse = self._inverse_depth[::2, ::2].copy()
        screen_occlusion(coarse, _OCCLUSION_RADIUS_M, view.focal_px, self._occlusion)
        shade(
            self._face_id, self._inverse_depth, _doubled(p_px), geometry, materials, person.paint, light, shadow,
            self._occlusion, eye, self.lattice, self._shaded,
        )  # fmt: skip
        contact = backgrounds.contact_map(p_m, floor_y_m)
        ray = np.linalg.inv(view.matrix[:, :3]).astype(np.float32)
        paint_background(
            ray, eye, np.float32(floor_y_m), light, shadow, contact, self.lattice, self._background
        )
        behind = cv2.GaussianBlur(self._background, (0, 0), float(rng.uniform(0.35, 1.1)))
        linear = self._shaded[..., :3] + (1.0 - self._shaded[..., 3:]) * behind
        outside = _outside_frame(view)
        linear[outside] = 0.0
        image = expose(linear, webcam, view.scale, rng)
        seen = self._face_id[::2, ::2]
        labels = np.where(seen >= 0, category[np.maximum(seen, 0)], np.uint8(Category.BACKGROUND)).astype(
            np.uint8
        )
        labels[outside] = Category.BACKGROUND
        with np.errstate(divide="ignore"):
            depth = np.where(coarse > 0, 1.0 / coarse, np.float32(np.inf)).astype(np.float32)
        return Picture(image, labels, depth, view)

    def _backdrop(self, eye: NDArray[np.float32], p_m: NDArray[np.float32], rng: np.random.Generator):  # type: ignore[no-untyped-def]
        """Light of the scene, and a function that paints what is behind it."""
        middle = 0.5 * (p_m.min(0) + p_m.max(0))
        if self._panoramas and rng.random() < 0.5:
            panorama = load_panorama(self._panoramas[rng.integers(len(self._panoramas))])
            yaw, light = backgrounds.turned_panorama(panorama, rng)

            def paint(ray, eye_m, floor, lit, shadow, contact, lattice, out):  # type: ignore[no-untyped-def]
                # The panorama is laid out around the person.
                backgrounds.paint_panorama(
                    ray, eye_m, floor, panorama.radiance, yaw, lit, shadow, contact, lattice, out
                )

            return light, paint
        if rng.random() < 0.72:
            room, light = backgrounds.sample_room(eye, middle, rng), backgrounds.room_light(rng)

            def paint_room(ray, eye_m, floor, lit, shadow, contact, lattice, out):  # type: ignore[no-untyped-def]
                backgrounds.paint_room(ray, eye_m, floor, room, lit, shadow, contact, lattice, out)

            return light, paint_room
        outdoors, light = backgrounds.sample_outdoors(rng)

        def paint_outdoors(ray, eye_m, floor, lit, shadow, contact, lattice, out):  # type: ignore[no-untyped-def]
            backgrounds.paint_outdoors(ray, eye_m, floor, outdoors, lit, shadow, contact, lattice, out)

        return light, paint_outdoors


def _scene(person: DressedBody, p_m: NDArray[np.float32], solids: occluders.Solids, rng: np.random.Generator):  # type: ignore[no-untyped-def]
    """Person and solids as one geometry, its clipping field, materials and categories."""
    normal = np.empty_like(p_m)
    vertex_normals(p_m, person.faces, normal)
    more_p, more_normal, more_local, more_faces, more_material, more_category = solids.mesh()
    if len(more_p) == 0:
        geometry = Geometry(p_m, normal, person.coordinates_m, person.detail, person.faces, person.material)
        return geometry, person.clip_m, person.materials, person.category
    n_rows = len(person.materials.pattern)
    plain = np.tile(np.float32([1.0, 0.0]), (len(more_p), 1))
    geometry = Geometry(
        np.concatenate([p_m, more_p]), np.concatenate([normal, more_normal]),
        np.concatenate([person.coordinates_m, more_local]), np.concatenate([person.detail, plain]),
        np.concatenate([person.faces, more_faces + np.int32(len(p_m))]),
        np.concatenate([person.material, more_material + np.int32(n_rows)]),
    )  # fmt: skip
    table = material_table(solids.materials, rng)
    materials = type(table)(*(np.concatenate(pair) for pair in zip(person.materials, table, strict=True)))
    clip = np.concatenate([person.clip_m, np.ones(len(more_p), np.float32)])
    return geometry, clip, materials, np.concatenate([person.category, more_category])


def _project(p_m: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Crop pixels and 1/depth; 1/depth is -1 nearer than `NEAR_M`. Shape: (n, 3), float32."""
    matrix = view.matrix
    homogeneous = p_m @ matrix[:, :3].T.astype(np.float32) + matrix[:, 3].astype(np.float32)
    near = homogeneous[:, 2] < NEAR_M
    inverse = np.float32(1.0) / np.where(near, np.float32(1.0), homogeneous[:, 2])
    out = homogeneous * inverse[:, None]
    out[:, 2] = np.where(near, np.float32(-1.0), inverse)
    return np.ascontiguousarray(out, np.float32)


def _doubled(p_px: NDArray[np.float32]) -> NDArray[np.float32]:
    """Positions in a picture of twice the size."""
    return p_px * np.float32([2.0, 2.0, 1.0])


def _outside_frame(view: View) -> NDArray[np.bool_]:
    """Crop pixels that the camera's frame does not reach; trackers see black there. Shape: (size, size)."""
    affine = np.vstack([view.crop_from_frame, [0.0, 0.0, 1.0]])
    inverse = np.linalg.inv(affine)[:2]
    axis = np.arange(view.size_px) + 0.5
    x = inverse[0, 0] * axis[None, :] + inverse[0, 1] * axis[:, None] + inverse[0, 2]
    y = inverse[1, 0] * axis[None, :] + inverse[1, 1] * axis[:, None] + inverse[1, 2]
    k = view.camera.intrinsics
    return (x < 0) | (y < 0) | (x >= k.width_px) | (y >= k.height_px)
