"""What stands around the figure: camera frustums, grid, floor, shadow, trails."""

from __future__ import annotations

from dataclasses import replace

import cv2
import msgspec
import numpy as np
import pytest

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton, load_skeleton
from realtime.stream.to_messages import camera_of
from realtime.viewer.scene import ViewerScene
from realtime.viewer.scenery import (
    FRUSTUM_M,
    NO_LINES,
    TRAIL_S,
    FloorHeight,
    Trails,
    camera_frustum,
    ground_grid,
    shadow,
)
from tests.support.poses import random_sample
from tests.support.streamed import streamed


@pytest.fixture(scope="module")
def camera() -> CameraCalibration:
    return CameraCalibration.assumed(640, 480)


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def test_the_frustum_ends_at_the_corners_of_the_picture(camera: CameraCalibration) -> None:
    turned = np.eye(4)
    turned[:3, :3] = cv2.Rodrigues(np.array([0.3, -0.8, 0.2]))[0]
    turned[:3, 3] = (1.0, 1.4, -0.5)
    camera = replace(camera, T_ground_cam=turned)
    lines = camera_frustum(camera_of(camera))
    T = np.linalg.inv(turned)
    uv_px, _ = cv2.projectPoints(
        lines.points[1:5], cv2.Rodrigues(T[:3, :3])[0], T[:3, 3], camera.intrinsics.matrix, None
    )
    np.testing.assert_allclose(uv_px[:, 0], [[0, 0], [640, 0], [640, 480], [0, 480]], atol=1e-6)
    np.testing.assert_allclose(lines.points[0], turned[:3, 3])
    np.testing.assert_allclose((lines.points[1:5] - turned[:3, 3]) @ turned[:3, 2], FRUSTUM_M)


@pytest.mark.parametrize("field", ["fx", "fy", "cx", "cy"])
@pytest.mark.parametrize("value", [0.0, -5.0, 1e300, 1e-300, -1e300])
def test_an_absurd_camera_is_not_drawn_or_stays_finite(
    camera: CameraCalibration, field: str, value: float
) -> None:
    lines = camera_frustum(msgspec.structs.replace(camera_of(camera), **{field: value}))
    assert np.isfinite(lines.points).all() and (np.abs(lines.points) < 1e4).all()
    skew = msgspec.structs.replace(camera_of(camera), T_ground_cam=((2.0, 1.0, 0.0, 0.0),) * 4)
    assert camera_frustum(skew) is NO_LINES


def test_the_grid_lies_on_whole_steps_under_the_figure() -> None:
    lines = ground_grid(np.array([1.3, -7.9]), -0.8)
    grid = lines.points[:-6]
    assert (grid[:, 1] == -0.8).all()
    np.testing.assert_allclose(grid[:, [0, 2]] * 2.0, np.round(grid[:, [0, 2]] * 2.0), atol=1e-9)
    assert (np.abs(grid.mean(axis=0)[[0, 2]] - (1.3, -7.9)) < 0.3).all()


def test_the_floor_is_grounds_where_the_camera_was_placed_and_the_feets_else(
    camera: CameraCalibration,
) -> None:
    floor = FloorHeight()
    assumed = camera_of(camera)
    for lowest in (-0.9, -1.1, float("nan"), -0.5):
        floor.see(assumed, lowest, 0.03)
    assert floor.height_m == pytest.approx(-1.1, abs=0.01)
    for _ in range(1000):
        floor.see(None, -0.5, 0.03)
    assert floor.height_m == pytest.approx(-0.5, abs=0.05)
    raised = camera.T_ground_cam.copy()
    raised[1, 3] = 1.2
    floor.see(camera_of(replace(camera, T_ground_cam=raised)), -0.9, 0.03)
    assert floor.height_m == 0.0


def test_the_shadow_covers_what_the_light_sees(skeleton: Skeleton) -> None:
    """Every lit triangle, and every vertex straight below a point along the light."""
    scene = ViewerScene()
    scene.take(streamed(skeleton, random_sample(skeleton, 6)), 0.0)
    body, figure = scene.body, scene.body.figure
    assert figure is not None
    flat, triangles = shadow(body.vertices, body.normals, figure.triangles, -2.0)
    assert np.ptp(flat[:, 1]) == 0.0
    fall = (flat - body.vertices) / (body.vertices[:, 1:2] + 2.0)
    np.testing.assert_allclose(fall[:, [0, 2]], np.broadcast_to([-0.18, 0.12], (len(flat), 2)), atol=1e-9)
    assert 0.4 < len(triangles) / len(figure.triangles) < 0.6


def test_trails_fade_end_and_have_gaps() -> None:
    trails = Trails(np.array([[1.0, 0.5, 0.0]]))
    for k in range(100):
        gap = np.nan if k == 80 else 0.0
        trails.add(k * 40_000_000, np.array([[0.01 * k + gap, 0.0, 0.0]]))
    lines = trails.lines()
    assert len(lines.pairs) == round(TRAIL_S / 0.04) - 2
    assert lines.points[:, 0].min() == pytest.approx(0.49) and lines.points[:, 0].max() == pytest.approx(0.99)
    assert lines.colours[0, 0] < 0.1 and lines.colours[-1, 0] == pytest.approx(1.0)
    trails.add(0, np.array([[0.0, 0.0, 0.0]]))  # the source starts again
    assert not len(trails.lines().pairs)
