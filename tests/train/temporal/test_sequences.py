"""What the temporal network learns from, and that it is the same as what it meets live."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calib.camera import CameraCalibration  # noqa: E402
from calib.skeleton import Skeleton, load_skeleton  # noqa: E402
from engines.blazepose.tracker import BlazePoseResult  # noqa: E402
from engines.features.landmarks import LandmarkBatch  # noqa: E402
from engines.features.motion_metrics import load_motions  # noqa: E402
from engines.features.temporal import (  # noqa: E402
    N_PELVIS,
    UNDERRATED,
    OutputLayout,
    n_temporal_features,
)
from engines.preprocess import Roi  # noqa: E402
from engines.shipped import shipped_lifter_path  # noqa: E402
from realtime.cli import main  # noqa: E402
from realtime.estimators.lift_network import LiftNetwork  # noqa: E402
from realtime.pose.estimate import Estimate  # noqa: E402
from realtime.pose.temporal_network import TemporalNetwork  # noqa: E402
from realtime.sample import Status  # noqa: E402
from train.blazepose.data import LiftData  # noqa: E402
from train.lift.network import lifted_coordinates  # noqa: E402
from train.motion.library import MotionLibrary  # noqa: E402
from train.temporal.data import Dynamics, steadied_coordinates, temporal_clips  # noqa: E402
from train.temporal.export import export_temporal  # noqa: E402
from train.temporal.kinds import make_network  # noqa: E402
from train.temporal.loss import TemporalLossWeights, refine, temporal_loss  # noqa: E402
from train.temporal.training import STEADIED  # noqa: E402

FPS = 30.0
CAMERA = CameraCalibration.assumed(640, 480)


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def filmed(skeleton: Skeleton, activity: str, n: int = 60, seed: int = 0) -> LiftData:
    """A clip whose landmarks drift about: no network is asked whether they are anatomical."""
    rng = np.random.default_rng(seed)
    motion = MotionLibrary(skeleton).sample(rng, duration_s=n / FPS, fps=FPS, activity=activity)
    world = rng.normal(0.0, 0.3, (33, 3))
    world[24], world[23] = [-0.12, 0.0, 0.05], [0.12, 0.0, -0.05]
    k = CAMERA.intrinsics

    def same(value: np.ndarray) -> np.ndarray:
        return np.broadcast_to(value, (n, *np.shape(value))).astype(np.float32)

    return LiftData(
        landmarks_px=(same(rng.uniform(100, 400, (33, 3))) + rng.normal(0, 3, (n, 33, 3))).astype(np.float32),
        world_m=(same(world) + rng.normal(0, 0.01, (n, 33, 3))).astype(np.float32),
        visibility=same(rng.uniform(0.2, 1.0, 33)),
        presence=same(np.ones(33)),
        roi=same(np.array([300.0, 260.0, 300.0, 0.1])),
        camera=same(np.array([k.fx, k.cx, k.cy])),
        R_ground_cam=same(CAMERA.T_ground_cam[:3, :3]),
        q=motion.q.astype(np.float32),
        scale_factors=same(np.ones((skeleton.n_bodies, 3))),
        centres_cam_m=same(np.zeros((skeleton.n_bodies, 3))),
        adult=np.zeros(n, np.int32),
        block=np.zeros(n, np.int32),
        activity=np.full(n, activity),
        t_s=(np.arange(n) / FPS).astype(np.float32),
    )


def sequences(data: LiftData, skeleton: Skeleton, lift, **options) -> list[Sequence]:
    """With their targets taken apart."""
    n = len(steadied_coordinates(skeleton))
    clips = temporal_clips(data, Dynamics.of(data, skeleton), skeleton, lift, **options)
    return [
        Sequence(c.x, c.dt_s, c.target, c.target[:, :n], c.target[:, n : 2 * n], c.target[:, 2 * n :])
        for c in clips
    ]


class Sequence(NamedTuple):
    x: np.ndarray
    dt_s: np.ndarray
    target: np.ndarray
    q: np.ndarray
    qdot: np.ndarray
    contact: np.ndarray


def constant_lift(skeleton: Skeleton):
    n = len(lifted_coordinates(skeleton))
    return lambda batch: (
        np.full((len(batch.world_m), n), 0.1),
        np.full((len(batch.world_m), n), 0.05 / np.sqrt(UNDERRATED)),
    )


def test_speeds_are_slopes_and_unknown_across_gaps(skeleton: Skeleton) -> None:
    clip = filmed(skeleton, "squat")
    kept = np.r_[0:30, 45:60]
    (whole,), (cut,) = (
        sequences(data, skeleton, constant_lift(skeleton)) for data in (clip, clip.rows(kept))
    )
    knee = steadied_coordinates(skeleton).index("knee_angle_r")
    q, qdot = whole.q[:, knee], whole.qdot[:, knee]
    np.testing.assert_allclose(np.cumsum(qdot[:-1] + qdot[1:]) / (2 * FPS), q[1:] - q[0], atol=0.03)
    assert np.isnan(cut.qdot[29:31]).all() and np.isfinite(cut.qdot[:28]).all()
    assert cut.dt_s[30] == pytest.approx(16 / FPS, abs=1e-5) and cut.dt_s[0] == 0.0


def test_feet_rest_when_standing_and_swing_when_walking(skeleton: Skeleton) -> None:
    (standing,) = sequences(filmed(skeleton, "squat"), skeleton, constant_lift(skeleton))
    (walking,) = sequences(filmed(skeleton, "walk", 90), skeleton, constant_lift(skeleton))
    assert standing.contact.mean() > 0.95
    right, left = walking.contact.T
    assert 0.4 < right.mean() < 0.85 and 0.4 < left.mean() < 0.85
    assert np.maximum(right, left).mean() > 0.9  # one foot at least
    assert np.abs(right - left).mean() > 0.3  # and often one alone


def test_in_a_mirror_sides_are_exchanged(skeleton: Skeleton) -> None:
    clip = filmed(skeleton, "walk", 40)
    names = steadied_coordinates(skeleton)
    (seen,), (mirrored,) = (
        sequences(clip, skeleton, constant_lift(skeleton), flip=flip) for flip in (False, True)
    )
    for name in ("knee_angle", "hip_adduction", "arm_flex"):
        right, left = names.index(f"{name}_r"), names.index(f"{name}_l")
        np.testing.assert_allclose(mirrored.q[:, right], seen.q[:, left], atol=1e-5)
        np.testing.assert_allclose(mirrored.qdot[:, left], seen.qdot[:, right], atol=1e-4)
    np.testing.assert_array_equal(mirrored.contact, seen.contact[:, ::-1])


def test_zeros_change_nothing(skeleton: Skeleton) -> None:
    (sequence,) = sequences(filmed(skeleton, "walk", 20), skeleton, constant_lift(skeleton))
    n = len(steadied_coordinates(skeleton))
    assert sequence.x.shape == (20, n_temporal_features(n + N_PELVIS))
    refined = refine(torch.from_numpy(sequence.x), torch.zeros(20, OutputLayout(n).size))
    np.testing.assert_allclose(refined.q.numpy(), 0.1, atol=1e-6)
    np.testing.assert_allclose(refined.log_sigma.exp().numpy(), 0.05, rtol=1e-5)


def test_the_loss_prefers_the_truth(skeleton: Skeleton) -> None:
    (sequence,) = sequences(filmed(skeleton, "walk", 30), skeleton, constant_lift(skeleton))
    n = len(steadied_coordinates(skeleton))
    layout = OutputLayout(n)
    x = torch.from_numpy(sequence.x)[None]
    target = torch.from_numpy(sequence.target)[None]
    best = torch.zeros(1, 30, layout.size)
    best[..., layout.correction] = target[..., :n] - x[..., N_PELVIS : N_PELVIS + n]
    best[..., layout.speed] = target[..., n : 2 * n]
    best[..., layout.contact] = 20.0 * (target[..., 2 * n :] - 0.5)

    def loss(y: torch.Tensor) -> float:
        dt_s = torch.from_numpy(sequence.dt_s)[None]
        weights = TemporalLossWeights(surprise=0.0)
        return float(temporal_loss(x, y, target, dt_s, torch.full((n,), 0.3), weights))

    assert loss(best) < 1e-3
    for part in (layout.correction, layout.speed, layout.contact):
        worse = best.clone()
        worse[..., part] += torch.randn(worse[..., part].shape) * 0.3 - (part == layout.contact) * 30.0
        assert loss(worse) > loss(best) + 1e-3


def test_live_use_equals_training(skeleton: Skeleton, tmp_path: Path) -> None:
    """Landmarks of a clip through the live classes, frame by frame, and through the training's, at once."""
    torch.manual_seed(0)
    names = steadied_coordinates(skeleton)
    layout, n_in = OutputLayout(len(names)), n_temporal_features(len(names) + N_PELVIS)
    columns = range(N_PELVIS, N_PELVIS + len(names))
    network = make_network("tcn", n_in, layout.size, width=32, lines=columns)
    torch.nn.init.normal_(network.head.weight, std=0.05)
    path = tmp_path / "temporal.onnx"
    export_temporal(network, path, "temporal", coordinate_names=names, skeleton_sha=skeleton.sha)
    lifter, temporal = LiftNetwork(skeleton, CAMERA, shipped_lifter_path()), TemporalNetwork(skeleton, path)
    clip = filmed(skeleton, "walk", 40)
    clip = replace(clip, t_s=clip.t_s + np.where(np.arange(40) > 20, np.float32(0.3), np.float32(0.0)))

    def live_lift(batch: LandmarkBatch) -> tuple[np.ndarray, np.ndarray]:
        facing = [lifter.look(seen_in(clip, k)) for k in range(40)]
        return np.array([f.q for f in facing]), np.array([f.sigma for f in facing])

    (sequence,) = sequences(clip, skeleton, live_lift)
    x, dt_s = torch.from_numpy(sequence.x)[None], torch.from_numpy(sequence.dt_s)[None]
    with torch.no_grad():
        refined = refine(x, network.eval()(x, dt_s, torch.ones_like(dt_s, dtype=torch.bool)))
    index = temporal.index
    for k in range(40):
        lifted = lifter.lift(seen_in(clip, k))
        estimate = Estimate(
            lifted.q, lifted.confidence, np.ones((skeleton.n_bodies, 3)), Status.TRACKING, np.zeros(4),
            sigma=np.sqrt(UNDERRATED) * lifted.sigma,
        )  # fmt: skip
        live = temporal.refine(estimate, round(1e9 * float(clip.t_s[k])))
        expected = refined.q[0, k].numpy().astype(np.float64)
        np.testing.assert_allclose(live.q[index], expected, atol=2e-4)
        worse = np.maximum(refined.log_sigma[0, k].numpy(), np.log(estimate.sigma[index]))
        np.testing.assert_allclose(np.log(live.sigma[index]), worse, atol=2e-3)
        np.testing.assert_allclose(live.qdot[index], refined.qdot[0, k].numpy(), atol=2e-3)
        assert live.foot_contact.shape == (2,) and ((live.foot_contact > 0) & (live.foot_contact < 1)).all()
        moved = np.abs(live.q - estimate.q) > 0.0
        assert not moved[[k for k in range(skeleton.n_q) if k not in index]].any()
    assert 0.0 < temporal.lag_s < 0.2


def seen_in(clip: LiftData, k: int) -> BlazePoseResult:
    return BlazePoseResult(
        landmarks_px=clip.landmarks_px[k].astype(np.float64),
        world_m=clip.world_m[k].astype(np.float64),
        visibility=clip.visibility[k].astype(np.float64),
        presence=clip.presence[k].astype(np.float64),
        score=1.0,
        roi=Roi(*(float(v) for v in clip.roi[k])),
        auxiliary_px=np.zeros((2, 3)),
        detected=False,
    )


def test_clips_are_told_apart_and_blocks_stay_together(skeleton: Skeleton) -> None:
    clips = [
        replace(filmed(skeleton, "stand", n), block=np.full(n, b, np.int32)) for n, b in ((5, 0), (7, 1))
    ]
    both = LiftData(**{f.name: np.concatenate([getattr(c, f.name) for c in clips]) for f in fields(LiftData)})
    assert list(both.clips()) == [slice(0, 5), slice(5, 12)]
    pictures = replace(both, t_s=np.zeros(12, np.float32))
    assert list(pictures.clips()) == [slice(0, 5), slice(5, 12)]
    again = replace(both, block=np.zeros(12, np.int32))  # clip 0 of two folders
    assert list(again.clips()) == [slice(0, 5), slice(5, 12)]


def test_the_command_fits_compares_and_exports(skeleton: Skeleton, tmp_path: Path) -> None:
    for name, seed in (("clips", 0), ("others", 1)):
        (tmp_path / name).mkdir()
        filmed(skeleton, "walk", 50, seed).save(tmp_path / name / "clip.npz")
    out, motions = tmp_path / "temporal.onnx", tmp_path / "motions.npz"
    command = [
        "train",
        "temporal",
        str(tmp_path / "clips"),
        "--held-out",
        str(tmp_path / "others"),
        "--out",
        str(out),
    ]
    budget = ["--epochs", "1", "--steps", "2", "--batch", "4", "--motions", str(motions)]
    assert main([*command, *budget, "--kind", "tcn", "gru"]) == 0
    temporal = TemporalNetwork(skeleton, out)
    assert len(temporal.index) == len(steadied_coordinates(skeleton))
    (motion,) = load_motions(motions)
    assert list(motion.estimates_deg) == ["lifter", "tcn", "gru"]
    assert motion.names == STEADIED and len(motion.t_s) == 50
    steps = {name: np.abs(np.diff(values, axis=0)).mean() for name, values in motion.estimates_deg.items()}
    assert steps["tcn"] < steps["lifter"] and steps["gru"] < steps["lifter"]
