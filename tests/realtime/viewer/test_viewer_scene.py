"""The figure of the viewer's scene, without a window: it moves with its bodies, hides, and shows doubt."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from calib.camera import CameraCalibration, Intrinsics
from calib.skeleton import Skeleton, load_skeleton
from realtime.sample import Status
from realtime.stream.to_messages import model_of
from realtime.viewer.figure import DOUBTFUL, FigureMesh
from realtime.viewer.posture import body_confidence
from realtime.viewer.scene import SILENCE_S, ViewerScene
from tests.support.poses import lost_sample, random_sample
from tests.support.streamed import meta_of, streamed


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def test_vertices_keep_their_places_in_their_bodies(skeleton: Skeleton) -> None:
    scene = ViewerScene()
    samples = [random_sample(skeleton, k, t_capture_ns=k * 1000) for k in range(3)]
    in_bodies = []
    for k, sample in enumerate(samples):
        scene.take(streamed(skeleton, sample), float(k))
        figure = scene.body.figure
        assert figure is not None and scene.body.generation == 1
        bodies = figure._body
        T = sample.T_ground_body[bodies]
        in_bodies.append(np.einsum("nji,nj->ni", T[:, :3, :3], scene.body.vertices - T[:, :3, 3]))
        np.testing.assert_allclose(np.linalg.norm(scene.body.normals, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(in_bodies[1], in_bodies[0], atol=1e-9)
    np.testing.assert_allclose(in_bodies[2], in_bodies[0], atol=1e-9)


def test_a_subject_who_is_scaled_meanwhile_gets_new_bones(skeleton: Skeleton) -> None:
    scene = ViewerScene()
    sample = random_sample(skeleton, 1, t_capture_ns=0)
    scene.take(streamed(skeleton, sample), 0.0)
    grown = replace(sample, t_capture_ns=10**9, T_ground_body=sample.T_ground_body.copy())
    grown.T_ground_body[:, :3, 3] *= 1.1
    scene.take(streamed(skeleton, replace(grown, markers_m=1.1 * sample.markers_m)), 1.0)
    assert scene.body.generation == 2


def test_lost_people_silent_streams_and_missing_poses_hide_the_figure(skeleton: Skeleton) -> None:
    scene = ViewerScene()
    scene.take(streamed(skeleton, random_sample(skeleton, 1)), 0.0)
    assert scene.body.is_visible and scene.centre_m() is not None and not scene.wait(0.1)
    scene.take(streamed(skeleton, lost_sample(skeleton)), 0.2)
    assert not scene.body.is_visible and scene.status is Status.LOST and scene.centre_m() is None
    scene.take(streamed(skeleton, random_sample(skeleton, 2), poses=False), 0.3)
    assert not scene.body.is_visible and not scene.has_bodies
    for k in (3, 4):
        scene.take(streamed(skeleton, random_sample(skeleton, k)), 0.4)
    assert scene.body.is_visible
    assert len(scene.trails().pairs)
    assert scene.wait(0.5 + SILENCE_S) and not scene.body.is_visible and not len(scene.trails().pairs)


def test_cameras_beside_the_eye_do_not_lie_across_the_figure(skeleton: Skeleton) -> None:
    scene = ViewerScene()
    assert not len(scene.frustums(np.zeros(3)).pairs)
    T_ground_cam = np.eye(4)
    T_ground_cam[:3, 3] = at_m = np.array([2.0, 1.2, -0.5])
    camera = CameraCalibration(Intrinsics.from_fov(640, 480, 60.0), T_ground_cam)
    scene.take(streamed(skeleton, random_sample(skeleton, 1), meta=meta_of(skeleton, camera)), 0.0)
    whole = scene.frustums(at_m + 3.0)
    assert len(whole.pairs) == 10
    assert not len(scene.frustums(at_m + 0.3).pairs)
    np.testing.assert_allclose(whole.points[0], at_m)


def test_a_tracker_that_restarts_with_another_model_is_followed(skeleton: Skeleton) -> None:
    scene = ViewerScene(trails=["b", "hand_r"])
    scene.take(streamed(skeleton, random_sample(skeleton, 1)), 0.0)
    model = msgspec.structs.replace(
        model_of(skeleton), body_names=["a", "b"], body_parents=[-1, 0], marker_names=[]
    )
    meta = msgspec.structs.replace(meta_of(skeleton), model=model)
    sample = streamed(skeleton, random_sample(skeleton, 2, t_capture_ns=5), meta=meta)
    pose = sample.pose
    assert pose is not None
    small = msgspec.structs.replace(
        pose,
        body_position_m=[(0.0, 0.0, 0.0), (0.0, 0.5, 0.0)],
        joint_centre_m=[(0.0, 0.0, 0.0), (0.0, 0.5, 0.0)],
        body_rotation_wxyz=[(1.0, 0.0, 0.0, 0.0)] * 2,
        marker_m=[],
    )
    scene.take(replace(sample, pose=small), 0.1)
    assert scene.body.figure is not None and len(scene.body.vertices) < 500
    assert np.ptp(scene.body.vertices[:, 1]) == pytest.approx(0.5, abs=0.03)
    scene.take(streamed(skeleton, random_sample(skeleton, 3)), 0.2)
    assert len(scene.body.vertices) > 5000


def test_bodies_that_are_not_known_do_not_show(skeleton: Skeleton) -> None:
    scene = ViewerScene()
    sample = random_sample(skeleton, 4)
    scene.take(streamed(skeleton, sample), 0.0)
    whole = np.ptp(scene.body.vertices, axis=0)
    known = replace(sample, T_ground_body=sample.T_ground_body.copy())
    known.T_ground_body[skeleton.body_index("hand_r")] = np.nan
    scene.take(streamed(skeleton, known), 0.1)
    assert (
        np.isfinite(scene.body.vertices).all() and (np.ptp(scene.body.vertices, axis=0) <= whole + 1e-9).all()
    )


def test_light_comes_from_the_viewer_and_doubt_turns_grey(skeleton: Skeleton) -> None:
    scene = ViewerScene()
    sure = replace(random_sample(skeleton, 5), confidence=np.ones(skeleton.n_q))
    scene.take(streamed(skeleton, sure), 0.0)
    figure = scene.body.figure
    assert isinstance(figure, FigureMesh)
    R_view = np.eye(3)
    colours = scene.body.colours(R_view)
    assert colours.min() >= 0.0 and colours.max() <= 1.0
    toward = scene.body.normals[:, 2]
    assert colours[toward > 0.8].mean() > 1.4 * colours[toward < -0.8].mean()
    scene.take(streamed(skeleton, replace(sure, confidence=np.full(skeleton.n_q, 1e-9))), 0.1)
    doubtful = scene.body.colours(R_view)
    spread = doubtful / doubtful.max(axis=1, keepdims=True)
    np.testing.assert_allclose(spread, np.broadcast_to(DOUBTFUL / DOUBTFUL.max(), spread.shape), atol=1e-6)


def test_doubt_belongs_to_the_limb_it_is_about(skeleton: Skeleton) -> None:
    confidence = np.ones(skeleton.n_q)
    confidence[skeleton.coordinate_index("knee_angle_l")] = 0.1
    of_body = dict(
        zip(
            skeleton.body_names,
            body_confidence(skeleton.body_names, skeleton.coordinate_names, confidence),
            strict=True,
        )
    )
    assert of_body.pop("tibia_l") == pytest.approx(0.1)
    assert set(of_body.values()) == {1.0}
