"""Patches of synthetic people's images with the truth in them: training data of the patch network."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.kinematics import joint_centres, marker_positions
from calib.skeleton import Skeleton
from engines.features.patches import (
    INPUTS,
    MAX_POINTS,
    N_CONTEXT,
    N_PATCHES,
    PATCH_PX,
    POINT_NAMES,
    POINT_PATCH,
    POINT_SLOT,
    cut_patches,
    fill_pixels,
    patch_context,
    patch_rois,
    points_to_patches,
)
from engines.preprocess import Roi
from train.blazepose.data import Image, LiftData, data_files
from train.blazepose.pictures import read_images

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

MARGIN_PX = 4
"""Stored around each patch, so that training can shift it."""
STORED_PX = PATCH_PX + 2 * MARGIN_PX


@dataclass(frozen=True, slots=True, eq=False)
class PatchData:
    """Patches with the truth, a row for each image."""

    patches: Image
    """BGR. Shape: (n, N_PATCHES, STORED_PX, STORED_PX, 3)."""
    context: Floats
    """Shape: (n, N_PATCHES, N_CONTEXT)."""
    truth: Floats
    """x, y from the centre, in sides of the patch. Shape: (n, N_PATCHES, MAX_POINTS, 2)."""
    adult: NDArray[np.int32]
    """Shape: (n,)."""

    def __len__(self) -> int:
        return len(self.adult)

    def rows(self, mask: NDArray[np.bool_] | NDArray[np.int64] | slice) -> PatchData:
        """Select images."""
        return PatchData(**{f.name: getattr(self, f.name)[mask] for f in fields(self)})


def true_points_px(data: LiftData, skeleton: Skeleton, row: int) -> Array:
    """Where the points of `POINT_NAMES` are in an image. Shape: (N_POINTS, 2)."""
    q, factors = data.q[row].astype(np.float64), data.scale_factors[row].astype(np.float64)
    R = data.R_ground_cam[row].astype(np.float64)
    centres_m = joint_centres(skeleton, q, factors)
    eye_m = (centres_m - data.centres_cam_m[row] @ R.T).mean(0)
    rows = [skeleton.marker_index(name) for name in POINT_NAMES]
    p_m = (marker_positions(skeleton, q, factors)[rows] - eye_m) @ R
    focal_px, *principal_px = data.camera[row].tolist()
    uv_px = p_m[:, :2] / p_m[:, 2:] * focal_px + principal_px
    uv_px[p_m[:, 2] < 0.1] = np.nan
    return np.asarray(uv_px)


def cut_file(path: Path, skeleton: Skeleton) -> PatchData:
    """The patches of one file of lift data with images."""
    data = LiftData.load_file(path)
    n = len(data)
    cut = PatchData(
        np.empty((n, N_PATCHES, STORED_PX, STORED_PX, 3), np.uint8),
        np.empty((n, N_PATCHES, N_CONTEXT), np.float32),
        np.full((n, N_PATCHES, MAX_POINTS, 2), np.nan, np.float32),
        data.adult,
    )
    for row, image in enumerate(read_images(path)):
        landmarks_px, roi = data.landmarks_px[row].astype(np.float64), Roi(*data.roi[row].tolist())
        rois = patch_rois(landmarks_px, roi)
        cut_patches(image, [one.enlarged(STORED_PX / PATCH_PX) for one in rois], cut.patches[row])
        visible = (data.visibility[row] * data.presence[row]).astype(np.float64)
        cut.context[row] = patch_context(landmarks_px, visible, rois)
        truth = points_to_patches(true_points_px(data, skeleton, row), rois)
        cut.truth[row, POINT_PATCH, POINT_SLOT] = truth
    return cut


def network_inputs(folders: list[Path], skeleton: Skeleton, n: int) -> dict[str, Floats]:
    """Patches of some images as the network takes them, spread over all files.

    Args:
        folders: Folders of lift data.
        skeleton: Skeleton of kinecast.
        n: Number of patches.

    Returns:
        By name of the input (`engines.features.patches.INPUTS`). Shapes: (n, ...).

    Raises:
        TrainError: a folder holds no data, or its images are missing.
    """
    paths = [path for folder in folders for path in data_files(folder)]
    n_images = -(-n // (N_PATCHES * len(paths)))
    inner = slice(MARGIN_PX, -MARGIN_PX)
    pixels, contexts = [], []
    for path in paths:
        cut = cut_file(path, skeleton)
        cut = cut.rows(np.unique(np.linspace(0, len(cut) - 1, n_images).astype(int)))
        patches = cut.patches[:, :, inner, inner].reshape(-1, PATCH_PX, PATCH_PX, 3)
        pixels.append(np.empty((len(patches), *INPUTS[0].shape), np.float32))
        fill_pixels(patches, pixels[-1])
        contexts.append(cut.context.reshape(-1, N_CONTEXT))
    # Or else every part of them that is evenly spread could show the same limbs.
    order = np.random.default_rng(0).permutation(sum(map(len, contexts)))[:n]
    arrays = (np.concatenate(pixels)[order], np.concatenate(contexts)[order])
    return {tensor.name: array for tensor, array in zip(INPUTS, arrays, strict=True)}


def cut_folders(folders: list[Path], skeleton: Skeleton) -> PatchData:
    """The patches of all files of some folders of lift data.

    Raises:
        TrainError: a folder holds no data, or its images are missing.
    """
    paths = [path for folder in folders for path in data_files(folder)]
    parts = [cut_file(path, skeleton) for path in paths]
    return PatchData(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(PatchData)}
    )
