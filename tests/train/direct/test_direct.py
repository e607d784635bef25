"""The direct network's geometry and losses: crops, mirrors, bounds, gradients, against independent truths."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calib.skeleton import load_skeleton  # noqa: E402
from engines.features.crop_rays import MARGIN, rotation_cam_crop, square_about  # noqa: E402
from engines.preprocess import Roi, crop_matrix  # noqa: E402
from tests.support.direct_set import recipe_of  # noqa: E402
from train.bodies.puppet import PuppetPool  # noqa: E402
from train.direct.augment import Augmentation, choose_region, cut, empty_region, vary  # noqa: E402
from train.direct.examples import DirectBatch, collate, example, mirrored  # noqa: E402
from train.direct.heads import CoordinateRange, DirectOutput, rotation_from_6d  # noqa: E402
from train.direct.layout import DirectLayout  # noqa: E402
from train.direct.losses import (  # noqa: E402
    PRESETS,
    DirectLoss,
    KinematicLayer,
    LossWeights,
    _attention_divergence,
    preset,
    rotation_angle,
    wrapped,
)
from train.direct.metrics import score  # noqa: E402
from train.direct.network import DirectModel, NetworkConfig, plain_statistics  # noqa: E402
from train.errors import TrainError  # noqa: E402
from train.synth.people import PeopleStream  # noqa: E402
from train.synth.recipe import coded  # noqa: E402
from train.synth.shards import LabelledImage  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

LAYOUT = DirectLayout.of(load_skeleton())
N_C = len(LAYOUT.coordinates)


@pytest.fixture(scope="module")
def people(pool: PuppetPool, bodies_path: Path) -> PeopleStream:
    assert len(pool) == 24
    return recipe_of(bodies_path).open()


@pytest.fixture(scope="module")
def pictures(people: PeopleStream) -> list[LabelledImage]:
    return [
        coded(sample).decoded(str(k)) for block in range(2) for k, sample in enumerate(people.block(block))
    ]


@pytest.fixture(scope="module")
def batch(pictures: list[LabelledImage]) -> DirectBatch:
    return collate([example(picture, LAYOUT, 64) for picture in pictures])


def looking_at(uv: torch.Tensor, n_cells: int = 4) -> torch.Tensor:
    """Shares of the cells about points, by OpenCV. Shape: (n, k, n_cells, n_cells)."""
    place = ((uv + 1.0) * (0.5 * n_cells) - 0.5).clamp(0.0, n_cells - 1.0).numpy()
    maps = np.zeros((*uv.shape[:2], n_cells, n_cells), np.float32)
    for index in np.ndindex(*uv.shape[:2]):
        x, y = place[index]
        for row, column in np.ndindex(n_cells, n_cells):
            one = np.zeros((n_cells, n_cells), np.float32)
            one[row, column] = 1.0  # interpolated where the point is, it tells the cell's share
            at = np.full((1, 1), x, np.float32), np.full((1, 1), y, np.float32)
            maps[(*index, row, column)] = cv2.remap(one, *at, cv2.INTER_LINEAR)[0, 0]
    return torch.from_numpy(maps)


def truth_as_output(batch: DirectBatch) -> DirectOutput:
    n = len(batch)
    return DirectOutput(
        R_root=batch.R_root, q=batch.q[:, LAYOUT.coordinates], scale_factors=batch.scale_factors,
        pressure=torch.zeros(n, N_C), sigma=torch.full((n, N_C + 1), 0.1), joints_m=batch.joints_m,
        markers_m=batch.markers_m, joints_uv=batch.joints_uv, looking=looking_at(batch.joints_uv),
        presence=torch.full((n,), 50.0),
    )  # fmt: skip


def disturbed(batch: DirectBatch, seed: int = 0) -> DirectOutput:
    """The truth with errors of every kind, in double precision."""
    generator = torch.Generator().manual_seed(seed)

    def noise(x: torch.Tensor, size: float) -> torch.Tensor:
        return x.double() + size * torch.randn(x.shape, generator=generator, dtype=torch.float64)

    exact = truth_as_output(batch)
    assert exact.joints_m is not None and exact.markers_m is not None and exact.joints_uv is not None
    return exact._replace(
        R_root=rotation_from_6d(noise(batch.R_root[:, :, :2].transpose(1, 2).reshape(-1, 6), 0.2)),
        q=noise(exact.q, 0.3), scale_factors=noise(exact.scale_factors, 0.05),
        pressure=noise(torch.zeros(len(batch), N_C), 1.5), joints_m=noise(exact.joints_m, 0.1),
        markers_m=noise(exact.markers_m, 0.1), joints_uv=noise(exact.joints_uv, 0.1),
        presence=noise(torch.zeros(len(batch)), 1.0),
    )  # fmt: skip


def test_the_layout_gives_what_is_free_and_shares_left_and_right() -> None:
    skeleton = LAYOUT.skeleton
    assert N_C == 34 and "knee_angle_r" in LAYOUT.coordinate_names
    assert not any(name.startswith("pelvis_") for name in LAYOUT.coordinate_names)
    assert LAYOUT.n_scale_groups == 13
    for name in ("femur", "humerus", "toes"):
        right, left = (LAYOUT.scale_group[skeleton.body_index(f"{name}_{side}")] for side in "rl")
        assert right == left
    names = skeleton.marker_names
    assert names[LAYOUT.mirrored_marker[names.index("RKNE")]] == "LKNE"
    assert names[LAYOUT.mirrored_marker[names.index("LUMB")]] == "LUMB"
    for index in (LAYOUT.mirrored_body, LAYOUT.mirrored_marker):
        np.testing.assert_array_equal(index[index], np.arange(len(index)))
    assert len(LAYOUT.bony_markers) == 32


def test_the_skeletal_layer_puts_the_truth_where_the_labels_say(batch: DirectBatch) -> None:
    solved = KinematicLayer(LAYOUT)(truth_as_output(batch))
    np.testing.assert_allclose(solved.joints_m, batch.joints_m, atol=2e-5)
    np.testing.assert_allclose(solved.markers_m, batch.markers_m, atol=2e-5)


def test_the_truth_costs_nothing_but_its_uncertainty(batch: DirectBatch) -> None:
    every = LossWeights(**{f.name: 1.0 for f in fields(LossWeights)})
    terms = DirectLoss(LAYOUT, every, torch.ones(N_C))(truth_as_output(batch), batch)
    assert set(terms) == {f.name for f in fields(LossWeights)} | {"total"}
    surprise = float(terms.pop("surprise"))
    assert surprise == pytest.approx(math.log(0.1), abs=1e-4)
    assert max(float(v) for n, v in terms.items() if n != "total") < 2e-4


def test_gradients_of_the_losses_are_finite_differences(batch: DirectBatch) -> None:
    """Through the skeletal layer to coordinates, scale factors and the root, in double precision."""
    few = DirectBatch(**{f.name: getattr(batch, f.name)[:2].double() for f in fields(DirectBatch)})
    weights = LossWeights(root=1.0, coordinates=1.0, proportions=1.0, limits=1.0)
    loss = DirectLoss(LAYOUT, weights, torch.ones(N_C)).double()
    exact = disturbed(few)
    six = few.R_root[:, :, :2].transpose(1, 2).reshape(-1, 6).clone()

    def total(
        six: torch.Tensor, q: torch.Tensor, scale: torch.Tensor, pressure: torch.Tensor
    ) -> torch.Tensor:
        output = exact._replace(R_root=rotation_from_6d(six), q=q, scale_factors=scale, pressure=pressure)
        return loss(output, few)["total"]

    inputs = [six + 0.1, exact.q, exact.scale_factors, exact.pressure]
    assert torch.autograd.gradcheck(
        total, [x.clone().requires_grad_() for x in inputs], eps=1e-7, atol=1e-5, fast_mode=True
    )


def test_maps_are_told_where_joints_are() -> None:
    """Maps cost nothing where they look only at the joint, be it in a cell or between four."""
    uv = torch.tensor([[[-0.25, 0.75], [0.0, 0.5]]])
    sharp = looking_at(uv)
    assert sharp[0, 0, 3, 1] == 1.0 and sharp[0, 1, 2, 1] == 0.25
    even = torch.zeros(1, 1, 4, 4)
    even[0, 0, 2:, 1:3] = 0.25
    torch.testing.assert_close(_attention_divergence(sharp[:, :1], uv[:, :1]), torch.zeros(1, 1))
    torch.testing.assert_close(_attention_divergence(even, uv[:, 1:]), torch.zeros(1, 1))
    flat = torch.full((1, 2, 4, 4), 1.0 / 16.0)
    torch.testing.assert_close(
        _attention_divergence(flat, uv), torch.tensor([[math.log(16.0), math.log(4.0)]])
    )


def test_switched_off_terms_do_not_count(batch: DirectBatch) -> None:
    weights = preset("kinecast", ["joints", "markers", "points"])
    loss = DirectLoss(LAYOUT, weights, torch.ones(N_C)).double()
    terms = loss(disturbed(batch), batch)
    assert not {"joints", "markers", "points", "angles"} & terms.keys()
    assert {"coordinates", "root", "joints_2d"} <= terms.keys()
    with pytest.raises(TrainError, match="no term 'jionts' in the loss; accepted: joints, markers"):
        preset("d3ke", ["jionts"])


def test_d3kes_terms_by_hand(batch: DirectBatch) -> None:
    """Bittner et al.: L1 of joints and markers, smooth L1 of angles with its knee at a tenth of the range."""
    output = truth_as_output(batch)
    knee = LAYOUT.coordinate_names.index("knee_angle_r")
    width_deg = 155.0
    shifted = output.q.clone()
    shifted[:, knee] += math.radians(40.0)
    loss = DirectLoss(LAYOUT, PRESETS["d3ke"], torch.ones(N_C))
    terms = loss(output._replace(q=shifted), batch)
    widest = float(np.degrees((LAYOUT.upper - LAYOUT.lower).max()))
    expected = (40.0 - 0.5 * 0.1 * width_deg) * 2.0 ** (width_deg / widest) / N_C
    assert float(terms["angles"]) == pytest.approx(expected, rel=1e-4)
    moved = output._replace(scale_factors=output.scale_factors + 0.1)
    assert float(loss(moved, batch)["body"]) == pytest.approx(0.3, rel=1e-4)
    assert set(terms) == {"joints", "markers", "body", "angles", "total"}
    weighted = 1.0 * terms["joints"] + 2.0 * terms["markers"] + 0.1 * terms["body"] + 0.06 * terms["angles"]
    assert float(terms["total"]) == pytest.approx(float(weighted), rel=1e-6)


def test_pictures_without_anybody_teach_presence_alone(batch: DirectBatch) -> None:
    nobody = replace(batch, present=torch.zeros(len(batch)))
    loss = DirectLoss(LAYOUT, PRESETS["kinecast"], torch.ones(N_C)).double()
    terms = loss(disturbed(batch), nobody)
    assert float(terms["presence"]) > 0.1
    assert all(float(v) == 0.0 for n, v in terms.items() if n not in ("presence", "total"))


def test_rotation_angle_is_that_of_opencv() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(0.0, 1.0, (30, 3))
    R = np.stack([cv2.Rodrigues(v)[0] for v in vectors])
    expected = np.minimum(np.linalg.norm(vectors, axis=1), 2 * np.pi - np.linalg.norm(vectors, axis=1))
    eye = torch.eye(3, dtype=torch.float64).expand(30, 3, 3)
    np.testing.assert_allclose(rotation_angle(torch.from_numpy(R), eye), expected, atol=1e-6)


def test_coordinates_keep_to_their_limits_and_start_at_the_mean() -> None:
    statistics = plain_statistics(LAYOUT)
    mean = torch.from_numpy(0.7 * LAYOUT.lower + 0.3 * LAYOUT.upper).float()
    bounded = CoordinateRange(LAYOUT, mean, statistics.spread)
    np.testing.assert_allclose(bounded(torch.zeros(1, N_C))[0][0], mean, atol=1e-5)
    q, pressure = bounded(100.0 * torch.randn(500, N_C, generator=torch.Generator().manual_seed(0)))
    assert (q >= torch.from_numpy(LAYOUT.lower).float() - 1e-6).all()
    assert (q <= torch.from_numpy(LAYOUT.upper).float() + 1e-6).all()
    assert float(pressure.abs().max()) > 2.0
    small = bounded(torch.full((1, N_C), 0.1))[0][0] - mean
    np.testing.assert_allclose(small, 0.1 * statistics.spread, rtol=0.1)


def test_full_turns_have_no_end() -> None:
    turning = replace(
        LAYOUT, wraps=np.eye(N_C, dtype=bool)[3], lower=np.where(np.eye(N_C)[3], -np.pi, LAYOUT.lower),
        upper=np.where(np.eye(N_C)[3], np.pi, LAYOUT.upper),
    )  # fmt: skip
    bounded = CoordinateRange(turning, torch.zeros(N_C), torch.ones(N_C))
    x = torch.zeros(2, bounded.n_inputs)
    x[:, N_C] = -3.0  # cosine
    x[:, 3] = torch.tensor([0.02, -0.02])  # sine
    q, _ = bounded(x)
    assert float(q[0, 3] - q[1, 3]) > 6.2
    error = wrapped(q[:1] - q[1:], torch.from_numpy(turning.wraps))
    assert abs(float(error[0, 3])) < 0.03
    assert DirectModel(NetworkConfig(input_px=64), turning).eval()(
        torch.rand(1, 3, 64, 64), torch.zeros(1, 1)
    ).q.shape == (1, N_C)


@pytest.mark.parametrize("head", ["kinecast", "d3ke"])
def test_each_output_has_its_shape_and_sides_share_scale_factors(head: str) -> None:
    network = DirectModel(NetworkConfig(head=head, input_px=64), LAYOUT).eval()
    with torch.no_grad():
        output = network(torch.rand(3, 3, 64, 64), torch.zeros(3, 1))
    skeleton = LAYOUT.skeleton
    assert output.q.shape == (3, N_C) and output.scale_factors.shape == (3, skeleton.n_bodies, 3)
    right, left = (skeleton.body_index(f"tibia_{side}") for side in "rl")
    np.testing.assert_array_equal(output.scale_factors[:, right], output.scale_factors[:, left])
    identity = output.R_root @ output.R_root.transpose(1, 2)
    np.testing.assert_allclose(identity, np.eye(3)[None].repeat(3, 0), atol=1e-5)
    np.testing.assert_allclose(torch.linalg.det(output.R_root), 1.0, atol=1e-5)
    if head == "kinecast":
        assert output.joints_uv is not None and output.joints_uv.shape == (3, skeleton.n_bodies, 2)
        assert output.markers_m is not None and output.markers_m.shape == (3, skeleton.n_markers, 3)


def test_the_crops_camera_sees_the_person_as_the_crop_shows_them(pictures: list[LabelledImage]) -> None:
    """A pinhole turned to the crop's centre projects onto the crop by a homography, which OpenCV applies."""
    rng = np.random.default_rng(5)
    for picture in pictures:
        camera = picture.labels.camera
        roi = Roi(*rng.uniform(0.3, 0.7, 2) * (camera.width_px, camera.height_px), 300.0, rng.uniform(-1, 1))
        R_cam_crop = rotation_cam_crop(roi, camera.fx, camera.fy, camera.cx, camera.cy)
        np.testing.assert_allclose(R_cam_crop @ R_cam_crop.T, np.eye(3), atol=1e-12)
        K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])
        crop_from_image = np.linalg.inv(np.vstack([crop_matrix(roi, 64), [0, 0, 1]]))
        H = crop_from_image @ K @ R_cam_crop  # directions of the turned camera to crop pixels
        centre = cv2.perspectiveTransform(np.array([[[0.0, 0.0]]]), H)[0, 0]
        np.testing.assert_allclose(centre, [32.0, 32.0], atol=1e-6)
        # Just right of the axis in the turned camera is right in the crop, just below is below.
        right, below = cv2.perspectiveTransform(np.array([[[1e-4, 0.0], [0.0, 1e-4]]]), H)[0] - centre
        assert abs(right[1]) < 0.35 * right[0] and right[0] > 0
        assert abs(below[0]) < 0.35 * below[1] and below[1] > 0


def test_labels_in_the_crop_are_what_opencv_makes_of_the_scene(pictures: list[LabelledImage]) -> None:
    for picture in pictures:
        labels, camera = picture.labels, picture.labels.camera
        made = example(picture, LAYOUT, 64)
        K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])
        T_cam_ground = np.linalg.inv(camera.T_ground_cam)
        points = np.concatenate([labels.centres_m, labels.markers_m]).astype(np.float64)
        ahead = (points @ T_cam_ground[:3, :3].T + T_cam_ground[:3, 3])[:, 2] > 0.05
        rotation = cv2.Rodrigues(T_cam_ground[:3, :3])[0]
        uv_px = cv2.projectPoints(points, rotation, T_cam_ground[:3, 3], K, None)[0][:, 0]
        uv_px[~ahead] = np.nan
        roi = square_about(uv_px, camera.width_px, camera.height_px, MARGIN)
        assert roi is not None
        to_crop = cv2.invertAffineTransform(crop_matrix(roi, 2))
        expected = uv_px[: len(labels.centres_m)] @ to_crop[:, :2].T + to_crop[:, 2] - 1.0
        asked = np.asarray(made["joints_uv_weight"]) > 0
        np.testing.assert_allclose(np.asarray(made["joints_uv"])[asked], expected[asked], atol=2e-3)
        # The turned camera: the shortest turn that brings the optical axis to the crop's centre.
        ray = np.linalg.inv(K) @ [roi.centre_x_px, roi.centre_y_px, 1.0]
        ray /= np.linalg.norm(ray)
        axis = np.cross([0.0, 0.0, 1.0], ray)
        turn = cv2.Rodrigues(axis / np.linalg.norm(axis) * np.arccos(ray[2]))[0]
        in_camera = points @ T_cam_ground[:3, :3].T
        pelvis = LAYOUT.skeleton.body_index("pelvis")
        origin = labels.T_ground_body[pelvis, :3, 3] @ T_cam_ground[:3, :3].T
        joints_m = ((in_camera - origin) @ turn)[: len(labels.centres_m)]
        np.testing.assert_allclose(np.asarray(made["joints_m"]), joints_m, atol=1e-4)
        R_cam_pelvis = T_cam_ground[:3, :3] @ labels.T_ground_body[pelvis, :3, :3]
        np.testing.assert_allclose(np.asarray(made["R_root"]), turn.T @ R_cam_pelvis, atol=1e-5)


def test_regions_hold_the_person_and_follow_the_seed(pictures: list[LabelledImage]) -> None:
    points = np.array([[100.0, 50.0], [180.0, 400.0], [np.nan, 3.0]])
    roi = choose_region(points, 640, 480, None, Augmentation())
    assert roi == Roi(140.0, 225.0, 350.0 * MARGIN)
    assert square_about(points - 2000.0, 640, 480, MARGIN) is None
    one, same, other = (
        choose_region(points, 640, 480, np.random.default_rng(seed), Augmentation()) for seed in (1, 1, 2)
    )
    assert one == same != other


def test_cutting_is_opencvs_warp_of_the_frame(pictures: list[LabelledImage]) -> None:
    """A region of the stored image comes out as if it were cut from the camera's frame."""
    picture = pictures[0]
    A = picture.labels.camera.crop_from_frame
    inverse = np.linalg.inv(np.vstack([A, [0, 0, 1]]))
    middle = inverse[:2] @ [48.0, 48.0, 1.0]
    side = 96.0 * np.hypot(inverse[0, 0], inverse[1, 0])
    roll = np.arctan2(inverse[1, 0], inverse[0, 0])
    whole = cut(picture.image, A, Roi(*middle, side, roll), 96)
    difference = np.abs(whole.astype(int) - picture.image.astype(int))
    assert np.median(difference) == 0 and difference.mean() < 1.0


def test_varied_pictures_are_pictures_and_follow_the_seed(pictures: list[LabelledImage]) -> None:
    image = pictures[0].image
    for seed in range(40):
        one, same = (vary(image, np.random.default_rng(seed), Augmentation()) for _ in range(2))
        np.testing.assert_array_equal(one, same)
        assert one.shape == image.shape and one.dtype == np.uint8
    assert len({vary(image, np.random.default_rng(s), Augmentation()).tobytes() for s in range(8)}) == 8


def test_empty_regions_hold_nobody() -> None:
    occupied = np.zeros((96, 96), bool)
    occupied[:, 50:] = True
    found = [empty_region(occupied, np.random.default_rng(seed), 20) for seed in range(20)]
    squares = [roi for roi in found if roi is not None]
    assert squares and all(roi.centre_x_px + roi.size_px / 2 <= 50 for roi in squares)
    assert empty_region(np.ones((96, 96), bool), np.random.default_rng(0), 20) is None


def columns(batch: DirectBatch) -> Iterator[tuple[str, np.ndarray]]:
    for f in fields(DirectBatch):
        yield f.name, getattr(batch, f.name).numpy()


def test_two_mirrors_undo_each_other_and_one_keeps_the_skeleton(pictures: list[LabelledImage]) -> None:
    once, twice = [], []
    for picture in pictures:
        made = example(picture, LAYOUT, 64)
        once.append(mirrored(made, LAYOUT))
        twice.append(mirrored(once[-1], LAYOUT))
    plain = dict(columns(collate([example(picture, LAYOUT, 64) for picture in pictures])))
    for name, value in columns(collate(twice)):
        np.testing.assert_allclose(value, plain[name], atol=1e-6, err_msg=name)
    # Mirrored coordinates, sizes and root put the skeleton where the mirror shows the person: an
    # independent proof that signs, sides and axes of all of them fit together.
    mirror_image = collate(once)
    solved = KinematicLayer(LAYOUT)(truth_as_output(mirror_image))
    np.testing.assert_allclose(solved.joints_m, mirror_image.joints_m, atol=5e-3)
    np.testing.assert_allclose(solved.markers_m, mirror_image.markers_m, atol=5e-3)
    np.testing.assert_array_equal(mirror_image.image.numpy()[..., ::-1], plain["image"])
    np.testing.assert_allclose(torch.linalg.det(mirror_image.R_root), 1.0, atol=1e-5)


def test_the_truth_scores_nothing_and_a_known_error_scores_itself(batch: DirectBatch) -> None:
    class Oracle(torch.nn.Module):
        def __init__(self, shift_rad: float) -> None:
            super().__init__()
            self.shift = torch.nn.Parameter(torch.tensor(shift_rad))

        def forward(self, image: torch.Tensor, log_reach: torch.Tensor) -> DirectOutput:
            exact = truth_as_output(batch)
            return exact._replace(q=exact.q + self.shift)

    perfect = score(Oracle(0.0), LAYOUT, [batch])  # type: ignore[arg-type]
    assert perfect.angle_mae_deg < 0.05 and perfect.mpjpe_mm < 0.05 and perfect.body_scale_mae == 0.0
    off = score(Oracle(math.radians(10.0)), LAYOUT, [batch])  # type: ignore[arg-type]
    assert off.mae_deg["knee_angle_l"] == pytest.approx(10.0, abs=1e-3)
    assert off.angle_mae_deg == pytest.approx(10.0 * N_C / (N_C + 3), abs=0.05)
    assert off.mpjpe_mm > 10.0 and off.root_deg < 0.2
