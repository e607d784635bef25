"""Runs the direct network on a region of an image and turns its output into the camera's directions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.camera import Intrinsics
from calib.coordinates import PELVIS_ROTATIONS
from calib.skeleton import Skeleton
from engines.features.crop_rays import log_reach, rotation_cam_crop
from engines.features.direct_outputs import check_direct_network
from engines.preprocess import Roi, averaged_crop, crop_to_image
from engines.selection import FASTEST, EngineChoice, open_network

Array = NDArray[np.float64]

MIN_ROI_PX = 12.0


@dataclass(frozen=True, slots=True, eq=False)
class DirectAnswer:
    """Output of the network for one region; directions are the camera's."""

    R_cam_pelvis: Array
    """Rotation from pelvis to camera. Shape: (3, 3)."""
    q: Array
    """Coordinates in rad; NaN for those of the root. Shape: (n_q,)."""
    sigma: Array
    """Standard deviations in rad; NaN for the root's translations. Shape: (n_q,)."""
    confidence: Array
    """Confidence, from 0 to 1. Shape: (n_q,)."""
    scale_factors: Array
    """OpenSim scale factors. Shape: (n_bodies, 3)."""
    joints_cam_m: Array
    """Joint centres from the pelvis. Shape: (n_bodies, 3)."""
    markers_cam_m: Array
    """Markers from the pelvis. Shape: (n_markers, 3)."""
    joints_px: Array
    """Joint centres in the image. Shape: (n_bodies, 2)."""
    is_in_crop: NDArray[np.bool_]
    """Which of these lie in the region. Shape: (n_bodies,)."""
    presence: float
    """Probability that the region shows a person."""
    roi: Roi


class DirectNetwork:
    """The exported network, with its crop and its coordinate frames.

    Args:
        skeleton: Skeleton that the network was trained with.
        intrinsics: Intrinsics of the camera.
        model_path: ONNX file of the network, with its spec beside it, or the folder of an engine.
        choice: Choice among the engines built of the network.

    Raises:
        EngineError: the network cannot be read, is not a direct one, or belongs to another skeleton.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        intrinsics: Intrinsics,
        model_path: Path,
        choice: EngineChoice = FASTEST,
    ) -> None:
        loaded = open_network(model_path, choice)
        spec, self._engine, self.description = loaded.spec, loaded.engine, loaded.description
        check_direct_network(spec, model_path)
        spec.check_skeleton(skeleton.coordinate_names, skeleton.sha)
        self._side_px = spec.inputs[0].shape[0]
        self._k = intrinsics
        self._index = np.array([skeleton.coordinate_index(n) for n in spec.coordinate_names])
        self._root = np.array([skeleton.coordinate_index(n) for n in PELVIS_ROTATIONS])
        self._n_q = skeleton.n_q
        self._twice = np.empty((2 * self._side_px, 2 * self._side_px, 3), np.uint8)

    def look(self, image: NDArray[np.uint8], roi: Roi) -> DirectAnswer | None:
        """Look at one region.

        Args:
            image: Image in BGR. Shape: (height, width, 3).
            roi: Region to look at.

        Returns:
            The answer, whatever the presence, or None where the region is too small to look at.
        """
        if not (np.isfinite(roi.size_px) and roi.size_px >= MIN_ROI_PX):
            return None
        k = self._k
        averaged_crop(image, roi, scratch=self._twice, out=self._engine.inputs[0][0])
        self._engine.inputs[1][0, 0] = log_reach(roi, k.fx, k.fy)
        R_crop_pelvis, q, sigma, confidence, scale, joints, markers, uv, presence = (
            output[0].astype(np.float64) for output in self._engine.infer()
        )
        R_cam_crop = rotation_cam_crop(roi, k.fx, k.fy, k.cx, k.cy)
        return DirectAnswer(
            R_cam_pelvis=R_cam_crop @ R_crop_pelvis,
            q=self._spread(q, np.nan, np.nan),
            sigma=self._spread(sigma[:-1], sigma[-1], np.nan),
            confidence=self._spread(confidence[:-1], confidence[-1], float(presence)),
            scale_factors=scale,
            joints_cam_m=joints @ R_cam_crop.T,
            markers_cam_m=markers @ R_cam_crop.T,
            joints_px=crop_to_image(0.5 * (uv + 1.0), roi, 1),
            is_in_crop=(np.abs(uv) < 1.0).all(1),
            presence=float(presence),
            roi=roi,
        )

    def _spread(self, values: Array, root: float, elsewhere: float) -> Array:
        out = np.full(self._n_q, elsewhere)
        out[self._index] = values
        out[self._root] = root
        return out
