"""Patches of the image: what is cut out, and the way back, by their symmetries and by OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engines.blazepose.pose_landmark import N_LANDMARKS, PoseLandmark
from engines.features.landmarks import MIRRORED
from engines.features.patches import (
    N_PATCHES,
    N_POINTS,
    PATCH_PX,
    POINT_LANDMARK,
    POINT_NAMES,
    POINT_PATCH,
    cut_patches,
    patch_context,
    patch_rois,
    points_to_image,
    points_to_patches,
)
from engines.preprocess import Roi

WIDTH_PX, HEIGHT_PX = 400, 300


def landmarks(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform((80.0, 60.0), (320.0, 240.0), (N_LANDMARKS, 2))


def smooth_image(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (HEIGHT_PX, WIDTH_PX, 3))
    return cv2.GaussianBlur(noise.astype(np.uint8), (0, 0), 4.0)


@pytest.mark.parametrize("rotation_rad", [0.0, 0.4])
def test_points_come_back(rotation_rad: float) -> None:
    rois = patch_rois(landmarks(1), Roi(200.0, 150.0, 260.0, rotation_rad))
    points_px = np.random.default_rng(2).uniform(50, 250, (N_POINTS, 2))
    at = points_to_patches(points_px, rois)
    assert np.abs(points_to_image(at, rois) - points_px).max() < 1e-9
    centres_px = np.array([[roi.centre_x_px, roi.centre_y_px] for roi in rois])
    assert np.abs(points_to_patches(centres_px[POINT_PATCH], rois)).max() < 1e-9


def test_points_are_where_the_patch_shows_them() -> None:
    """A bright dot at each point's place is the brightest pixel of its patch, left patches mirrored."""
    rois = patch_rois(landmarks(3), Roi(200.0, 150.0, 300.0, 0.3))
    # A region of the patch's own resolution, so that one pixel is one pixel.
    for point in range(N_POINTS):
        at = np.zeros((N_POINTS, 2))
        at[point] = (0.2, -0.1)
        x, y = points_to_image(at, rois)[point]
        image = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
        cv2.circle(image, (round(x), round(y)), 2, (255, 255, 255), -1)
        patches = np.empty((N_PATCHES, PATCH_PX, PATCH_PX, 3), np.uint8)
        cut_patches(image, rois, patches)
        shown = patches[POINT_PATCH[point]].astype(float).sum(-1)
        row, column = np.array(np.meshgrid(*(np.arange(PATCH_PX),) * 2, indexing="ij")).reshape(2, -1) @ (
            shown.ravel() / shown.sum()
        )
        expected = (0.5 + np.array([0.2, -0.1])) * PATCH_PX
        assert np.hypot(column - expected[0], row - expected[1]) < 2.0, POINT_NAMES[point]


def test_the_mirrored_image_swaps_the_patches_of_both_sides() -> None:
    marks_px, image, roi = landmarks(4), smooth_image(4), Roi(200.0, 150.0, 300.0, 0.2)
    mirrored_px = marks_px[MIRRORED].copy()
    # The centre of pixel x lies at x in both images; a crop is cut about n / 2, half a pixel further.
    mirrored_px[:, 0] = WIDTH_PX - mirrored_px[:, 0]
    mirrored_roi = Roi(WIDTH_PX - 200.0, 150.0, 300.0, -0.2)
    both = []
    for image_, px, roi_ in (
        (image, marks_px, roi),
        (np.ascontiguousarray(image[:, ::-1]), mirrored_px, mirrored_roi),
    ):
        rois = patch_rois(px, roi_)
        patches = np.empty((N_PATCHES, PATCH_PX, PATCH_PX, 3), np.uint8)
        cut_patches(image_, rois, patches)
        visibility = np.linspace(0.1, 1.0, N_LANDMARKS)
        seen = visibility if px is marks_px else visibility[MIRRORED]
        both.append((patches, patch_context(px, seen, rois)))
    swapped = np.arange(N_PATCHES).reshape(-1, 2)[:, ::-1].ravel()
    difference = np.abs(both[0][0].astype(int) - both[1][0][swapped].astype(int))
    assert difference.mean() < 6.0  # half a pixel of a smooth image
    assert np.abs(both[0][1] - both[1][1][swapped]).max() < 1e-5


def test_large_regions_are_averaged() -> None:
    """A checkerboard of single pixels, four pixels of which make one of the patch, is grey."""
    image = (np.indices((600, 600)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, -1)
    marks_px = np.full((N_LANDMARKS, 2), 300.0)
    foot = Roi(300.0, 300.0, 4.0 * PATCH_PX / 0.19)
    patches = np.empty((N_PATCHES, PATCH_PX, PATCH_PX, 3), np.uint8)
    cut_patches(image, patch_rois(marks_px, foot), patches)
    assert abs(float(patches[0].mean()) - 127.5) < 3.0
    assert float(patches[0].std()) < 40.0


def test_every_right_landmark_of_a_patch_is_a_right_one() -> None:
    for point, name in enumerate(POINT_NAMES):
        assert PoseLandmark(int(POINT_LANDMARK[point])).name.startswith("RIGHT" if name[0] == "R" else "LEFT")
