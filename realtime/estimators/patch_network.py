"""A second look at the image where limbs end and bend: the patch network behind BlazePose.

Its points follow BlazePose's landmarks in the arrays of a result, each with the depth, the visibility and the
presence of its landmark (`engines.features.patches`), and with a standard deviation of its own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.skeleton import Skeleton
from engines.blazepose.tracker import BlazePoseResult
from engines.errors import EngineError
from engines.features.patches import (
    INPUTS,
    N_PATCHES,
    PATCH_PX,
    POINT_LANDMARK,
    POINT_PATCH,
    POINT_SLOT,
    cut_patches,
    fill_pixels,
    is_patch_network,
    patch_context,
    patch_rois,
    points_to_image,
)
from engines.selection import FASTEST, EngineChoice, open_network

Image = NDArray[np.uint8]


class PatchNetwork:
    """Finds joint centres and markers around feet, knees, elbows and wrists.

    Args:
        skeleton: Skeleton that the network was trained with.
        model_path: ONNX file of the network, with its spec beside it.
        choice: Choice among the engines built of the network.

    Raises:
        EngineError: the network cannot be read, is not one of patches, or belongs to another skeleton.
    """

    def __init__(self, skeleton: Skeleton, model_path: Path, choice: EngineChoice = FASTEST) -> None:
        loaded = open_network(model_path, choice, n_threads=1)
        self._engine, self.description = loaded.engine, loaded.description
        n_at_once = len(self._engine.inputs[0])
        if not is_patch_network(loaded.spec) or n_at_once != N_PATCHES:
            names = tuple(tensor.name for tensor in loaded.spec.inputs)
            raise EngineError(
                f"{model_path}: no patch network: it takes {', '.join(names)}, {n_at_once} at a time; "
                f"accepted: networks of kinecast train patches, {N_PATCHES} patches at a time",
                name="model_path", value=names, accepted=tuple(tensor.name for tensor in INPUTS),
            )  # fmt: skip
        loaded.spec.check_skeleton(skeleton.coordinate_names, skeleton.sha)
        self._patches = np.empty((N_PATCHES, PATCH_PX, PATCH_PX, 3), np.uint8)

    def look(self, image: Image, seen: BlazePoseResult) -> BlazePoseResult:
        """The landmarks of a frame, followed by the points.

        Args:
            image: BGR image. Shape: (height, width, 3).
            seen: The landmarks of the frame.
        """
        rois = patch_rois(seen.landmarks_px, seen.roi)
        cut_patches(image, rois, self._patches)
        pixels, context = self._engine.inputs
        fill_pixels(self._patches, pixels)
        context[:] = patch_context(seen.landmarks_px, seen.visibility * seen.presence, rois)
        (found,) = self._engine.infer()
        found = found[POINT_PATCH, POINT_SLOT].astype(np.float64)
        sides_px = np.array([roi.size_px for roi in rois])[POINT_PATCH]
        points_px = seen.landmarks_px[POINT_LANDMARK].copy()
        points_px[:, :2] = points_to_image(found[:, :2], rois)
        return replace(
            seen,
            landmarks_px=np.concatenate([seen.landmarks_px, points_px]),
            world_m=np.concatenate([seen.world_m, seen.world_m[POINT_LANDMARK]]),
            visibility=np.concatenate([seen.visibility, seen.visibility[POINT_LANDMARK]]),
            presence=np.concatenate([seen.presence, seen.presence[POINT_LANDMARK]]),
            points_sigma_px=found[:, 2] * sides_px,
        )
