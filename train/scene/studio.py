"""One image of one person, end to end: posed mesh, furniture, light, background, webcam, labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.bodies.mesh import bounds, vertex_normals
from train.bodies.skinning import skin
from train.clothing.garments import Category
from train.clothing.materials import MaterialTable, material_table
from train.clothing.noise import noise_lattice
from train.clothing.outfits import DressedBody
from train.scene import occluders
from train.scene.backgrounds import Backdrop, sample_backdrop
from train.scene.cameras import Framing, View, sample_view
from train.scene.environment import panorama_files
from train.scene.ground import Ground, contact_map
from train.scene.lighting import ShadowMap, occlusion_taps, screen_occlusion, shadow_map
from train.scene.occluders import Solids
from train.scene.raster import rasterise
from train.scene.shading import Geometry, Stage, shade
from train.scene.webcam import Webcam, expose, sample_webcam

NEAR_M = 0.05
_OCCLUSION_RADIUS_M = 0.14
_DESK_ODDS = 0.6
_FURNITURE_ODDS = 0.5
_OCCLUDER_ODDS = 0.14


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A rendered sample."""

    image: NDArray[np.uint8]
    """Red green blue. Shape: (size, size, 3)."""
    category: NDArray[np.uint8]
    """`train.clothing.garments.Category` of each pixel. Shape: (size, size)."""
    depth_m: NDArray[np.float32]
    """Distance along the camera's axis, inf where nothing stands. Shape: (size, size)."""
    view: View

    def visible(
        self, p_ground: NDArray[np.float64], thickness_m: NDArray[np.float64] | float = 0.12
    ) -> NDArray[np.bool_]:
        """Which points inside the person are seen: in the frame, nothing nearer than the flesh around.

        Args:
            p_ground: Points, e.g. joint centres. Shape: (n, 3).
            thickness_m: Greatest depth of a point under the skin. Shape: (n,) or one number.

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


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everything of an image or clip but the person."""

    view: View
    backdrop: Backdrop
    solids: Solids
    solid_materials: MaterialTable
    floor_y_m: float
    webcam: Webcam
    shadow_blur_px: float
    background_blur_px: float


class Studio:
    """Renders dressed bodies; holds buffers, so one per process or thread."""

    def __init__(self, *, size_px: int = 256, panorama_folder: Path | None = None) -> None:
        """Set up buffers.

        Args:
            size_px: Width and height of the images.
            panorama_folder: Folder of .hdr panoramas; without it all backgrounds are procedural.

        Raises:
            TrainError: the folder holds no panoramas.
        """
        self.size_px = size_px
        self.lattice = noise_lattice()
        self._taps = occlusion_taps()
        self._panoramas = panorama_files(panorama_folder)
        fine = (2 * size_px, 2 * size_px)
        self._inverse_depth, self._face_id = np.empty(fine, np.float32), np.empty(fine, np.int32)
        self._occlusion = np.empty((size_px, size_px), np.float32)
        self._shaded = np.empty((size_px, size_px, 4), np.float32)
        self._background = np.zeros((size_px, size_px, 3), np.float32)

    def sample_scene(
        self,
        person: DressedBody,
        node_transforms: NDArray[np.float32],
        rng: np.random.Generator,
        *,
        seated: bool = False,
        floor_y_m: float | None = None,
        framing: Framing | None = None,
    ) -> Scene:
        """A random place and camera for a person in a pose.

        Args:
            person: Dressed body.
            node_transforms: Node transforms of its rig in this pose. Shape: (n_nodes, 3, 4), float32.
            rng: Source of chance.
            seated: Whether a seat is put under the person.
            floor_y_m: Height of the floor; None for the lowest point of the person. Soles that reach lower
                push it down.
            framing: Framing of the camera; None for any.
        """
        p_m = posed(person, node_transforms)
        anchors = person.place_anchors(node_transforms)
        low, high = bounds(p_m)
        floor = float(low[1]) if floor_y_m is None else min(floor_y_m, float(low[1]))
        view = sample_view(anchors, floor, rng, size_px=self.size_px, framing=framing)
        eye = view.camera.T_ground_cam[:3, 3]
        solids = Solids()
        if seated:
            occluders.seat(solids, anchors, person.seat_height_m(p_m), floor, rng)
            if view.framing is Framing.WEBCAM and rng.random() < _DESK_ODDS:
                occluders.desk(solids, eye, anchors, floor, rng)
        if rng.random() < _FURNITURE_ODDS:
            occluders.behind(solids, eye, anchors, floor, rng)
        if rng.random() < _OCCLUDER_ODDS:
            occluders.in_the_way(solids, eye, anchors, rng)
        backdrop = sample_backdrop(self._panoramas, eye, 0.5 * (low + high).astype(np.float64), rng)
        return Scene(
            view, backdrop, solids, material_table(solids.materials, rng), floor, sample_webcam(rng),
            float(rng.uniform(0.6, 2.2)), float(rng.uniform(0.35, 1.1)),
        )  # fmt: skip

    def render(
        self,
        scene: Scene,
        person: DressedBody,
        node_transforms: NDArray[np.float32],
        rng: np.random.Generator,
        *,
        view: View | None = None,
    ) -> Picture:
        """Photograph a person.

        Args:
            scene: Place, light and camera.
            person: Dressed body.
            node_transforms: Node transforms of its rig in this pose. Shape: (n_nodes, 3, 4), float32.
            rng: Source of the camera's noise.
            view: View in place of the scene's, e.g. to follow a moving person.
        """
        view = scene.view if view is None else view
        p_m = posed(person, node_transforms)
        geometry, clip, materials, category = _scene_geometry(scene, person, p_m)
        p_px = doubled(project(geometry.p_m, view))
        rasterise(p_px, geometry.faces, clip, self._inverse_depth, self._face_id)
        light, eye = scene.backdrop.light, view.camera.T_ground_cam[:3, 3].astype(np.float32)
        shadow = shadow_map(geometry.p_m, geometry.faces, clip, light.sun_direction, scene.shadow_blur_px)
        coarse = self._inverse_depth[::2, ::2].copy()
        screen_occlusion(coarse, _OCCLUSION_RADIUS_M, view.focal_px, self._taps, self._occlusion)
        stage = Stage(
            geometry, p_px, materials, person.paint, light, shadow, eye, view.focal_px, self.lattice
        )
        shade(self._face_id, self._inverse_depth, stage, self._occlusion, self._shaded)
        outside = outside_frame(view)
        self._paint_background(scene, view, p_m, shadow, outside)
        behind = np.asarray(cv2.GaussianBlur(self._background, (0, 0), scene.background_blur_px), np.float32)
        linear = np.empty_like(self._background)
        _compose(self._shaded, behind, outside, linear)
        image = expose(linear, scene.webcam, view.scale, rng)
        image[outside] = 0
        return Picture(image, self._labels(category, outside), _depth_m(coarse), view)

    def shoot(
        self,
        person: DressedBody,
        node_transforms: NDArray[np.float32],
        rng: np.random.Generator,
        *,
        seated: bool = False,
        floor_y_m: float | None = None,
        framing: Framing | None = None,
    ) -> Picture:
        """`sample_scene`, then `render`."""
        scene = self.sample_scene(
            person, node_transforms, rng, seated=seated, floor_y_m=floor_y_m, framing=framing
        )
        return self.render(scene, person, node_transforms, rng)

    def _paint_background(
        self,
        scene: Scene,
        view: View,
        p_m: NDArray[np.float32],
        shadow: ShadowMap,
        outside: NDArray[np.bool_],
    ) -> None:
        """Fill `_background` where it can be seen; it is blurred later, so also a little under edges."""
        covered = (self._shaded[..., 3] > 0.999).astype(np.uint8)
        step = scene.backdrop.coarseness
        needed = (cv2.erode(covered, np.ones((9, 9), np.uint8)) == 0) & ~outside
        canvas = self._background
        if step > 1:
            needed = cv2.dilate(needed.astype(np.uint8), np.ones((5, 5), np.uint8))[::step, ::step] > 0
            canvas = np.empty((*needed.shape, 3), np.float32)
        canvas[:] = 0.0
        ground = Ground(scene.floor_y_m, scene.backdrop.light, shadow, contact_map(p_m, scene.floor_y_m))
        ray = np.linalg.inv(view.matrix[:, :3]) @ np.diag([step, step, 1.0])
        eye = view.camera.T_ground_cam[:3, 3].astype(np.float32)
        scene.backdrop.paint(
            ray.astype(np.float32), eye, scene.backdrop.place, ground, self.lattice, needed, canvas
        )
        if step > 1:
            size = (self.size_px, self.size_px)
            cv2.resize(canvas, size, dst=self._background, interpolation=cv2.INTER_LINEAR)

    def _labels(self, category: NDArray[np.uint8], outside: NDArray[np.bool_]) -> NDArray[np.uint8]:
        seen = self._face_id[::2, ::2]
        labels = np.where(seen >= 0, category[np.maximum(seen, 0)], np.uint8(Category.BACKGROUND))
        labels[outside] = Category.BACKGROUND
        return labels.astype(np.uint8)


@njit(cache=True, nogil=True)
def _compose(
    shaded: NDArray[np.float32],
    behind: NDArray[np.float32],
    outside: NDArray[np.bool_],
    out: NDArray[np.float32],
) -> None:
    """Premultiplied foreground over background; black outside the frame."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            rest = 1.0 - shaded[y, x, 3]
            for k in range(3):
                out[y, x, k] = 0.0 if outside[y, x] else shaded[y, x, k] + rest * behind[y, x, k]


def posed(person: DressedBody, node_transforms: NDArray[np.float32]) -> NDArray[np.float32]:
    """The dressed body's vertices in a pose, in m. Shape: (n_vertices, 3)."""
    p_m = np.empty_like(person.rest_m)
    skin(person.rest_m, person.node_index, person.node_weight, node_transforms, p_m)
    return p_m


def _scene_geometry(
    scene: Scene, person: DressedBody, p_m: NDArray[np.float32]
) -> tuple[Geometry, NDArray[np.float32], MaterialTable, NDArray[np.uint8]]:
    """Person and solids as one geometry, its clipping field, materials and categories."""
    normal = np.empty_like(p_m)
    vertex_normals(p_m, person.faces, normal)
    more_p, more_normal, more_local, more_faces, more_material, more_category = scene.solids.mesh()
    if len(more_p) == 0:
        geometry = Geometry(p_m, normal, person.coordinates_m, person.detail, person.faces, person.material)
        return geometry, person.clip_m, person.materials, person.category
    n_rows = len(person.materials.pattern)
    plain = np.tile(np.array([1.0, 0.0], np.float32), (len(more_p), 1))
    geometry = Geometry(
        np.concatenate([p_m, more_p]), np.concatenate([normal, more_normal]),
        np.concatenate([person.coordinates_m, more_local]), np.concatenate([person.detail, plain]),
        np.concatenate([person.faces, more_faces + np.int32(len(p_m))]),
        np.concatenate([person.material, more_material + np.int32(n_rows)]),
    )  # fmt: skip
    table = scene.solid_materials
    materials = MaterialTable(*(np.concatenate(pair) for pair in zip(person.materials, table, strict=True)))
    clip = np.concatenate([person.clip_m, np.ones(len(more_p), np.float32)])
    return geometry, clip, materials, np.concatenate([person.category, more_category])


def project(p_m: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Crop pixels and 1/depth; 1/depth is -1 nearer than `NEAR_M`. Shape: (n, 3), float32."""
    matrix = view.matrix
    homogeneous = p_m @ matrix[:, :3].T.astype(np.float32) + matrix[:, 3].astype(np.float32)
    near = homogeneous[:, 2] < NEAR_M
    inverse = np.float32(1.0) / np.where(near, np.float32(1.0), homogeneous[:, 2])
    out = homogeneous * inverse[:, None]
    out[:, 2] = np.where(near, np.float32(-1.0), inverse)
    return np.ascontiguousarray(out, np.float32)


def doubled(p_px: NDArray[np.float32]) -> NDArray[np.float32]:
    """Positions in an image of twice the size."""
    return p_px * np.array([2.0, 2.0, 1.0], np.float32)


def outside_frame(view: View) -> NDArray[np.bool_]:
    """Crop pixels that the camera's frame does not reach; trackers see black there. Shape: (size, size)."""
    affine = np.vstack([view.crop_from_frame, [0.0, 0.0, 1.0]])
    inverse = np.linalg.inv(affine)[:2]
    axis = np.arange(view.size_px) + 0.5
    x = inverse[0, 0] * axis[None, :] + inverse[0, 1] * axis[:, None] + inverse[0, 2]
    y = inverse[1, 0] * axis[None, :] + inverse[1, 1] * axis[:, None] + inverse[1, 2]
    k = view.camera.intrinsics
    return (x < 0) | (y < 0) | (x >= k.width_px) | (y >= k.height_px)


def _depth_m(inverse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(inverse_depth > 0, 1.0 / np.maximum(inverse_depth, 1e-9), np.inf).astype(np.float32)
