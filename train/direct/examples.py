"""Training examples: crops, labels in the camera of the crop, mirror images."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from engines.features.crop_rays import log_reach, rotation_cam_crop
from engines.preprocess import Roi, image_to_crop, letterbox_roi
from train.direct.augment import BORDERS, Augmentation, choose_region, cut, empty_region, vary
from train.direct.layout import DirectLayout
from train.direct.sources import PictureSource
from train.motion.library import mirror
from train.synth.labels import NOT_THE_PERSON, CameraLabels, EstimatedLabels, Labels
from train.synth.shards import LabelledImage

Array = NDArray[np.float64]

FARTHEST_UV = 3.0
"""Distance from the crop's centre, in half sides, beyond which joints are not supervised."""
SMALLEST_EMPTY_PX = 40
_MIRROR_PELVIS, _MIRROR_CAMERA = np.array([1.0, 1.0, -1.0]), np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True, eq=False)
class DirectBatch:
    """Images and truths as tensors; directions are those of the camera that looks at the crop."""

    image: Tensor
    """Red green blue, bytes. Shape: (n, 3, side, side)."""
    log_reach: Tensor
    """Shape: (n, 1)."""
    R_root: Tensor
    """Pelvis to that camera. Shape: (n, 3, 3)."""
    q: Tensor
    """All coordinates; the root's are in ground, not in the crop. Shape: (n, n_q)."""
    q_weight: Tensor
    """Confidence in each coordinate's label, from 0 to 1. Shape: (n, n_q)."""
    scale_factors: Tensor
    """Shape: (n, n_bodies, 3)."""
    joints_m: Tensor
    """Joint centres from the pelvis. Shape: (n, n_bodies, 3)."""
    markers_m: Tensor
    """Shape: (n, n_markers, 3)."""
    joints_uv: Tensor
    """Joint centres in the crop, whose corners are at -1 and 1. Shape: (n, n_bodies, 2)."""
    joints_uv_weight: Tensor
    """Shape: (n, n_bodies)."""
    R_ground_crop: Tensor
    """Shape: (n, 3, 3)."""
    present: Tensor
    """Whether a person is in the crop; the labels of other crops are ignored. Shape: (n,)."""

    def __len__(self) -> int:
        return len(self.image)

    def to(self, device: torch.device) -> DirectBatch:
        """The batch on another device."""
        moved = {f.name: getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)}
        return DirectBatch(**moved)

    def pin_memory(self) -> DirectBatch:
        """The batch in pinned memory, for faster copies to a GPU."""
        return DirectBatch(**{f.name: getattr(self, f.name).pin_memory() for f in fields(self)})


def collate(samples: list[dict[str, NDArray[np.generic]]]) -> DirectBatch:
    """Stack samples."""
    return DirectBatch(
        **{f.name: torch.from_numpy(np.stack([s[f.name] for s in samples])) for f in fields(DirectBatch)}
    )


class DirectExamples(Dataset[dict[str, NDArray[np.generic]]]):
    """Examples from numbered images; augmentation depends only on the seed and the number of the draw.

    Args:
        source: Source of the images.
        layout: Layout of the outputs.
        side_px: Side of the crops.
        seed: Seed of the augmentation.
        how: Amount of augmentation; None for the tracker's crop without any.
        real: Source of images of real people, which replace a share of the others.
        real_share: Share of images of real people.
    """

    def __init__(
        self,
        source: PictureSource,
        layout: DirectLayout,
        side_px: int,
        seed: int = 0,
        how: Augmentation | None = None,
        *,
        real: PictureSource | None = None,
        real_share: float = 0.0,
    ) -> None:
        self._real, self._real_share = real, real_share if real is not None else 0.0
        self._source, self._layout, self._side_px = source, layout, side_px
        self._seed, self._how = seed, how

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, item: tuple[int, int] | int) -> dict[str, NDArray[np.generic]]:
        """One example: of a image's number, or of a draw's and a image's."""
        draw, index = item if isinstance(item, tuple) else (item, item)
        if self._how is None:
            return example(self._source.picture(index), self._layout, self._side_px)
        rng = np.random.default_rng([self._seed, draw])
        if self._real is not None and rng.random() < self._real_share:
            picture = self._real.picture(int(rng.integers(len(self._real))))
        else:
            picture = self._source.picture(index)
        return example(picture, self._layout, self._side_px, rng, self._how)


def example(
    picture: LabelledImage,
    layout: DirectLayout,
    side_px: int,
    rng: np.random.Generator | None = None,
    how: Augmentation | None = None,
) -> dict[str, NDArray[np.generic]]:
    """The fields of `DirectBatch` for one image.

    Args:
        picture: Image with its labels.
        layout: Layout of the outputs.
        side_px: Side of the crop.
        rng: Random generator; None for the tracker's crop.
        how: Amount of augmentation; used with `rng`.
    """
    how = how or Augmentation()
    camera = picture.labels.camera
    roi = choose_region(_in_frame(picture), camera.width_px, camera.height_px, rng, how)
    is_rendered = _trust(picture.labels) is None  # only there the empty regions are known
    if rng is not None and is_rendered and (roi is None or rng.random() < how.empty):
        vacant = empty_region(~np.isin(picture.labels.category, NOT_THE_PERSON), rng, SMALLEST_EMPTY_PX)
        if vacant is not None:
            image = cut(picture.image, np.eye(2, 3), vacant, side_px)
            return _arrays(picture, layout, None, vary(image, rng, how))
    roi = roi or _whole(camera)
    if rng is None:
        return _arrays(picture, layout, roi, cut(picture.image, camera.crop_from_frame, roi, side_px))
    image = cut(picture.image, camera.crop_from_frame, roi, side_px, BORDERS[rng.integers(len(BORDERS))])
    made = _arrays(picture, layout, roi, vary(image, rng, how))
    return mirrored(made, layout) if rng.random() < how.flip else made


def _in_frame(picture: LabelledImage) -> Array:
    """Joint centres and markers in the camera's frame. Shape: (n, 2)."""
    labels = picture.labels
    stored = np.concatenate([labels.centres_px, labels.markers_px]).astype(np.float64)
    A = labels.camera.crop_from_frame
    return np.asarray((stored - A[:, 2]) @ np.linalg.inv(A[:, :2]).T)


def _arrays(
    picture: LabelledImage, layout: DirectLayout, roi: Roi | None, image: NDArray[np.uint8]
) -> dict[str, NDArray[np.generic]]:
    """All fields, in float32; `roi` is None for a crop without a person."""
    labels = picture.labels
    camera = labels.camera
    looked_at = roi or _whole(camera)
    R_ground_crop = camera.T_ground_cam[:3, :3] @ _rotation_cam_crop(looked_at, camera)
    T_pelvis = labels.T_ground_body[layout.skeleton.body_index("pelvis")]
    uv = _in_frame(picture)[: layout.skeleton.n_bodies]
    uv = 2.0 * image_to_crop(uv, looked_at, 1) - 1.0
    asked = np.asarray((np.abs(np.nan_to_num(uv, nan=np.inf)) < FARTHEST_UV).all(1))
    values = {
        "log_reach": np.array([log_reach(looked_at, camera.fx, camera.fy)]),
        "R_root": R_ground_crop.T @ T_pelvis[:3, :3],
        "q": labels.q,
        "q_weight": np.ones(len(labels.q)) if (weight := _trust(labels)) is None else weight,
        "scale_factors": labels.scale_factors,
        "joints_m": (labels.centres_m - T_pelvis[:3, 3]) @ R_ground_crop,
        "markers_m": (labels.markers_m - T_pelvis[:3, 3]) @ R_ground_crop,
        "joints_uv": np.where(asked[:, None], uv, 0.0),
        "joints_uv_weight": asked.astype(np.float64),
        "R_ground_crop": R_ground_crop,
        "present": np.array(0.0 if roi is None else 1.0),
    }
    arrays: dict[str, NDArray[np.generic]] = {k: v.astype(np.float32) for k, v in values.items()}
    return arrays | {"image": np.ascontiguousarray(image.transpose(2, 0, 1))}


def _trust(labels: Labels) -> Array | None:
    """Confidence in an estimator's coordinates; None for exact labels. Shape: (n_q,)."""
    return labels.q_weight if isinstance(labels, EstimatedLabels) else None


def _whole(camera: CameraLabels) -> Roi:
    return letterbox_roi(camera.width_px, camera.height_px)


def _rotation_cam_crop(roi: Roi, camera: CameraLabels) -> Array:
    return rotation_cam_crop(roi, camera.fx, camera.fy, camera.cx, camera.cy)


def mirrored(example: dict[str, NDArray[np.generic]], layout: DirectLayout) -> dict[str, NDArray[np.generic]]:
    """The mirrored example: left and right are swapped in the image and the labels."""
    value = {name: np.asarray(array) for name, array in example.items()}
    body, marker = layout.mirrored_body, layout.mirrored_marker
    flip = _MIRROR_CAMERA.astype(np.float32)
    value["image"] = np.ascontiguousarray(value["image"][:, :, ::-1])
    value["R_root"] = flip[:, None] * value["R_root"] * _MIRROR_PELVIS.astype(np.float32)
    value["q"] = mirror(layout.skeleton, value["q"]).astype(np.float32)
    value["q_weight"] = np.abs(mirror(layout.skeleton, value["q_weight"])).astype(np.float32)
    value["scale_factors"] = value["scale_factors"][body]
    value["joints_m"] = value["joints_m"][body] * flip
    value["markers_m"] = value["markers_m"][marker] * flip
    value["joints_uv"] = value["joints_uv"][body] * flip[:2]
    value["joints_uv_weight"] = value["joints_uv_weight"][body]
    value["R_ground_crop"] = _MIRROR_PELVIS.astype(np.float32)[:, None] * value["R_ground_crop"] * flip
    return value
