from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.camera import CameraCalibration, Intrinsics, largest_radius
from calib.camera_file import load_camera, save_camera
from calib.errors import CameraError
from tests.support.boards import brown
from train.scene.cameras import look_at

BARREL = (-0.28, 0.09, 0.0008, -0.0006, 0.0)
WEBCAM = Intrinsics(640, 480, 560.0, 563.0, 313.0, 246.0, BARREL)
MODELS = {
    4: (-0.2, 0.05, 0.001, -0.002),
    5: BARREL,
    8: (0.1, -0.05, 0.001, 0.0005, 0.01, 0.2, -0.03, 0.002),
    12: (-0.2, 0.05, 0.001, -0.002, 0.0, 0.01, 0.0, 0.0, 0.002, -0.001, 0.001, 0.0005),
    14: (-0.2, 0.05, 0.001, -0.002, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.02, -0.03),
}


def points_in_view(n: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    depth = rng.uniform(0.5, 6.0, n)
    return np.stack([rng.uniform(-0.5, 0.5, n) * depth, rng.uniform(-0.4, 0.4, n) * depth, depth], axis=1)


def test_projection_follows_browns_formula():
    p = points_in_view(50)
    expected = brown(p[:, :2] / p[:, 2:], BARREL) * (WEBCAM.fx, WEBCAM.fy) + (WEBCAM.cx, WEBCAM.cy)
    np.testing.assert_allclose(WEBCAM.project(p), expected, atol=1e-9)


@pytest.mark.parametrize("length", MODELS)
def test_rays_give_back_the_directions_that_opencv_projected(length: int):
    k = Intrinsics(640, 480, 560.0, 563.0, 313.0, 246.0, MODELS[length])
    p = points_in_view(50)
    uv_px, _ = cv2.projectPoints(p, np.zeros(3), np.zeros(3), k.matrix, np.array(k.distortion))
    np.testing.assert_allclose(k.project(p), uv_px[:, 0], atol=1e-9)
    np.testing.assert_allclose(k.rays(uv_px[:, 0]), p / p[:, 2:], atol=1e-9)


def test_any_shape_of_points_is_projected():
    p = points_in_view(24)
    assert WEBCAM.project(p.reshape(2, 3, 4, 3)).shape == (2, 3, 4, 2)
    assert WEBCAM.project(p[0]).shape == (2,)
    assert WEBCAM.project(p[:0]).shape == (0, 2)
    np.testing.assert_array_equal(WEBCAM.project(p.reshape(4, 6, 3)).reshape(24, 2), WEBCAM.project(p))


def test_points_behind_the_camera_and_unknown_ones_are_nowhere():
    p = np.array([[0.0, 0.0, -1.0], [np.nan, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert np.isnan(WEBCAM.project(p)).all(axis=1).tolist() == [True, True, True, False]


def test_a_point_outside_the_picture_is_not_folded_into_it():
    aside = np.array([[1.9, 0.0, 1.0]])
    folded, _ = cv2.projectPoints(aside, np.zeros(3), np.zeros(3), WEBCAM.matrix, np.array(BARREL))
    k = Intrinsics(640, 480, 560.0, 560.0, 320.0, 240.0, (-0.3, 0.0, 0.0, 0.0, 0.0))
    limit = largest_radius(k.distortion)
    assert limit == pytest.approx(np.sqrt(1.0 / 0.9), abs=3e-3)  # where r - 0.3 r^3 turns
    assert np.isnan(k.project(np.array([[1.7, 0.0, 1.0]]))).all()
    assert 0 < 560.0 * (1.7 - 0.3 * 1.7**3) + 320.0 < 640  # the formula alone would put it there
    assert np.isfinite(folded).all()


def test_pixels_that_nothing_reaches_have_no_ray():
    k = Intrinsics(640, 480, 560.0, 560.0, 320.0, 240.0, (-0.3, 0.0, 0.0, 0.0, 0.0))
    assert np.isnan(k.rays(np.array([[320.0 + 560.0, 240.0]]))[0, :2]).all()


def pixels_by_opencv(k: Intrinsics, radii: np.ndarray, across: float, down: float) -> np.ndarray:
    """Pixels of points farther and farther from the axis, towards a corner."""
    p = np.stack([radii * across, radii * down, np.ones_like(radii)], axis=1)
    return cv2.projectPoints(p, np.zeros(3), np.zeros(3), k.matrix, np.array(k.distortion))[0][:, 0]


@pytest.mark.parametrize(
    "distortion",
    [
        BARREL,
        (-0.3, 0.0, 0.0, 0.0, 0.0),
        (-0.45, 0.0, 0.0, 0.0, 0.0),
        (0.3, -0.9, 0.0, 0.0, 0.0),
        (),
        (0.1,) * 5,
    ],
)
def test_a_lens_folds_within_the_image_where_opencv_turns_back_there(distortion: tuple[float, ...]):
    k = Intrinsics(640, 480, 560.0, 560.0, 319.5, 239.5, distortion)
    radii = np.linspace(0.0, 3.0, 3001)
    uv_px = pixels_by_opencv(k, radii, 0.8, 0.6) if distortion else k.project(
        np.stack([0.8 * radii, 0.6 * radii, np.ones(3001)], axis=1)
    )  # fmt: skip
    turns = np.flatnonzero(np.diff(uv_px[:, 0]) <= 0.0)
    is_inside = len(turns) > 0 and uv_px[turns[0], 0] < 639.5
    assert (k.folded_share > 0.0) == is_inside
    if is_inside:
        v, u = np.mgrid[0:480, 0:640]
        seen_px = np.linalg.norm(uv_px[turns[0]] - (319.5, 239.5))
        assert k.folded_share == pytest.approx((np.hypot(u - 319.5, v - 239.5) > seen_px).mean(), abs=0.01)


def test_a_lens_that_folds_within_the_image_is_refused_and_in_its_corners_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    def saved(k1: float) -> Path:
        k = Intrinsics(640, 480, 560.0, 560.0, 319.5, 239.5, (k1, 0.0, 0.0, 0.0, 0.0))
        path = tmp_path / "lens.json"
        save_camera(path, CameraCalibration(k, np.eye(4), 0.2))
        return path

    load_camera(saved(-0.25))
    assert not caplog.records
    load_camera(saved(-0.30))
    assert "turns back within the image" in caplog.text
    with pytest.raises(CameraError, match=r"turns back within the image: \d+ % .*kinecast calibrate camera"):
        load_camera(saved(-0.6))


@given(
    st.floats(-0.35, 0.35),
    st.floats(-0.1, 0.2),
    st.floats(0.0, 639.0),
    st.floats(0.0, 479.0),
)
def test_rays_and_projection_are_inverse_wherever_there_is_a_ray(k1: float, k2: float, u: float, v: float):
    k = Intrinsics(640, 480, 520.0, 520.0, 320.0, 240.0, (k1, k2, 0.0005, -0.0005, 0.0))
    ray = k.rays(np.array([u, v]))
    if np.isfinite(ray).all():
        np.testing.assert_allclose(k.project(ray), [u, v], atol=2e-3)


def test_a_camera_in_ground_projects_along_its_rays():
    camera = CameraCalibration(WEBCAM, look_at(np.array([0.5, 1.4, 3.0]), np.array([0.0, 1.0, 0.0]), 0.1))
    p_ground = np.random.default_rng(3).normal([0.0, 1.0, 0.0], 0.4, (30, 3))
    rays = camera.rays(camera.project(p_ground))
    np.testing.assert_allclose(np.linalg.norm(rays, axis=1), 1.0, atol=1e-12)
    from_camera = p_ground - camera.T_ground_cam[:3, 3]
    np.testing.assert_allclose(rays, from_camera / np.linalg.norm(from_camera, axis=1)[:, None], atol=1e-9)


def test_a_scaled_camera_sees_the_scaled_picture():
    p = points_in_view(40)
    half = WEBCAM.scaled_to(320, 240)
    # Corners of pixels, not their centres, stay where they are.
    np.testing.assert_allclose(half.project(p) + 0.5, (WEBCAM.project(p) + 0.5) / 2.0, atol=1e-9)


def test_a_camera_is_not_scaled_to_another_shape():
    with pytest.raises(CameraError, match=r"640x480.*640x360.*kinecast calibrate camera"):
        WEBCAM.scaled_to(640, 360)


def test_what_is_saved_is_loaded(tmp_path: Path):
    T = look_at(np.array([0.5, 1.4, 3.0]), np.array([0.0, 1.0, 0.0]), 0.1)
    path = tmp_path / "camera.json"
    save_camera(path, CameraCalibration(WEBCAM, T, 0.21, "desk", "Webcam C1"), {"date": "today"})
    loaded = load_camera(path)
    assert loaded.intrinsics.distortion == BARREL
    assert (loaded.rms_px, loaded.name, loaded.device) == (0.21, "desk", "Webcam C1")
    np.testing.assert_array_equal(loaded.T_ground_cam, T)
    np.testing.assert_array_equal(loaded.intrinsics.matrix, WEBCAM.matrix)
    assert [p.name for p in tmp_path.iterdir()] == ["camera.json"]


def test_an_assumed_camera_stays_assumed(tmp_path: Path):
    save_camera(tmp_path / "a.json", CameraCalibration.assumed(640, 480))
    loaded = load_camera(tmp_path / "a.json")
    assert loaded.is_assumed
    assert "not calibrated, 60 deg" in loaded.description


def test_a_camera_that_cannot_be_written_is_refused(tmp_path: Path):
    with pytest.raises(CameraError, match="cannot be written"):
        save_camera(tmp_path / "nowhere" / "a.json", CameraCalibration.assumed(640, 480))
