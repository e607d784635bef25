"""A second look at the image where limbs end and bend: the patch network behind BlazePose.

Its points follow BlazePose's landmarks in the arrays of a result, each with the depth, the visibility and the
presence of its landmark (`engines.features.patches`), and with a standard deviation of its own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.tracker import BlazePoseResult
from engines.features.patches import (
    MAX_POINTS,
    N_PATCHES,
    PATCH_PX,
    POINT_LANDMARK,
    POINT_PATCH,
    POINT_SLOT,
    cut_patches,
    patch_context,
    patch_rois,
    points_to_image,
)
from engines.runtimes.openvino_engine import OpenvinoEngine
from engines.spec import load_spec

Image = NDArray[np.uint8]


class PatchNetwork:
    """Finds joint centres and markers around feet, knees, elbows and wrists.

    Args:
        model_path: ONNX file of the network, with its spec beside it.

    Raises:
        EngineError: the network cannot be read.
    """

    def __init__(self, model_path: Path) -> None:
        load_spec(model_path)
        self._engine = OpenvinoEngine(model_path, n_threads=1)
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
        np.multiply(self._patches[..., ::-1].transpose(0, 3, 1, 2), np.float32(1.0 / 255.0), out=pixels)
        context[:] = patch_context(seen.landmarks_px, seen.visibility * seen.presence, rois)
        (found,) = self._engine.infer()
        found = found.reshape(N_PATCHES, MAX_POINTS, 3)[POINT_PATCH, POINT_SLOT].astype(np.float64)
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
