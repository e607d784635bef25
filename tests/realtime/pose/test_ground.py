"""The ground that belongs to the person: the same numbers wherever they face, a floor under their feet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.camera import CameraCalibration
from calib.kinematics import body_transforms
from calib.skeleton import Skeleton, load_skeleton
from realtime.errors import RealtimeError
from realtime.estimators.build import make_estimator
from realtime.geometry import camera_in_ground
from realtime.options import EstimatorOptions
from realtime.overlay.angles import choose_rows
from realtime.overlay.skeleton import SkeletonDrawing
from realtime.pose.ground import PersonGround, has_opensim_pelvis
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame, PoseSample, Status
from tests.support.osim_text import version_4
from tests.support.standing import (
    CAMERA,
    CAMERA_HEIGHT_M,
    FRAME_NS,
    IMAGE,
    STANDING_M,
    estimate,
    jump,
    published,
    squat,
)


def column(samples: list[PoseSample], skeleton: Skeleton, name: str) -> np.ndarray:
    return np.array([sample.q[skeleton.coordinate_index(name)] for sample in samples])


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.mark.parametrize("facing_deg", [38.0, -90.0, 170.0])
def test_the_coordinates_do_not_depend_on_where_the_person_faces(skeleton: Skeleton, facing_deg: float):
    ahead, turned = published(skeleton, squat), published(skeleton, squat, facing_deg)
    for a, b in zip(ahead, turned, strict=True):
        np.testing.assert_allclose(a.q, b.q, atol=1e-6)
        np.testing.assert_allclose(a.qdot, b.qdot, atol=1e-5)
    tilt_deg = np.degrees(column(turned, skeleton, "pelvis_tilt"))
    assert tilt_deg[40] == pytest.approx(-5.0, abs=0.5) and tilt_deg.min() == pytest.approx(-30.0, abs=1.5)


def test_with_the_cameras_heading_a_side_view_swaps_tilt_and_list(skeleton: Skeleton):
    """What `--heading camera` is for knows this; it shows that the test above could fail."""
    samples = published(skeleton, squat, 90.0, heading="camera", duration_s=1.0)
    assert np.degrees(column(samples, skeleton, "pelvis_list"))[-1] == pytest.approx(-5.0, abs=0.5)


def test_the_clinical_angles_stay_right_when_the_person_turns_later(skeleton: Skeleton):
    layer = SkeletalLayer(skeleton, smoothing=False, ground=PersonGround(skeleton, CAMERA))
    for k in range(200):
        facing_deg = -20.0 + (0.0 if k < 80 else 90.0)
        seen = estimate(skeleton, facing_deg, tilt=-12.0, list=-4.0)
        sample = layer.step(Frame(k, k * FRAME_NS, IMAGE), seen, {})
    turned = np.degrees(sample.pelvic_angles)
    np.testing.assert_allclose(turned[1:], [4.0, 12.0], atol=0.2)
    assert turned[0] == pytest.approx(90.0, abs=0.2)
    assert abs(np.degrees(sample.q[skeleton.coordinate_index("pelvis_tilt")])) < 6.0


def test_the_origin_is_on_the_floor_under_the_person_and_a_jump_leaves_it(skeleton: Skeleton):
    samples = published(skeleton, jump, 25.0, smoothing=False)
    height_m = column(samples, skeleton, "pelvis_ty")
    assert height_m[:70] == pytest.approx(STANDING_M, abs=0.01)
    assert height_m[80:95] == pytest.approx(STANDING_M + 0.4, abs=0.01)
    assert height_m[110:] == pytest.approx(STANDING_M, abs=0.01)
    for name in ("pelvis_tx", "pelvis_tz"):
        assert column(samples, skeleton, name) == pytest.approx(0.0, abs=1e-6)


def test_the_ground_is_found_once_and_says_so(skeleton: Skeleton):
    samples = published(skeleton, jump)
    settled = [sample.ground.is_settled for sample in samples]
    first = settled.index(True)
    assert 0.4 < first * FRAME_NS * 1e-9 < 1.1 and all(settled[first:])
    assert all(sample.status is Status.WARM_UP for sample in samples[:first])
    assert all(sample.status is Status.TRACKING for sample in samples[first:])
    assert len({id(sample.ground) for sample in samples}) == 2
    about = samples[-1].ground
    assert (about.heading, about.origin, about.floor) == ("person", "person", "feet")


def test_somebody_who_jumps_at_first_stands_on_the_floor_and_not_over_it(skeleton: Skeleton):
    def hop(time_s: float) -> dict[str, float]:
        flying = max(0.0, 0.25 - abs(time_s - 0.55))  # for half a second
        return {"up": 4.9 * (0.0625 - (0.25 - flying) ** 2) if flying else 0.0}

    samples = published(skeleton, hop, smoothing=False)
    assert column(samples, skeleton, "pelvis_ty")[-1] == pytest.approx(STANDING_M, abs=0.02)


def test_a_gap_between_frames_is_no_standing(skeleton: Skeleton):
    """Somebody is seen twice, six seconds apart, then stands."""
    layer = SkeletalLayer(skeleton, smoothing=False, ground=PersonGround(skeleton, CAMERA))
    times_s = [0.0, *(6.0 + 0.02 * np.arange(40))]
    settled = []
    for k, time_s in enumerate(times_s):
        sample = layer.step(
            Frame(k, round(1e9 * time_s), IMAGE), estimate(skeleton, 0.0, up=0.3 * (k == 0)), {}
        )
        settled.append(sample.ground is not None and sample.ground.is_settled)
    assert 6.4 < times_s[settled.index(True)] < 6.7


def test_people_who_never_stand_still_get_a_ground_too(skeleton: Skeleton):
    samples = published(skeleton, lambda t: {"up": 0.3 * np.sin(20.0 * t)})
    assert samples[-1].ground.is_settled and samples[55].ground.is_settled


def test_bodies_markers_and_camera_agree(skeleton: Skeleton):
    """What is published is the forward kinematics of its coordinates, and projects to where the person is."""
    for sample, (k, facing_deg) in zip(
        published(skeleton, squat, 38.0, smoothing=False, duration_s=2.0),
        ((k, 38.0) for k in range(100)),
        strict=True,
    ):
        np.testing.assert_allclose(sample.T_ground_body, body_transforms(skeleton, sample.q), atol=1e-9)
        seen = estimate(skeleton, facing_deg, **squat(k * FRAME_NS * 1e-9))
        T = body_transforms(skeleton, seen.q)
        np.testing.assert_allclose(
            camera_in_ground(CAMERA, sample).project(sample.T_ground_body[:, :3, 3]),
            CAMERA.project(T[:, :3, 3]),
            atol=1e-6,
        )


def test_speeds_are_those_of_the_published_coordinates(skeleton: Skeleton):
    samples = published(skeleton, squat, 70.0)[60:]
    q, qdot = (np.array([getattr(sample, name) for sample in samples]) for name in ("q", "qdot"))
    moved = np.gradient(q, FRAME_NS * 1e-9, axis=0)
    for name in ("pelvis_tilt", "pelvis_list", "pelvis_ty"):
        k = skeleton.coordinate_index(name)
        assert np.abs(moved[:, k] - qdot[:, k]).max() < 0.25 * np.abs(moved[:, k]).max() + 0.05, name


def calibrated() -> CameraCalibration:
    T = CAMERA.T_ground_cam.copy()
    T[1, 3] = CAMERA_HEIGHT_M
    return replace(CAMERA, T_ground_cam=T, has_floor=True)


@pytest.mark.parametrize(
    ("heading", "x_deg", "origin"),
    [("person", 38.0, "person"), ("camera", 0.0, "camera"), ("30", 30.0, "person")],
)
def test_a_calibrated_floor_stays_where_it_is(skeleton: Skeleton, heading: str, x_deg: float, origin: str):
    camera = calibrated()
    samples = published(skeleton, jump, 38.0, heading=heading, camera=camera, smoothing=False)
    ground = samples[-1].ground
    assert (ground.floor, ground.origin) == ("calibrated", origin)
    # The camera keeps its height, and the estimate's heights, which are not over this floor, are not changed.
    assert ground.T_ground_cam[1, 3] == pytest.approx(CAMERA_HEIGHT_M)
    height_m = STANDING_M - CAMERA_HEIGHT_M
    assert column(samples, skeleton, "pelvis_ty")[-1] == pytest.approx(height_m)
    turn = camera.T_ground_cam[:3, :3] @ ground.T_ground_cam[:3, :3].T
    np.testing.assert_allclose(turn, Rotation.from_euler("Y", x_deg, degrees=True).as_matrix(), atol=1e-6)
    x_m = column(samples, skeleton, "pelvis_tx")[-1]
    assert x_m == pytest.approx(-4.0 if origin == "camera" else 0.0, abs=1e-6)


def test_the_next_person_is_measured_in_the_ground_of_the_first(skeleton: Skeleton):
    ground = PersonGround(skeleton, CAMERA)
    layer = SkeletalLayer(skeleton, ground=ground)
    for k in range(80):
        first = layer.step(Frame(k, k * FRAME_NS, IMAGE), estimate(skeleton, 20.0), {})
    layer.reset()
    assert layer.lost(Frame(80, 80 * FRAME_NS, IMAGE), {}).ground is first.ground
    for k in range(300, 400):
        second = layer.step(Frame(k, k * FRAME_NS, IMAGE), estimate(skeleton, 65.0), {})
    assert second.ground is first.ground and second.status is Status.TRACKING
    assert np.degrees(second.q[skeleton.coordinate_index("pelvis_rotation")]) == pytest.approx(45.0, abs=0.1)
    layer.reset()
    layer.forget_ground()
    third = layer.step(Frame(500, 500 * FRAME_NS, IMAGE), estimate(skeleton, 65.0), {})
    assert third.ground is not first.ground and not third.ground.is_settled


def test_a_model_with_another_root_keeps_the_cameras_ground(skeleton: Skeleton, tmp_path):
    assert has_opensim_pelvis(skeleton)
    path = tmp_path / "tiny.osim"
    path.write_text(version_4())
    assert not has_opensim_pelvis(load_skeleton(path))


def test_a_heading_that_is_none_is_refused():
    with pytest.raises(RealtimeError, match="person, camera, or an angle in degrees"):
        make_estimator(EstimatorOptions(heading="north"), CAMERA)


def test_the_skeleton_is_drawn_on_the_person_whatever_the_ground(skeleton: Skeleton):
    seen = published(skeleton, squat, 38.0, duration_s=1.5)[-1]
    assert seen.ground is not None and seen.unsmoothed is not None
    image = np.zeros((480, 640, 3), np.uint8)
    drawing = SkeletonDrawing(skeleton, CAMERA)
    layers = [SkeletalLayer(skeleton, ground=g) for g in (PersonGround(skeleton, CAMERA, "camera"), None)]
    for k in range(75):
        frame, found = Frame(k, k * FRAME_NS, IMAGE), estimate(skeleton, 38.0, **squat(k * 0.02))
        other, plain = (layer.step(frame, found, {}) for layer in layers)

    def drawn(sample: PoseSample) -> np.ndarray:
        picture = image.copy()
        drawing.draw(picture, sample, 1.0, mirrored=False, markers=False)
        return picture

    assert drawn(seen).any()
    for a, b in ((seen, other), (seen.on_image(), plain.on_image())):
        assert (drawn(a) != drawn(b)).any(axis=2).mean() < 1e-3


def test_the_overlay_shows_the_clinical_angles_instead_of_tilt_and_list(skeleton: Skeleton):
    seen = published(skeleton, squat, 38.0, duration_s=1.2)[-1]
    rows = choose_rows(skeleton, ["pelvis_tilt", "pelvis_list", "pelvis_rotation", "pelvis_ty"])
    assert [row.label for row in rows[:3]] == ["Pelvic tilt", "Pelvic obliquity", "Pelvic rotation"]
    shown = [seen.shown[row.coordinates[0]] for row in rows]
    expected = [seen.pelvic_angles[2], seen.pelvic_angles[1], seen.pelvic_angles[0]]
    assert shown == [*expected, seen.q[skeleton.coordinate_index("pelvis_ty")]]
    assert [row.in_degrees for row in rows] == [True, True, True, False]
