"""The patch network learns, tells how surely, and is the same live as in training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from calib.camera import CameraCalibration
from calib.kinematics import joint_centres, marker_positions
from calib.skeleton import load_skeleton
from engines.blazepose.pose_landmark import N_LANDMARKS
from engines.blazepose.tracker import BlazePoseResult
from engines.building.network_inputs import load_inputs
from engines.errors import EngineError
from engines.features.patches import (
    IS_POINT,
    MAX_POINTS,
    N_CONTEXT,
    N_PATCHES,
    N_POINTS,
    PATCH_PX,
    POINT_NAMES,
    POINT_PATCH,
    POINT_SLOT,
    cut_patches,
    patch_context,
    patch_rois,
    points_to_image,
)
from engines.preprocess import Roi
from engines.shipped import shipped_lifter_path, shipped_patches_path
from engines.spec import load_spec
from realtime.cli import main
from realtime.estimators.patch_network import PatchNetwork as LivePatches
from train.blazepose.data import LiftData
from train.blazepose.pictures import read_images, save_images
from train.errors import TrainError
from train.patches import data as patches_data
from train.patches.data import MARGIN_PX, STORED_PX, PatchData, true_points_px
from train.patches.export import export_patches
from train.patches.fit import PatchOptions, fit_patches, look
from train.patches.network import PatchNetwork
from train.synth.people import SEED_END

SKELETON = load_skeleton()


def dots(n: int, seed: int) -> PatchData:
    """Patches of noise with a dot where all their points are, which cannot be seen in every fourth image."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 60, (n, N_PATCHES, STORED_PX, STORED_PX, 3)).astype(np.uint8)
    truth = np.full((n, N_PATCHES, MAX_POINTS, 2), np.nan, np.float32)
    for image in range(n):
        for patch in range(N_PATCHES):
            at = rng.uniform(-0.3, 0.3, 2)
            x, y = (STORED_PX / 2 + at * PATCH_PX).astype(int).tolist()
            if image % 4:
                cv2.circle(patches[image, patch], (x, y), 3, (250, 250, 250), -1)
            truth[image, patch, IS_POINT[patch]] = at
    return PatchData(patches, np.zeros((n, N_PATCHES, N_CONTEXT), np.float32), truth, np.zeros(n, np.int32))


def test_it_finds_what_it_was_shown_and_says_how_well() -> None:
    torch.manual_seed(0)
    learnt, others = dots(48, 1), dots(12, 2)
    network = fit_patches(learnt, PatchOptions(epochs=12, batch_images=6))
    found = look(network, others)
    is_seen = np.arange(len(others)) % 4 > 0
    error = np.abs(found[..., :2] - others.truth)[:, IS_POINT]
    at_rest = np.abs(others.truth[:, IS_POINT]).mean()
    assert error[is_seen].mean() < 0.5 * at_rest < 0.8 * error[~is_seen].mean()
    sigma = found[..., 2][:, IS_POINT]
    assert sigma[~is_seen].mean() > 1.5 * sigma[is_seen].mean()


def test_live_points_are_those_of_torch(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = PatchNetwork().eval()
    path = tmp_path / "patches.onnx"
    export_patches(network, SKELETON, path, "test")
    rng = np.random.default_rng(3)
    image = cv2.GaussianBlur(rng.integers(0, 255, (240, 320, 3)).astype(np.uint8), (0, 0), 2.0)
    landmarks_px = np.concatenate([rng.uniform(60, 200, (N_LANDMARKS, 2)), np.zeros((N_LANDMARKS, 1))], 1)
    seen = BlazePoseResult(
        landmarks_px, rng.normal(0, 0.3, (N_LANDMARKS, 3)), rng.uniform(0, 1, N_LANDMARKS),
        np.ones(N_LANDMARKS), 1.0, Roi(160.0, 120.0, 200.0, 0.1), np.zeros((2, 3)), False,
    )  # fmt: skip
    live = LivePatches(SKELETON, path).look(image, seen)
    rois = patch_rois(landmarks_px, seen.roi)
    patches = np.empty((N_PATCHES, PATCH_PX, PATCH_PX, 3), np.uint8)
    cut_patches(image, rois, patches)
    with torch.no_grad():
        pixels = torch.from_numpy(patches[..., ::-1].astype(np.float32) / 255.0).permute(0, 3, 1, 2)
        context = patch_context(landmarks_px, seen.visibility, rois)
        expected = network(pixels, torch.from_numpy(context)).numpy()[POINT_PATCH, POINT_SLOT]
    assert np.abs(live.landmarks_px[N_LANDMARKS:, :2] - points_to_image(expected[:, :2], rois)).max() < 0.01
    assert live.points_sigma_px is not None and len(live.points_sigma_px) == N_POINTS
    assert (live.landmarks_px[:N_LANDMARKS] == landmarks_px).all()
    assert len(live.world_m) == len(live.visibility) == len(live.presence) == N_LANDMARKS + N_POINTS
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(EngineError, match="do not belong together"):
        LivePatches(SKELETON, path)


def one_row(q: np.ndarray, factors: np.ndarray, camera: CameraCalibration) -> LiftData:
    """A row of lift data whose landmarks nobody asks for."""
    k, T = camera.intrinsics, camera.T_ground_cam
    centres_m = joint_centres(SKELETON, q, factors)
    one = np.float32
    return LiftData.from_rows(
        [
            {
                "landmarks_px": np.zeros((33, 3), one), "world_m": np.zeros((33, 3), one),
                "visibility": np.ones(33, one), "presence": np.ones(33, one), "roi": np.ones(4, one),
                "camera": np.array([k.fx, k.cx, k.cy], one), "R_ground_cam": T[:3, :3].astype(one),
                "q": q.astype(one), "scale_factors": factors.astype(one),
                "centres_cam_m": ((centres_m - T[:3, 3]) @ T[:3, :3]).astype(one), "adult": np.int32(0),
                "block": np.int32(0), "activity": "stand", "t_s": one(0.0),
            }
        ]
    )  # fmt: skip


def test_true_points_are_projected_markers() -> None:
    rng = np.random.default_rng(SEED_END % 97)
    q = SKELETON.q_default + rng.normal(0.0, 0.1, SKELETON.n_q) * SKELETON.is_rotational
    factors = rng.uniform(0.9, 1.1, (SKELETON.n_bodies, 3))
    camera = CameraCalibration.assumed(640, 480)
    T = camera.T_ground_cam.copy()
    T[:3, 3] += marker_positions(SKELETON, q, factors).mean(0) - T[:3, 3] - 3.0 * T[:3, 2]
    camera = replace(camera, T_ground_cam=T)
    rows = [SKELETON.marker_index(name) for name in POINT_NAMES]
    p_cam_m = (marker_positions(SKELETON, q, factors)[rows] - T[:3, 3]) @ T[:3, :3]
    k = camera.intrinsics
    expected_px, _ = cv2.projectPoints(p_cam_m, np.zeros(3), np.zeros(3), k.matrix, None)
    found_px = true_points_px(one_row(q, factors, camera), SKELETON, 0)
    assert np.abs(found_px - expected_px[:, 0]).max() < 0.02


def test_images_are_kept_beside_the_rows(tmp_path: Path) -> None:
    images = [
        cv2.GaussianBlur(
            np.random.default_rng(k).integers(0, 255, (60 + k, 80, 3)).astype(np.uint8), (0, 0), 3
        )
        for k in range(3)
    ]
    save_images(tmp_path / "0001-0000000.npz", images)
    read = list(read_images(tmp_path / "0001-0000000.npz"))
    assert [image.shape for image in read] == [image.shape for image in images]
    assert max(np.abs(a.astype(int) - b.astype(int)).mean() for a, b in zip(read, images, strict=True)) < 3.0
    with pytest.raises(TrainError, match="make it again: kinecast train lift-data"):
        list(read_images(tmp_path / "0002-0000000.npz"))


def test_inputs_of_engines_are_the_inner_patches_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "0001-0000000.npz").touch()
    cut = dots(5, 3)
    cut.context[:] = np.arange(cut.context.size).reshape(cut.context.shape)
    monkeypatch.setattr(patches_data, "cut_file", lambda path, skeleton: cut)
    out, words = tmp_path / "inputs.npz", ["--data", str(tmp_path), "--n", "12"]
    assert main(["train", "inputs", str(shipped_patches_path()), *words, "--out", str(out)]) == 0
    assert "12 patches; use them: kinecast engines build" in capsys.readouterr().out
    inputs = load_inputs(out, load_spec(shipped_patches_path()))
    for pixels, context in zip(*inputs.arrays, strict=True):
        image, patch = np.argwhere((cut.context == context).all(-1))[0]
        inner = cut.patches[image, patch, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX, ::-1]
        np.testing.assert_allclose(pixels.transpose(1, 2, 0), inner / 255.0, atol=1e-6)
    assert len(np.unique(inputs.arrays[1][:, 0])) == 12
    assert main(["train", "inputs", str(shipped_lifter_path()), *words, "--out", str(out)]) == 2
    assert (
        "accepted: networks of kinecast train export and of kinecast train patches" in capsys.readouterr().err
    )
