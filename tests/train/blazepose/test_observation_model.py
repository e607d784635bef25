"""The observation model: without errors it says the truth, it never looks ahead, and files keep it."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from calib.camera import CameraCalibration
from calib.kinematics import marker_positions
from calib.skeleton import Skeleton, load_skeleton
from train.blazepose.data import LiftData
from train.bodies.puppet import PuppetPool
from train.errors import TrainError
from train.motion.library import MotionLibrary

pytest.importorskip("torch", reason="training needs the extra 'train'")
from tests.support.observers import noisy_model, perfect_model
from train.blazepose import simulated_files
from train.blazepose.events import (
    NO_EVENTS,
    SWAPS,
    EventRates,
    draw_found,
    draw_swaps,
    exchange,
    find_swaps,
    measure_events,
    runs,
)
from train.blazepose.files import load_model, save_model
from train.blazepose.fit import LabelledObservations, fit_observation, split_sources
from train.blazepose.model import (
    N_PLACE,
    ObservationModel,
    follow_region,
    place_targets,
    region_targets,
)
from train.blazepose.network import MeanNetwork, MeanOptions, fit_mean
from train.blazepose.points import (
    MARKER_PAIRS,
    N_FEATURES,
    TrueView,
    mirrored_view,
    ray_rotations,
    true_points,
    true_view,
    view_features,
)
from train.blazepose.simulate import ANCHOR_MARKERS, MovingBodies, observed_again, simulated_clips
from train.bodies.surface_landmarks import ANCHORS
from train.commands.observe import add_arguments, run
from train.scene.cameras import look_at

pytestmark = pytest.mark.usefixtures("one_torch_thread")
T_S = np.arange(60) / 30.0


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def perfect() -> ObservationModel:
    return perfect_model()


@pytest.fixture(scope="module")
def noisy() -> ObservationModel:
    return noisy_model()


@pytest.fixture(scope="module")
def camera() -> CameraCalibration:
    T = look_at(np.array([3.0, 1.4, 0.7]), np.array([0.0, 0.9, 0.0]), 0.05)
    return replace(CameraCalibration.assumed(384, 384), T_ground_cam=T)


@pytest.fixture(scope="module")
def squat(skeleton: Skeleton, camera: CameraCalibration) -> LiftData:
    """A filmed person; what BlazePose says is left at zero."""
    q = (
        MotionLibrary(skeleton)
        .sample(np.random.default_rng(0), duration_s=2.0, activity="squat")
        .q[: len(T_S)]
    )
    n, k, T = len(q), camera.intrinsics, camera.T_ground_cam
    from calib.kinematics import joint_centres

    centres = np.array([joint_centres(skeleton, qk) for qk in q])
    zeros = np.zeros((n, 33), np.float32)
    return LiftData(
        np.zeros((n, 33, 3), np.float32), np.zeros((n, 33, 3), np.float32), zeros, zeros,
        np.ones((n, 4), np.float32), np.tile([k.fx, k.cx, k.cy], (n, 1)).astype(np.float32),
        np.tile(T[:3, :3], (n, 1, 1)).astype(np.float32), q.astype(np.float32),
        np.ones((n, skeleton.n_bodies, 3), np.float32), ((centres - T[:3, 3]) @ T[:3, :3]).astype(np.float32),
        np.zeros(n, np.int32), np.zeros(n, np.int32), np.full(n, "squat"), T_S[:n].astype(np.float32),
    )  # fmt: skip


@pytest.fixture(scope="module")
def view(squat: LiftData, skeleton: Skeleton) -> TrueView:
    return true_view(squat, skeleton)


def test_each_landmark_has_markers_of_its_own_side(skeleton: Skeleton):
    from engines.blazepose.pose_landmark import PoseLandmark

    for landmark, pair in zip(PoseLandmark, MARKER_PAIRS, strict=True):
        sides = {marker[0] for marker in pair if marker not in ("NOSE", "CHIN")}
        name = landmark.name
        assert sides == ({"L"} if "LEFT" in name else {"R"} if "RIGHT" in name else set()) or "MOUTH" in name
        for marker in pair:
            skeleton.marker_index(marker)


def test_truth_is_projected_as_the_camera_projects(
    view: TrueView, squat: LiftData, skeleton: Skeleton, camera: CameraCalibration
):
    scale = squat.scale_factors.astype(np.float64)
    points = true_points(skeleton, squat.q.astype(np.float64), scale)
    np.testing.assert_allclose(view.projected_px(), camera.project(points), atol=0.02)
    knee = marker_positions(skeleton, squat.q[7].astype(np.float64))[skeleton.marker_index("LKJC")]
    np.testing.assert_allclose(points[7, 25], knee, atol=1e-9)


def test_a_perfect_model_says_the_truth(
    perfect: ObservationModel, view: TrueView, squat: LiftData, skeleton: Skeleton, camera: CameraCalibration
):
    said = perfect.observe(view, T_S, np.random.default_rng(0))
    points = true_points(skeleton, squat.q.astype(np.float64), squat.scale_factors.astype(np.float64))
    np.testing.assert_allclose(said.landmarks_px[..., :2], camera.project(points), atol=0.03)
    turned = np.einsum("nij,nkj->nki", ray_rotations(view, said.roi.astype(np.float64)), said.world_m)
    in_ground = turned @ camera.T_ground_cam[:3, :3].T
    expected = points - 0.5 * (points[:, 23:24] + points[:, 24:25])
    np.testing.assert_allclose(in_ground, expected, atol=1e-4)
    assert said.found.all() and not said.swapped.any()


def test_targets_of_the_truth_are_zero(perfect: ObservationModel, view: TrueView, squat: LiftData):
    (said,) = observed_again(perfect, squat, view, np.random.default_rng(0))
    assert np.abs(place_targets(said, view)).max() < 1e-4
    assert not find_swaps(said, view).any()


def test_the_same_seed_says_the_same(noisy: ObservationModel, view: TrueView):
    one, two, other = (noisy.observe(view, T_S, np.random.default_rng(seed)) for seed in (5, 5, 6))
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name))
    assert not np.allclose(one.world_m, other.world_m)


@pytest.mark.parametrize("seed", range(8))
def test_the_future_changes_nothing(noisy: ObservationModel, view: TrueView, seed: int):
    later = T_S > 1.0
    shift = np.where(later[:, None, None], np.array([0.4, -0.2, 0.5]), 0.0)
    moved = replace(view, points_cam_m=view.points_cam_m + shift)
    one, other = (noisy.observe(v, T_S, np.random.default_rng(seed)) for v in (view, moved))
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        np.testing.assert_allclose(a[~later], b[~later], atol=1e-5)
    assert not np.allclose(one.landmarks_px[later], other.landmarks_px[later], atol=1.0)


def test_features_of_a_mirrored_view_mirror(view: TrueView):
    region = view.nominal_region()
    flipped = mirrored_view(mirrored_view(view))
    np.testing.assert_allclose(view_features(flipped, region), view_features(view, region), atol=1e-6)
    shown = mirrored_view(view).projected_px()
    np.testing.assert_allclose(
        shown[:, 26, 0], 2.0 * view.camera[:, 1] - view.projected_px()[:, 25, 0], atol=1e-6
    )


def test_a_region_at_rest_stays_where_it_was_found(view: TrueView):
    still = view.rows(np.zeros(len(T_S), dtype=np.int64))
    targets = np.tile([0.02, -0.01, 0.05, -0.4], (len(T_S), 1))
    roi = follow_region(still, targets, np.zeros_like(targets), T_S)
    assert np.ptp(roi, 0).max() < 1e-9
    np.testing.assert_allclose(region_targets(roi, still), targets, atol=1e-9)


def test_exchanging_twice_changes_nothing_and_once_is_found(
    perfect: ObservationModel, view: TrueView, squat: LiftData
):
    (said,) = observed_again(perfect, squat, view, np.random.default_rng(0))
    for kind in range(len(SWAPS)):
        swapped = np.zeros((len(said), len(SWAPS)), dtype=bool)
        swapped[10:20, kind] = True
        once = exchange(said, swapped)
        np.testing.assert_array_equal(find_swaps(once, view), swapped)
        np.testing.assert_array_equal(exchange(once, swapped).world_m, said.world_m)
        assert LabelledObservations(once, view).data is once


def test_events_happen_at_the_rates_asked_for(view: TrueView):
    long = view.rows(np.zeros(30000, dtype=np.int64))
    t_s = np.arange(30000) / 30.0
    rates = EventRates(
        np.array([[0.2, 0.0], [0.1, 0.0], [0.05, 0.0]]),
        ((0.5,), (0.2, 0.4), (1.0,)),
        np.full(3, 0.1),
        (0.5,),
        (),
        0.1,
    )
    swapped = draw_swaps(rates, long, t_s, np.random.default_rng(0))
    assert swapped.sum(1).max() == 1
    free = (~swapped.any(1)).sum() / 30.0
    counts = [len(runs(swapped[:, kind])) for kind in range(len(SWAPS))]
    np.testing.assert_allclose(np.array(counts) / free, [0.2, 0.1, 0.05], rtol=0.35)
    assert swapped[:, 0].sum() / 30.0 == pytest.approx(0.5 * counts[0], rel=0.1)
    found = draw_found(rates, np.ones(30000), t_s, np.random.default_rng(1))
    gaps = len(runs(~found))
    assert gaps / (found.sum() / 30.0) == pytest.approx(0.1, rel=0.3)
    assert not draw_found(rates, np.full(30000, 0.05), t_s, np.random.default_rng(1)).any()


def test_measured_rates_are_those_of_the_events(perfect: ObservationModel, view: TrueView, squat: LiftData):
    (said,) = observed_again(perfect, squat, view, np.random.default_rng(0))
    swapped = np.zeros((len(said), len(SWAPS)), dtype=bool)
    swapped[12:18, 0] = True
    kept = np.ones(len(said), dtype=bool)
    kept[30:40] = False
    rates = measure_events(exchange(said, swapped).rows(kept), view.rows(kept))
    assert rates.swaps_hz[0].sum() == pytest.approx(1.0 / ((kept.sum() + 1) / 30.0), rel=0.05)
    np.testing.assert_allclose(rates.swaps_s[0], 0.2, atol=1e-3)
    np.testing.assert_allclose(rates.losses_s, 11 / 30.0, atol=1e-3)
    assert (rates.losses_hz > 0).sum() == 1


def test_a_network_learns_a_simple_mean():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 5)).astype(np.float32)
    y = np.stack([x[:, 0] * 2.0, np.where(x[:, 1] > 0, np.nan, 3.0)], 1).astype(np.float64)
    network = fit_mean(x, y, MeanOptions(steps=400, width=32, input_noise=0.0))
    answer = network.mean(x)
    assert np.sqrt(np.mean((answer[:, 0] - y[:, 0]) ** 2)) < 0.25
    np.testing.assert_allclose(answer[:, 1], 3.0, atol=0.05)


def test_a_model_is_kept_by_its_files(noisy: ObservationModel, view: TrueView, tmp_path: Path):
    path = tmp_path / "model.safetensors"
    save_model(noisy, path)
    one, other = (m.observe(view, T_S, np.random.default_rng(3)) for m in (noisy, load_model(path)))
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_damaged_model_is_refused(noisy: ObservationModel, tmp_path: Path, suffix: str):
    path = tmp_path / "model.safetensors"
    save_model(noisy, path)
    path.with_suffix(suffix).write_bytes(b"{}")
    with pytest.raises(TrainError, match="kinecast train observe"):
        load_model(path)


def test_anchors_are_named_as_cameras_name_them():
    assert tuple(ANCHOR_MARKERS) == ANCHORS


def test_clips_are_like_rendered_ones(noisy: ObservationModel, pool: PuppetPool):
    bodies = MovingBodies(pool, MotionLibrary(pool.skeleton))
    one, two = (simulated_clips(noisy, bodies, np.random.default_rng(1), 3, duration_s=3.0) for _ in range(2))
    for field in fields(one):
        a = getattr(one, field.name)
        np.testing.assert_array_equal(a, getattr(two, field.name))
        assert len(a) == len(one) and (a.dtype.kind in "iU" or np.isfinite(a).all())
    rows = list(one.clips())
    assert len(rows) == 3 and [int(one.block[r][0]) for r in rows] == [0, 1, 2]
    assert all((np.diff(one.t_s[r]) > 0).all() and np.ptp(one.adult[r]) == 0 for r in rows)
    # Joint centres, camera and coordinates tell the same story.
    view = true_view(one, pool.skeleton)
    hips = one.centres_cam_m[:, pool.skeleton.body_index("femur_l")]
    np.testing.assert_allclose(view.points_cam_m[:, 23], hips, atol=0.03)


def test_fitting_tells_what_is_missing(squat: LiftData, skeleton: Skeleton):
    with pytest.raises(TrainError, match="lift-data"):
        split_sources([squat])
    with pytest.raises(TrainError, match="too few"):
        fit_observation(squat.rows(slice(0, 3)), squat, skeleton)


def test_a_fit_recovers_an_offset_and_its_clip_constant(
    noisy: ObservationModel, squat: LiftData, view: TrueView, skeleton: Skeleton
):
    """Images and clips of a model that puts both wrists 5 cm too far away and trembles by 2 cm."""
    biased = replace(noisy, place=MeanNetwork(N_FEATURES + 33, N_PLACE, width=8), events=NO_EVENTS)
    biased.place.target_mean[[15 * 3 + 2, 16 * 3 + 2]] = 0.05
    rng = np.random.default_rng(0)
    clips = [replace(c, block=np.full(len(c), k, np.int32)) for k in range(60)
             for c in observed_again(biased, squat, view, rng)]  # fmt: skip
    from train.blazepose.simulate import concatenated

    clip_data = concatenated(clips)
    pictures = replace(
        clip_data, t_s=np.zeros(len(clip_data), np.float32), adult=(clip_data.block % 12).astype(np.int32)
    )
    model = fit_observation(pictures, clip_data, skeleton, MeanOptions(steps=60, width=16))
    said = np.concatenate([place_targets(c, view) for c in observed_again(model, squat, view, rng)])
    mean = np.mean(
        [model.place.mean(LabelledObservations(c, view).place_inputs())[:, 50].mean() for c in clips[:5]]
    )
    assert mean == pytest.approx(0.05, abs=0.01)
    assert np.sqrt(model.place_variance.mean()) == pytest.approx(0.02, rel=0.25)
    share = model.place_noise.variance.sum(0) / model.place_noise.variance.sum()
    # In clips of two seconds the first two parts are hard to tell apart.
    np.testing.assert_allclose([share[:2].sum(), share[2], share[3:].sum()], [0.4, 0.2, 0.4], atol=0.15)
    assert said.std() == pytest.approx(0.02, rel=0.5)


def test_the_command_fits_saves_and_compares(
    noisy: ObservationModel,
    squat: LiftData,
    view: TrueView,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    rng = np.random.default_rng(0)
    model = replace(noisy, events=NO_EVENTS)
    clips = [
        replace(clip, block=np.full(len(clip), k, np.int32))
        for k in range(6)
        for clip in observed_again(model, squat, view, rng)
    ]
    for name in ("clips", "pictures"):
        (tmp_path / name).mkdir()
    for k, clip in enumerate(clips):
        clip.save(tmp_path / "clips" / f"{k}.npz")
        adult = np.full(len(clip), k, np.int32)
        still = replace(clip, t_s=np.zeros(len(clip), np.float32), adult=adult)
        still.save(tmp_path / "pictures" / f"{k}.npz")
    folders, out = [str(tmp_path / name) for name in ("pictures", "clips")], tmp_path / "model.safetensors"
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args([*folders, "--out", str(out), "--steps", "5", "--check", folders[1]])) == 0
    assert load_model(out).clock.at_rest > 0.0
    shown = capsys.readouterr().out
    assert "lifter mean deg" in shown and "swapped legs %" in shown
    with pytest.raises(TrainError, match=r"must end in \.safetensors"):
        run(parser.parse_args([*folders, "--out", str(tmp_path / "model.bin")]))


def test_simulated_clips_go_to_files_once(
    noisy: ObservationModel, pool: PuppetPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(simulated_files, "CLIPS_PER_FILE", 1)
    # In this process: the fixtures' bodies serve, and nothing is opened twice.
    monkeypatch.setattr(simulated_files, "PuppetPool", lambda skeleton: pool)
    monkeypatch.setattr(
        simulated_files, "make_files", lambda folder, make, starts, workers, cluster: map(make, starts)
    )
    model = tmp_path / "model.safetensors"
    save_model(noisy, model)
    folder = tmp_path / "clips"
    folder.mkdir()
    simulation = simulated_files.Simulation(model, seed=3)
    assert list(simulated_files.make_simulated_clips(folder, simulation, 1, 1)) == [1]
    before = LiftData.load(folder)
    assert list(simulated_files.make_simulated_clips(folder, simulation, 2, 1)) == [2]
    after = LiftData.load(folder)
    assert len(list(after.clips())) == 2
    np.testing.assert_array_equal(after.landmarks_px[: len(before)], before.landmarks_px)
    assert np.median(np.diff(before.t_s)) == pytest.approx(1.0 / 3.0, rel=0.2)
    with pytest.raises(TrainError, match="observe"):
        list(simulated_files.make_simulated_clips(folder, simulated_files.Simulation(tmp_path / "no"), 3, 1))
