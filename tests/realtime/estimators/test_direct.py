"""The `direct` estimator: geometry against rendered truth, tracking and losing people, refusals.

The network is stood in for by one that knows the truth of an image and answers as a perfect network would:
in the directions of the camera that looks at the crop it was given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.camera import CameraCalibration, Intrinsics
from calib.kinematics import body_transforms, joint_centres, marker_positions
from calib.skeleton import Skeleton, load_skeleton
from engines.blazepose.detector import Detection
from engines.errors import EngineError
from engines.preprocess import Roi, image_to_crop
from engines.shipped import shipped_lifter_path
from engines.spec import ModelSpec, TensorSpec, file_sha256
from realtime.errors import RealtimeError
from realtime.estimators.build import make_estimator
from realtime.estimators.direct import DirectEstimator
from realtime.estimators.direct_network import DirectAnswer, DirectNetwork
from realtime.estimators.tracked_person import LOST_RESET_NS
from realtime.options import EstimatorOptions
from realtime.person.averaged_scaling import AveragedScaling
from realtime.person.scaling import N_FRAMES_FROZEN, N_FRAMES_WARM_UP, KnownSubject
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame, PoseSample, Status

PERIOD_NS = 33_333_333
IMAGE = np.zeros((480, 640, 3), np.uint8)


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def camera_at(seed: int) -> CameraCalibration:
    """Somewhere, tilted and rolled, with a lens that distorts."""
    rng = np.random.default_rng(seed)
    level = CameraCalibration.assumed(640, 480)
    T = level.T_ground_cam.copy()
    T[:3, :3] = Rotation.from_euler("yxz", rng.normal(0.0, [0.5, 0.2, 0.1])).as_matrix() @ T[:3, :3]
    T[:3, 3] = rng.normal(0.0, 0.5, 3)
    lens = Intrinsics(640, 480, 520.0, 530.0, 310.0, 250.0, (-0.1, 0.02, 0.001, -0.001, 0.0))
    return CameraCalibration(lens, T)


@dataclass
class Scene:
    """A person before a camera, known exactly."""

    skeleton: Skeleton
    camera: CameraCalibration
    q: np.ndarray
    scale_factors: np.ndarray
    is_present: bool = True
    looks: int = 0
    searches: int = 0

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        return tuple(f(self.skeleton, self.q, self.scale_factors) for f in (joint_centres, marker_positions))

    def look(self, image: np.ndarray, roi: Roi) -> DirectAnswer:
        """What a perfect network says: only of what OpenCV projects, nothing of kinecast's own geometry."""
        self.looks += 1
        k, T_cam_ground = self.camera.intrinsics, np.linalg.inv(self.camera.T_ground_cam)
        R = T_cam_ground[:3, :3]
        pelvis = self.skeleton.body_index("pelvis")
        T_pelvis = body_transforms(self.skeleton, self.q, self.scale_factors)[pelvis]
        joints_m, markers_m = self.points()
        joints_px = cv2.projectPoints(
            joints_m, cv2.Rodrigues(R)[0], T_cam_ground[:3, 3], k.matrix, np.array(k.distortion)
        )[0][:, 0]
        uv = 2.0 * image_to_crop(joints_px, roi, 1) - 1.0
        inside = (np.abs(uv) < 1.0).all(1)
        root = [self.skeleton.coordinate_index(f"pelvis_{n}") for n in ("tilt", "list", "rotation")]
        q = self.q.copy()
        q[root] = np.nan
        n = self.skeleton.n_q
        return DirectAnswer(
            R_cam_pelvis=R @ T_pelvis[:3, :3], q=q, sigma=np.full(n, 0.1), confidence=np.full(n, 0.9),
            scale_factors=self.scale_factors, joints_cam_m=(joints_m - T_pelvis[:3, 3]) @ R.T,
            markers_cam_m=(markers_m - T_pelvis[:3, 3]) @ R.T, joints_px=joints_px, is_in_crop=inside,
            presence=0.95 if self.is_present and inside.mean() > 0.5 else 0.05, roi=roi,
        )  # fmt: skip

    def detect(self, image: np.ndarray) -> Detection | None:
        self.searches += 1
        if not self.is_present:
            return None
        px = self.look(image, Roi(320.0, 240.0, 640.0)).joints_px
        centre = px.mean(0)
        edge = centre - [0.0, 0.6 * np.ptp(px[:, 1])]
        return Detection(0.9, np.zeros(4), np.stack([centre, edge, centre, edge]))


def somebody(skeleton: Skeleton, camera: CameraCalibration, seed: int) -> Scene:
    """Anybody in any pose, three metres before the camera."""
    rng = np.random.default_rng(seed)
    q = skeleton.q_default + rng.normal(0.0, 0.15, skeleton.n_q)
    q = np.clip(q, skeleton.q_lower, skeleton.q_upper)
    q[skeleton.coordinate_index("pelvis_rotation")] = rng.uniform(-3.0, 3.0)
    for axis, value in zip("xyz", camera.T_ground_cam[:3, :3] @ [0.1, -0.1, 3.0] + camera.T_ground_cam[:3, 3],
                           strict=True):  # fmt: skip
        q[skeleton.coordinate_index(f"pelvis_t{axis}")] = value
    factors = np.repeat(np.exp(rng.normal(0.0, 0.05, (skeleton.n_bodies, 1))), 3, axis=1)
    return Scene(skeleton, camera, q, factors)


def estimator_of(scene: Scene, **options: object) -> DirectEstimator:
    layer = SkeletalLayer(scene.skeleton, smoothing=False)
    return DirectEstimator(scene.skeleton, scene.camera, scene, scene, layer, **options)  # type: ignore[arg-type]


def frame(k: int) -> Frame:
    return Frame(k, k * PERIOD_NS, IMAGE)


@pytest.mark.parametrize("seed", range(12))
def test_a_perfect_network_gives_the_truth_in_ground(skeleton: Skeleton, seed: int) -> None:
    scene = somebody(skeleton, camera_at(seed), seed)
    sample = estimator_of(scene).step(frame(0))
    truth = body_transforms(skeleton, scene.q, scene.scale_factors)
    np.testing.assert_allclose(sample.T_ground_body, truth, atol=2e-3)
    turn = sample.q - scene.q
    angles = skeleton.is_rotational
    assert np.abs((turn[angles] + np.pi) % (2 * np.pi) - np.pi).max() < 2e-3
    np.testing.assert_allclose(sample.markers_m, scene.points()[1], atol=3e-3)
    assert sample.status is Status.WARM_UP and sample.confidence[0] == pytest.approx(0.9)


def test_the_detector_runs_once_and_then_the_person_is_followed(skeleton: Skeleton) -> None:
    scene = somebody(skeleton, camera_at(1), 1)
    tracked = estimator_of(scene)
    statuses = []
    for k in range(N_FRAMES_WARM_UP + 5):
        scene.q[skeleton.coordinate_index("pelvis_tx")] += 0.02
        sample = tracked.step(frame(k))
        statuses.append(sample.status)
        corners = sample.box_px
        px = scene.camera.project(scene.points()[0])
        if k > 0:  # the crop follows the person
            assert (px.min(0) > corners[:2] - 8).all() and (px.max(0) < corners[2:] + 8).all()
    assert scene.searches == 1
    assert statuses[0] is Status.WARM_UP and statuses[-1] is Status.TRACKING


def test_who_leaves_is_lost_and_found_again(skeleton: Skeleton) -> None:
    scene = somebody(skeleton, camera_at(2), 2)
    tracked = estimator_of(scene)
    assert tracked.step(frame(0)).status is not Status.LOST
    scene.is_present = False
    for k in range(1, 4):
        sample = tracked.step(frame(k))
        assert sample.status is Status.LOST and np.isnan(sample.q).all() and not sample.confidence.any()
    scene.is_present = True
    searched = scene.searches
    back = tracked.step(frame(4))
    assert back.status is not Status.LOST and scene.searches == searched + 1
    # Jumping elsewhere: the region holds nobody, the detector finds them in the same frame.
    scene.q[skeleton.coordinate_index("pelvis_tx")] += 0.5
    scene.q[skeleton.coordinate_index("pelvis_tz")] += 1.0
    assert tracked.step(frame(5)).status is not Status.LOST


def test_after_a_while_it_is_somebody_else(skeleton: Skeleton) -> None:
    scene = somebody(skeleton, camera_at(3), 3)
    tracked = estimator_of(scene)
    first = [tracked.step(frame(k)) for k in range(3)][-1]
    scene.is_present = False
    tracked.step(Frame(3, 3 * PERIOD_NS + LOST_RESET_NS + 1, IMAGE))
    scene.is_present, scene.scale_factors = True, 1.2 * scene.scale_factors
    again = tracked.step(Frame(4, 5 * PERIOD_NS + LOST_RESET_NS, IMAGE))
    np.testing.assert_allclose(again.scale_factors, 1.2 * first.scale_factors, rtol=1e-6)


class Pair:
    """Two people before one camera, 1.6 m apart; the detector is surer of the first and may miss others."""

    def __init__(self, skeleton: Skeleton) -> None:
        camera = CameraCalibration.assumed(640, 480, 90.0)
        self.camera, self.skeleton = camera, skeleton
        self.scenes = [somebody(skeleton, camera, seed) for seed in (6, 7)]
        for scene, side_m in zip(self.scenes, (0.8, -0.8), strict=True):
            self.move(scene, side_m)
        self.is_detected = [True, True]

    def move(self, scene: Scene, side_m: float) -> None:
        """To the right of the camera's axis."""
        place_m = self.camera.T_ground_cam @ np.array([side_m, -0.1, 3.0, 1.0])
        for axis, value in zip("xyz", place_m, strict=False):
            scene.q[self.skeleton.coordinate_index(f"pelvis_t{axis}")] = value

    def look(self, image: np.ndarray, roi: Roi) -> DirectAnswer:
        return max((one.look(image, roi) for one in self.scenes), key=lambda answer: answer.is_in_crop.mean())

    def detect_all(self, image: np.ndarray) -> list[Detection]:
        found = zip(self.scenes, self.is_detected, strict=True)
        return [detection for one, known in found if known and (detection := one.detect(image)) is not None]

    def detect(self, image: np.ndarray) -> Detection | None:
        return next(iter(self.detect_all(image)), None)

    def of(self, sample: PoseSample) -> int:
        """Whose pose a sample is."""
        knee = self.skeleton.coordinate_index("knee_angle_r")
        return int(np.argmin([abs(scene.q[knee] - sample.q[knee]) for scene in self.scenes]))


@pytest.mark.parametrize(("choice", "expected"), [(None, 0), ("left", 1), ("right", 0), ("1", 1), ("2", 0)])
def test_who_is_chosen_by_place_is_tracked(skeleton: Skeleton, choice: str | None, expected: int) -> None:
    pair = Pair(skeleton)
    tracked = estimator_of(pair, choice=choice)  # type: ignore[arg-type]
    assert [pair.of(tracked.step(frame(k))) for k in range(40)] == [expected] * 40


def test_who_is_found_within_a_second_is_chosen_and_later_ones_are_not(skeleton: Skeleton) -> None:
    for first_seen, expected in ((15, 1), (45, 0)):
        pair = Pair(skeleton)
        tracked = estimator_of(pair, choice="left")  # type: ignore[arg-type]
        for k in range(60):
            pair.is_detected[1] = k >= first_seen
            sample = tracked.step(frame(k))
            assert pair.of(sample) == (expected if k > first_seen + 4 else 0) or k >= first_seen
        assert pair.of(sample) == expected
        # Not being detected any more changes nothing.
        pair.is_detected = [not expected, bool(expected)]
        assert pair.of(tracked.step(frame(61))) == expected


def test_who_was_lost_for_a_moment_is_found_where_they_were(skeleton: Skeleton) -> None:
    pair = Pair(skeleton)
    tracked = estimator_of(pair, choice="left")  # type: ignore[arg-type]
    for k in range(40):
        tracked.step(frame(k))
    pair.move(pair.scenes[0], -2.0)  # the other one is now farther left
    pair.scenes[1].is_present = pair.is_detected[1] = False
    pair.is_detected[0] = False
    assert tracked.step(frame(40)).status is Status.LOST
    pair.scenes[1].is_present, pair.is_detected = True, [True, True]
    assert pair.of(tracked.step(frame(41))) == 1


def test_a_click_chooses_whoever_is_there(skeleton: Skeleton) -> None:
    pair = Pair(skeleton)
    tracked = estimator_of(pair)  # type: ignore[arg-type]
    assert pair.of(tracked.step(frame(0))) == 0
    tracked.choose_at(0.5, 0.01)  # nobody is there
    assert pair.of(tracked.step(frame(1))) == 0
    middle_px = pair.camera.project(pair.scenes[1].points()[0]).mean(axis=0)
    tracked.choose_at(*(middle_px / (640, 480)))
    assert [pair.of(tracked.step(frame(k))) for k in range(2, 50)] == [1] * 48


def test_warming_up_leaves_no_trace(skeleton: Skeleton) -> None:
    plain, warmed = (estimator_of(somebody(skeleton, camera_at(4), 4)) for _ in range(2))
    warmed.warm_up()
    for k in range(3):
        a, b = plain.step(frame(k)), warmed.step(frame(k))
        np.testing.assert_array_equal(a.q, b.q)
        np.testing.assert_array_equal(a.scale_factors, b.scale_factors)
    assert plain.lag_s == 0.0


def test_offsets_of_a_subject_are_taken_off(skeleton: Skeleton) -> None:
    scene = somebody(skeleton, camera_at(5), 5)
    offsets = np.zeros(skeleton.n_q)
    knee = skeleton.coordinate_index("knee_angle_r")
    offsets[knee] = 0.05
    plain = estimator_of(scene).step(frame(0))
    subject = KnownSubject(scene.scale_factors, offsets)
    measured = estimator_of(scene, subject=subject).step(frame(0))
    assert plain.q[knee] - measured.q[knee] == pytest.approx(0.05, abs=1e-9)
    assert measured.status is Status.TRACKING


def test_scale_factors_are_averaged_frozen_and_follow_the_stature(skeleton: Skeleton) -> None:
    shape = (skeleton.n_bodies, 3)
    rng = np.random.default_rng(0)
    free, tall = AveragedScaling(skeleton), AveragedScaling(skeleton, height_m=2.0)
    values = np.exp(rng.normal(0.0, 0.1, (N_FRAMES_FROZEN, *shape)))
    for value in values:
        assert free.update(value, 1.0) and tall.update(value, 1.0)
    np.testing.assert_allclose(free.scale_factors, np.exp(np.log(values).mean(0)), rtol=1e-9)
    assert not free.update(np.full(shape, 3.0), 1.0)
    ratio = tall.scale_factors / free.scale_factors
    assert np.ptp(ratio) < 1e-9
    # Independent of the estimator: the highest marker over the lowest, upright.
    points = [
        marker_positions(skeleton, skeleton.q_default, s)[:, 1] for s in (np.ones(shape), tall.scale_factors)
    ]
    statures = [p.max() - p.min() for p in points]
    assert statures[1] / statures[0] == pytest.approx(2.0 / 1.75, rel=0.02)
    known = AveragedScaling(skeleton, known=np.full(shape, 1.1))
    assert not known.update(values[0], 1.0) and not known.is_warming_up


def test_other_files_are_refused(skeleton: Skeleton, tmp_path: Path) -> None:
    camera = CameraCalibration.assumed(640, 480)
    with pytest.raises(RealtimeError, match="no direct network; train one with kinecast train spatial"):
        make_estimator(EstimatorOptions(estimator="direct", model_path=tmp_path / "none.onnx"), camera)
    with pytest.raises(EngineError, match=r"no direct network: .*make one with: kinecast train spatial"):
        DirectNetwork(skeleton, camera.intrinsics, shipped_lifter_path())


@pytest.fixture(scope="module")
def network_path(skeleton: Skeleton, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network as it is exported, with random weights."""
    torch = pytest.importorskip("torch")
    from train.direct.export import export_direct
    from train.direct.layout import DirectLayout
    from train.direct.network import DirectModel, NetworkConfig

    torch.manual_seed(0)
    layout = DirectLayout.of(skeleton)
    path = tmp_path_factory.mktemp("direct") / "direct.onnx"
    export_direct(DirectModel(NetworkConfig(input_px=64), layout).eval(), layout, path, "random")
    return path


def test_a_network_for_another_skeleton_is_refused(skeleton: Skeleton, network_path: Path) -> None:
    names = tuple("knee_bend_r" if n == "knee_angle_r" else n for n in skeleton.coordinate_names)
    other = replace(skeleton, coordinate_names=names, sha="1" * 64)
    with pytest.raises(EngineError, match=r"trained with skeleton .*it lacks knee_angle_r"):
        DirectNetwork(other, CameraCalibration.assumed(640, 480).intrinsics, network_path)


def test_turning_the_crop_turns_the_answer_into_the_same_camera(
    skeleton: Skeleton, network_path: Path
) -> None:
    """An image turned about its centre, looked at by a region turned with it, is the same image."""
    lens = Intrinsics(480, 480, 500.0, 500.0, 239.5, 239.5)
    network = DirectNetwork(skeleton, lens, network_path)
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    image = cv2.resize(small, (480, 480), interpolation=cv2.INTER_CUBIC)
    quarter = np.ascontiguousarray(np.rot90(image, -1))  # clockwise
    upright = network.look(image, Roi(239.5, 239.5, 90.0))
    turned = network.look(quarter, Roi(239.5, 239.5, 90.0, np.pi / 2))
    assert upright is not None and turned is not None
    np.testing.assert_allclose(turned.q, upright.q, atol=2e-3)
    clockwise = cv2.Rodrigues(np.array([0.0, 0.0, np.pi / 2]))[0]  # about the axis that points away
    np.testing.assert_allclose(turned.R_cam_pelvis, clockwise @ upright.R_cam_pelvis, atol=5e-3)
    np.testing.assert_allclose(turned.joints_cam_m, upright.joints_cam_m @ clockwise.T, atol=5e-3)
    centred = np.array([239.5, 239.5])
    np.testing.assert_allclose(
        turned.joints_px - centred, (upright.joints_px - centred) @ clockwise[:2, :2].T, atol=0.5
    )
    assert network.look(image, Roi(10.0, 10.0, 3.0)) is None


def test_rendered_frames_pass_through_the_exported_network(network_path: Path) -> None:
    """Every stage with the real detector and runtime; random weights know nobody, and nothing breaks."""
    from tests.support.published import published

    published("pose_detection")
    camera = CameraCalibration.assumed(640, 480)
    made = make_estimator(EstimatorOptions(estimator="direct", model_path=network_path), camera)
    made.warm_up()
    rng = np.random.default_rng(1)
    for k in range(3):
        sample = made.step(Frame(k, k * PERIOD_NS, rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)))
        assert sample.status is Status.LOST or np.isfinite(sample.q).all()
    assert made.description.startswith("random, OpenVINO")


def test_a_spec_of_something_else_is_refused(skeleton: Skeleton, network_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(network_path.read_bytes())
    ModelSpec(
        "other", (TensorSpec("image", (64, 64, 3)),), (), skeleton.coordinate_names, skeleton.sha,
        file_sha256(path),
    ).save(path.with_suffix(".json"))  # fmt: skip
    with pytest.raises(EngineError, match="no direct network"):
        DirectNetwork(skeleton, CameraCalibration.assumed(640, 480).intrinsics, path)
