"""Crops against OpenCV's own constructions, and the way back against the way there."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.preprocess import (
    Border,
    Roi,
    crop,
    crop_matrix,
    crop_to_image,
    image_to_crop,
    letterbox_roi,
    to_rgb_float,
)

ROIS = [
    Roi(320.0, 240.0, 400.0),
    Roi(100.5, 300.25, 380.0, 0.4),
    Roi(600.0, 20.0, 900.0, -2.5),
    Roi(320.0, 240.0, 90.0, math.pi / 2),
]

finite = st.floats(-2000.0, 2000.0)
rois = st.builds(Roi, finite, finite, st.floats(1.0, 4000.0), st.floats(-7.0, 7.0))


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Smooth, so that resampling differences stay small, and different in every channel and corner."""
    y, x = np.mgrid[0:480, 0:640].astype(np.float64)
    channels = [
        127 + 120 * np.sin(x / 31.0),
        127 + 120 * np.cos(y / 27.0),
        127 + 120 * np.sin((x + y) / 53.0),
    ]
    return np.stack(channels, -1).astype(np.uint8)


@pytest.mark.parametrize("border", list(Border))
@pytest.mark.parametrize("roi", ROIS)
def test_crop_is_opencvs_warp_of_the_rotated_rectangle(picture: np.ndarray, roi: Roi, border: Border) -> None:
    box = cv2.boxPoints(
        (
            (roi.centre_x_px, roi.centre_y_px),
            (roi.size_px, roi.size_px),
            math.degrees(roi.rotation_rad),
        )
    )
    bottom_left_first = np.array([[0, 256], [0, 0], [256, 0], [256, 256]], np.float32)
    expected = cv2.warpPerspective(
        picture,
        cv2.getPerspectiveTransform(_from_bottom_left(box, roi), bottom_left_first),
        (256, 256),
        borderMode=int(border),
    )
    difference = np.abs(crop(picture, roi, 256, border=border).astype(int) - expected)
    assert np.percentile(difference, 99) <= 3


def _from_bottom_left(box: np.ndarray, roi: Roi) -> np.ndarray:
    """OpenCV's corners, starting at the region's own bottom left whatever version gave them."""
    corner = np.array([-1.0, 1.0]) * roi.size_px / 2
    c, s = math.cos(roi.rotation_rad), math.sin(roi.rotation_rad)
    bottom_left = np.array([[c, -s], [s, c]]) @ corner + (roi.centre_x_px, roi.centre_y_px)
    start = int(np.argmin(np.linalg.norm(box - bottom_left, axis=1)))
    return np.roll(box, -start, axis=0).astype(np.float32)


@given(roi=rois, x=finite, y=finite, output_px=st.integers(1, 512))
def test_image_to_crop_undoes_crop_to_image(roi: Roi, x: float, y: float, output_px: int) -> None:
    point = np.array([x, y])
    there_and_back = crop_to_image(image_to_crop(point, roi, output_px), roi, output_px)
    np.testing.assert_allclose(there_and_back, point, atol=1e-6)


@given(roi=rois, output_px=st.integers(1, 512))
def test_centre_maps_to_centre_and_sides_keep_their_length(roi: Roi, output_px: int) -> None:
    half = np.full(2, output_px / 2.0)
    np.testing.assert_allclose(
        crop_to_image(half, roi, output_px), [roi.centre_x_px, roi.centre_y_px], atol=1e-6
    )
    corners = roi.corners_px()
    np.testing.assert_allclose(
        np.linalg.norm(corners - np.roll(corners, 1, 0), axis=1), roi.size_px, rtol=1e-6
    )
    np.testing.assert_allclose(
        crop_to_image(np.array([[0.0, 0.0], [output_px, output_px]]), roi, output_px), corners[::2], atol=1e-5
    )


def test_positive_rotation_turns_clockwise_on_the_screen() -> None:
    right_edge = crop_to_image(np.array([100.0, 50.0]), Roi(0.0, 0.0, 100.0, math.pi / 2), 100)
    np.testing.assert_allclose(right_edge, [0.0, 50.0], atol=1e-12)


@pytest.mark.parametrize("roi", ROIS[:3])
def test_a_mark_appears_where_image_to_crop_says(roi: Roi) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    mark = crop_to_image(np.array([140.0, 100.0]), roi, 256)
    cv2.circle(image, (round(mark[0]), round(mark[1])), 6, (255, 255, 255), -1)
    seen = crop(image, roi, 256)[..., 0].astype(np.float64)
    y, x = np.mgrid[0:256, 0:256]
    found = np.array([(seen * x).sum(), (seen * y).sum()]) / seen.sum()
    # The mark is drawn at whole pixels, the crop shrinks or enlarges them.
    tolerance = 0.75 * 256 / roi.size_px
    np.testing.assert_allclose(found, image_to_crop(np.round(mark), roi, 256), atol=tolerance)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (300, 300)])
def test_letterbox_keeps_all_and_pads_evenly(width: int, height: int) -> None:
    image = np.full((height, width, 3), 200, np.uint8)
    boxed = crop(image, letterbox_roi(width, height), 224)
    filled = boxed[..., 0] > 100
    rows, columns = np.flatnonzero(filled.any(1)), np.flatnonzero(filled.any(0))
    longer = max(width, height)
    assert rows.size == pytest.approx(224 * height / longer, abs=1.5)
    assert columns.size == pytest.approx(224 * width / longer, abs=1.5)
    assert abs(rows[0] - (223 - rows[-1])) <= 1
    assert abs(columns[0] - (223 - columns[-1])) <= 1


def test_borders_differ_only_outside(picture: np.ndarray) -> None:
    roi = Roi(0.0, 240.0, 300.0)
    black, replicated = (crop(picture, roi, 100, border=b) for b in (Border.BLACK, Border.REPLICATE))
    np.testing.assert_array_equal(black[:, 51:], replicated[:, 51:])
    assert not black[:, :49].any()
    np.testing.assert_array_equal(replicated[:, 10], replicated[:, 40])


def test_out_is_written_and_returned(picture: np.ndarray) -> None:
    out = np.zeros((64, 64, 3), np.uint8)
    assert crop(picture, ROIS[1], 64, out=out) is out
    np.testing.assert_array_equal(out, crop(picture, ROIS[1], 64))


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0)])
def test_to_rgb_float_swaps_channels_and_scales(low: float, high: float) -> None:
    bgr = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    bgr[0, 0] = (0, 255, 0)
    out = np.empty((32, 32, 3), np.float32)
    result = to_rgb_float(bgr, low, high, rgb=np.empty_like(bgr), out=out)
    assert result is out
    np.testing.assert_allclose(out[..., 0], low + bgr[..., 2] / 255.0 * (high - low), atol=1e-6)
    np.testing.assert_allclose(out[..., 2], low + bgr[..., 0] / 255.0 * (high - low), atol=1e-6)
    np.testing.assert_allclose(out[0, 0], [low, high, low], atol=1e-6)


def test_crop_matrix_is_opencvs_inverse_rotation() -> None:
    roi = Roi(200.0, 150.0, 512.0, 0.3)
    to_crop = cv2.getRotationMatrix2D((roi.centre_x_px, roi.centre_y_px), math.degrees(0.3), 0.5)
    to_crop[:, 2] += 128.0 - np.array([roi.centre_x_px, roi.centre_y_px])
    np.testing.assert_allclose(crop_matrix(roi, 256), cv2.invertAffineTransform(to_crop), atol=1e-9)
