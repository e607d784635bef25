"""The lifter's inputs, its export and its live use: symmetries that must hold whatever the weights are."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.camera import CameraCalibration
from calib.coordinates import PELVIS_ROTATIONS
from calib.kinematics import body_transforms, station_positions
from calib.pelvis import pelvis_rotation
from calib.skeleton import Skeleton, load_skeleton
from engines.blazepose.tracker import BlazePoseResult
from engines.errors import EngineError
from engines.features.landmarks import (
    MIRRORED,
    N_FEATURES,
    LandmarkBatch,
    landmark_features,
    mirrored,
    rotations_to_rays,
)
from engines.preprocess import Roi
from engines.shipped import shipped_lifter_path
from engines.spec import load_spec
from realtime.estimators.build import make_estimator
from realtime.estimators.lift_network import LiftNetwork
from realtime.options import EstimatorOptions
from realtime.pose.landmark_model import build_landmark_model
from realtime.pose.observation import LandmarkObservation, rotation_to_ray
from realtime.pose.solver import PoseSolver, Prior
from realtime.sample import Status
from realtime.sources.parse import parse_source, read_frames
from tests.support.published import published

CAMERA = CameraCalibration.assumed(640, 480)
RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def somebody(seed: int = 0) -> BlazePoseResult:
    """Landmarks scattered about a body: no network is asked whether they are anatomical."""
    rng = np.random.default_rng(seed)
    world_m = rng.normal(0.0, 0.3, (33, 3))
    world_m[24] = [-0.12, 0.0, 0.05]
    world_m[23] = [0.12, 0.0, -0.05]
    return BlazePoseResult(
        landmarks_px=np.concatenate([rng.uniform(100, 400, (33, 2)), np.zeros((33, 1))], 1),
        world_m=world_m,
        visibility=rng.uniform(0.2, 1.0, 33),
        presence=np.ones(33),
        score=1.0,
        roi=Roi(300.0, 260.0, 300.0, 0.1),
        auxiliary_px=np.zeros((2, 3)),
        detected=False,
    )


def batch_of(seen: BlazePoseResult, T_ground_cam: np.ndarray = CAMERA.T_ground_cam) -> LandmarkBatch:
    k = CAMERA.intrinsics
    return LandmarkBatch(
        landmarks_px=seen.landmarks_px[None, :, :2],
        world_m=seen.world_m[None],
        visibility=seen.visibility[None],
        roi_centre_px=np.array([[seen.roi.centre_x_px, seen.roi.centre_y_px]]),
        camera=np.array([[k.fx, k.cx, k.cy]]),
        R_ground_cam=T_ground_cam[None, :3, :3],
    )


def test_rays_turn_as_the_estimators_do() -> None:
    uv_px = RNG.uniform(0, 480, (20, 2))
    k = CAMERA.intrinsics
    rays = np.concatenate([(uv_px - [k.cx, k.cy]) / k.fx, np.ones((20, 1))], 1)
    expected = np.stack([rotation_to_ray(uv, k) for uv in uv_px])
    np.testing.assert_allclose(rotations_to_rays(rays), expected, atol=1e-12)


def test_features_do_not_depend_on_where_the_camera_stands() -> None:
    turned = CAMERA.T_ground_cam.copy()
    turned[:3, :3] = Rotation.from_euler("y", 1.1).as_matrix() @ turned[:3, :3]
    here, there = landmark_features(batch_of(somebody())), landmark_features(batch_of(somebody(), turned))
    assert here.values.shape == (1, N_FEATURES)
    np.testing.assert_allclose(here.values, there.values, atol=1e-5)
    assert (there.heading_rad - here.heading_rad - 1.1 + np.pi) % (2 * np.pi) - np.pi == pytest.approx(0.0)


def test_features_do_not_depend_on_the_networks_metres() -> None:
    seen = somebody()
    large = replace(seen, world_m=1.3 * seen.world_m)
    here, there = landmark_features(batch_of(seen)), landmark_features(batch_of(large))
    np.testing.assert_allclose(here.values, there.values, atol=1e-5)
    assert there.size_m == pytest.approx(1.3 * here.size_m)


def test_two_mirrors_undo_each_other() -> None:
    assert (MIRRORED[MIRRORED] == np.arange(33)).all()
    batch = batch_of(somebody())
    twice = mirrored(mirrored(batch))
    for field in fields(LandmarkBatch):
        np.testing.assert_allclose(getattr(twice, field.name), getattr(batch, field.name), atol=1e-12)


def in_mirror(seen: BlazePoseResult) -> BlazePoseResult:
    """The same person in a mirrored image of a camera whose principal point is the middle."""
    landmarks_px = seen.landmarks_px[MIRRORED].copy()
    landmarks_px[:, 0] = CAMERA.intrinsics.width_px - landmarks_px[:, 0]
    roi = replace(seen.roi, centre_x_px=CAMERA.intrinsics.width_px - seen.roi.centre_x_px)
    return replace(
        seen,
        landmarks_px=landmarks_px,
        world_m=seen.world_m[MIRRORED] * [-1.0, 1.0, 1.0],
        visibility=seen.visibility[MIRRORED],
        roi=roi,
    )


def test_a_mirrored_person_has_mirrored_coordinates(skeleton: Skeleton) -> None:
    lifter = LiftNetwork(skeleton, CAMERA, shipped_lifter_path())
    seen, mirror_image = lifter.lift(somebody(4)), lifter.lift(in_mirror(somebody(4)))
    index = skeleton.coordinate_index
    for name in ("hip_flexion", "knee_angle", "hip_rotation", "elbow_flex", "arm_add"):
        assert mirror_image.q[index(f"{name}_l")] == pytest.approx(seen.q[index(f"{name}_r")], abs=1e-4)
    for name in ("lumbar_bending", "neck_rotation"):
        assert mirror_image.q[index(name)] == pytest.approx(-seen.q[index(name)], abs=1e-4)
    M = np.diag([1.0, 1.0, -1.0])
    pelvis = [index(n) for n in PELVIS_ROTATIONS]
    R, R_mirrored = (pelvis_rotation(x.q[pelvis][None])[0] for x in (seen, mirror_image))
    np.testing.assert_allclose(R_mirrored, M @ R @ M, atol=1e-4)


def test_turning_the_camera_turns_the_pelvis_and_nothing_else(skeleton: Skeleton) -> None:
    turn = Rotation.from_euler("y", -0.8).as_matrix()
    T = CAMERA.T_ground_cam.copy()
    T[:3, :3] = turn @ T[:3, :3]
    here = LiftNetwork(skeleton, CAMERA, shipped_lifter_path()).lift(somebody(2))
    there = LiftNetwork(skeleton, replace(CAMERA, T_ground_cam=T), shipped_lifter_path()).lift(somebody(2))
    pelvis = [skeleton.coordinate_index(n) for n in PELVIS_ROTATIONS]
    R_here, R_there = (pelvis_rotation(x.q[pelvis][None])[0] for x in (here, there))
    np.testing.assert_allclose(R_there, turn @ R_here, atol=1e-4)
    others = np.setdiff1d(np.arange(skeleton.n_q), pelvis)
    np.testing.assert_allclose(there.q[others], here.q[others], atol=1e-4)


def test_export_equals_torch_and_carries_its_spec(skeleton: Skeleton, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from train.lift.export import LiveLiftModel, export_lift
    from train.lift.network import LiftModel, lifted_coordinates

    torch.manual_seed(0)
    n = len(lifted_coordinates(skeleton))
    models = [LiftModel(n, 3 * skeleton.n_bodies, width=32) for _ in range(2)]
    path = tmp_path / "small.onnx"
    spec = export_lift(models, skeleton, path, "small")
    assert load_spec(path) == spec
    live = LiftNetwork(skeleton, CAMERA, path)
    seen = somebody(1)
    features = landmark_features(batch_of(seen))
    with torch.no_grad():
        expected = LiveLiftModel(models).eval()(torch.from_numpy(features.values))[1][0].numpy()
    mirror_features = landmark_features(mirrored(batch_of(seen)))
    with torch.no_grad():
        other = LiveLiftModel(models).eval()(torch.from_numpy(mirror_features.values))[1][0].numpy()
    knee_r, knee_l = (skeleton.coordinate_index(f"knee_angle_{s}") for s in "rl")
    names = lifted_coordinates(skeleton)
    mean = 0.5 * (expected[names.index("knee_angle_r")] + other[names.index("knee_angle_l")])
    # Live, weights are in 8 bits.
    assert live.lift(seen).sigma[knee_r] == pytest.approx(mean, rel=3e-3)
    assert np.isfinite(live.lift(seen).q[knee_l])


def test_another_skeleton_or_a_damaged_file_is_refused(skeleton: Skeleton, tmp_path: Path) -> None:
    spec = load_spec(shipped_lifter_path())
    with pytest.raises(EngineError, match=r"trained with skeleton .*it lacks knee_angle_r"):
        spec.check_skeleton([n for n in skeleton.coordinate_names if n != "knee_angle_r"], "0" * 64)
    copy = tmp_path / "lifter.onnx"
    copy.write_bytes(shipped_lifter_path().read_bytes()[:-100])
    with pytest.raises(EngineError, match="not a model spec"):
        LiftNetwork(skeleton, CAMERA, copy)
    copy.with_suffix(".json").write_text(
        json.dumps(json.loads(shipped_lifter_path().with_suffix(".json").read_text()))
    )
    with pytest.raises(EngineError, match="do not belong together"):
        LiftNetwork(skeleton, CAMERA, copy)


def test_a_walker_walks_and_the_same_frames_give_the_same_bits() -> None:
    """The demo clip: both knees bend well past 40 deg in swing and straighten in stance."""
    published("pose_landmark_full")
    source = parse_source(str(published("demo_clip")))
    source.open()
    frames = list(read_frames(source))[90:150]
    source.close()
    height_px, width_px = frames[0].image.shape[:2]
    runs = []
    for _ in range(2):
        options = EstimatorOptions(estimator="lifted", search_region=(0.0, 0.5, 1.0, 0.5))
        estimator = make_estimator(options, CameraCalibration.assumed(width_px, height_px))
        runs.append([estimator.step(frame) for frame in frames])
    assert all((a.q == b.q).all() for a, b in zip(*runs, strict=True))
    tracked = np.array([s.q for s in runs[0] if s.status is not Status.LOST])
    assert len(tracked) > 55
    for side in "rl":
        knee_deg = np.degrees(tracked[:, estimator.skeleton.coordinate_index(f"knee_angle_{side}")])
        assert knee_deg.max() > 40.0 and knee_deg.min() < 15.0


def test_where_network_and_landmarks_disagree_both_are_doubted(skeleton: Skeleton) -> None:
    model = build_landmark_model(skeleton)
    q = skeleton.q_default.copy()
    T = body_transforms(skeleton, q)
    points_m = np.empty((len(model.landmark), 3))
    station_positions(T, model.station_body, model.station_m, points_m)
    seen = LandmarkObservation(points_m, np.broadcast_to(1e4 * np.eye(3), (len(points_m), 3, 3)).copy())
    knee, hip = (skeleton.coordinate_index(n) for n in ("knee_angle_r", "hip_flexion_l"))
    expected = q.copy()
    expected[knee] += 0.5
    weight = np.where(skeleton.is_rotational, 1.0, 0.0)
    sigma = {}
    for disagreement in (0.0, 1.0):
        prior = Prior(expected, weight, np.full(skeleton.n_q, 1.0), disagreement=disagreement)
        found = PoseSolver(skeleton, model).solve(seen, prior)
        assert abs(found.q[knee] - q[knee]) < 0.02
        sigma[disagreement] = found.sigma
    assert sigma[1.0][knee] == pytest.approx(np.hypot(sigma[0.0][knee], 0.5), abs=0.02)
    assert sigma[1.0][hip] == pytest.approx(sigma[0.0][hip], abs=0.01)


def with_correlation(folder: Path, R: np.ndarray) -> Path:
    """The shipped lifter with other correlations of its errors."""
    path = folder / "lifter.onnx"
    path.write_bytes(shipped_lifter_path().read_bytes())
    spec = load_spec(shipped_lifter_path())
    replace(spec, error_correlation=tuple(map(tuple, R.tolist()))).save(path.with_suffix(".json"))
    return path


def test_errors_are_correlated_in_ground_as_in_the_persons_frame(skeleton: Skeleton, tmp_path: Path) -> None:
    """By sampling: what the network may be wrong by, turned to ground exactly, varies as it says."""
    names = load_spec(shipped_lifter_path()).coordinate_names
    R, rng = np.eye(len(names)), np.random.default_rng(2)
    tilt, list_, hip = (names.index(n) for n in ("pelvis_tilt", "pelvis_list", "hip_flexion_r"))
    R[tilt, hip] = R[hip, tilt] = -0.8
    network = LiftNetwork(skeleton, CAMERA, with_correlation(tmp_path, R))
    facing = replace(network.look(somebody(3)), sigma=np.full(len(names), 0.01), heading_rad=1.9)
    information = network.to_ground(facing).information
    assert information is not None
    draws = facing.q + rng.multivariate_normal(np.zeros(len(names)), 1e-4 * R, 4000)
    grounds = np.array([network.to_ground(replace(facing, q=q)).q for q in draws])
    kept = [skeleton.coordinate_index(name) for name in names]
    claimed = np.linalg.inv(information[np.ix_(kept, kept)])
    found = np.cov(grounds[:, kept].T)
    np.testing.assert_allclose(claimed, found, atol=1.2e-5)
    # Who faces across ground tips forward about its X, which is list.
    assert abs(claimed[list_, hip]) > 2.0 * abs(claimed[tilt, hip])


def test_independent_errors_are_the_deviations_alone(skeleton: Skeleton, tmp_path: Path) -> None:
    names = load_spec(shipped_lifter_path()).coordinate_names
    network = LiftNetwork(skeleton, CAMERA, with_correlation(tmp_path, np.eye(len(names))))
    facing = replace(network.look(somebody(4)), heading_rad=0.0)
    pose = network.to_ground(facing)
    assert pose.information is not None
    given = np.isfinite(pose.sigma)
    np.testing.assert_allclose(np.diag(pose.information)[given], pose.sigma[given] ** -2.0, rtol=1e-9)
    assert not pose.information[~given].any()


def test_a_spec_with_half_a_correlation_is_refused(tmp_path: Path) -> None:
    path = with_correlation(tmp_path, np.eye(5))
    with pytest.raises(EngineError, match="error_correlation is not 37 x 37"):
        load_spec(path)
