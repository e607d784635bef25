"""Engines of the patch network: proved by its points, built in every precision, and run by live use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="engines are built with the extra engines")
pytest.importorskip("onnxruntime", reason="engines are built with the extra engines")

from calib.camera import CameraCalibration  # noqa: E402
from calib.skeleton import load_skeleton  # noqa: E402
from engines.blazepose.pose_landmark import N_LANDMARKS  # noqa: E402
from engines.blazepose.tracker import BlazePoseResult  # noqa: E402
from engines.building import build as build_module  # noqa: E402
from engines.building.build import Source, build_all, build_engine  # noqa: E402
from engines.building.folder import load_engine  # noqa: E402
from engines.building.manifest import Speed  # noqa: E402
from engines.building.network_inputs import NetworkInputs, random_inputs, run_network  # noqa: E402
from engines.building.parity import answer_changes, measure_of, point_changes_percent  # noqa: E402
from engines.errors import EngineError  # noqa: E402
from engines.features.patches import IS_POINT, KINDS, MAX_POINTS, N_PATCHES, N_POINTS  # noqa: E402
from engines.preprocess import Roi  # noqa: E402
from engines.runtimes import cuda  # noqa: E402
from engines.runtimes.available import LIMIT_PERCENT, Precision, Runtime, find_backend  # noqa: E402
from engines.runtimes.onnxruntime_engine import OnnxruntimeEngine  # noqa: E402
from engines.selection import EngineChoice  # noqa: E402
from engines.shipped import shipped_patches_path  # noqa: E402
from engines.spec import TensorSpec, load_spec  # noqa: E402
from realtime.estimators.build import make_estimator  # noqa: E402
from realtime.estimators.patch_network import PatchNetwork  # noqa: E402
from realtime.options import EstimatorOptions  # noqa: E402
from tests.support.engine_networks import patches_of, write_picture_network  # noqa: E402
from tests.support.fake_tensorrt import FakeGpu, install  # noqa: E402
from tests.support.published import published  # noqa: E402

PATH = shipped_patches_path()
SKELETON = load_skeleton()
SIDES = np.repeat([kind.side for kind in KINDS], 2)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(build_module, "TIMED_S", 0.01)
    # Noise is nothing that the network knows: 8 bits move its points ten times as far as those of people.
    monkeypatch.setitem(LIMIT_PERCENT, Precision.INT8, 5.0)
    inputs = patches_of(12)
    return Source(PATH, load_spec(PATH), inputs.part(slice(64)), inputs.part(slice(64, None)))


def moved(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Changes in % of the region, without the code under test. Shape: (n_images * N_POINTS,)."""
    by_image = (found - wanted).reshape(-1, N_PATCHES, MAX_POINTS, 3)
    return 100.0 * (np.sqrt((by_image**2).sum(-1)) * SIDES[:, None])[:, IS_POINT].ravel()


def test_engines_of_every_precision_are_proved_by_their_points(source: Source, tmp_path: Path) -> None:
    outcomes = [o for o in build_all(source, tmp_path, unit="cpu") if not o.backend.problem]
    names = {o.name for o in outcomes}
    assert {"openvino on cpu fp32", "openvino on cpu int8", "onnxruntime on cpu int8"} <= names
    (wanted,) = run_network(OnnxruntimeEngine(PATH), source.comparison)
    for outcome in outcomes:
        assert outcome.folder is not None and outcome.manifest is not None, outcome.problem
        assert outcome.precision is not None
        (found,) = run_network(load_engine(outcome.folder).engine, source.comparison)
        percent, parity = moved(found, wanted), outcome.manifest.parity
        assert (parity.what, parity.unit, parity.n_inputs) == ("points", "% of the region", 32)
        np.testing.assert_allclose(
            [parity.mean, parity.max], [percent.mean(), percent.max()], rtol=0.02, atol=1e-6
        )
        assert percent.mean() <= LIMIT_PERCENT[outcome.precision]
        assert (percent.mean() > 1e-3) == (outcome.precision is Precision.INT8)
        assert outcome.manifest.n_threads == 1


def test_points_that_move_too_far_are_refused(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMIT_PERCENT, Precision.INT8, 1e-4)
    with pytest.raises(
        EngineError, match=r"int8 changes the points by .* % of the region .* up to 0\.0001"
    ) as caught:
        build_engine(source, find_backend(Runtime.OPENVINO, "cpu"), Precision.INT8, tmp_path)
    assert caught.value.name == "parity" and caught.value.accepted == (0.0, 1e-4)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_change_is_one_of_the_region_and_sigmas_count() -> None:
    reference = np.zeros((2, MAX_POINTS, 3), np.float32)
    found = reference.copy()
    found[0, 1] = (0.03, 0.04, 0.0)
    found[1, 2] = (0.0, 0.0, 0.02)
    found[1, 4] = 9.0  # a knee has three points
    percent = point_changes_percent(np.array([0, 1]), reference, found)
    assert percent[0, 1] == pytest.approx(100 * 0.05 * 0.19) and percent[1, 2] == pytest.approx(
        100 * 0.02 * 0.19
    )
    assert np.isnan(percent[1, 3:]).all() and np.isfinite(percent).sum() == 8
    assert np.nansum(percent) == pytest.approx(0.95 + 0.38)


def test_what_gives_neither_angles_nor_points_is_refused(source: Source) -> None:
    for change in ({"outputs": (TensorSpec("points", (4, 3)),)}, {"inputs": (TensorSpec("x", (1,)),)}):
        with pytest.raises(EngineError, match="none of these are angles or points") as caught:
            measure_of(replace(source.spec, **change))  # type: ignore[arg-type]
        assert caught.value.name == "outputs" and caught.value.value == ("points",)
    (wanted,) = run_network(OnnxruntimeEngine(PATH), source.comparison)
    with pytest.raises(EngineError, match="'points' is not finite"):
        answer_changes(source.spec, source.comparison.arrays, [wanted], [np.full_like(wanted, np.nan)])
    noise = random_inputs(source.spec)
    with pytest.raises(EngineError, match="8 bits need typical inputs of patches") as caught:
        _ = Source(PATH, source.spec, noise, noise).int8
    assert caught.value.name == "inputs"


@pytest.mark.parametrize("precision", Precision)
def test_tensorrt_takes_patches(
    source: Source, tmp_path: Path, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the recorded fake, which runs the ONNX file that TensorRT would compile."""
    monkeypatch.setattr(cuda, "DRIVER_FILE", tmp_path / "none")
    install(monkeypatch, FakeGpu(), "tensorrt")
    folder, manifest = build_engine(source, find_backend(Runtime.TENSORRT, "cuda"), precision, tmp_path / "e")
    assert manifest.parity.mean <= LIMIT_PERCENT[precision] and manifest.n_threads is None
    assert (manifest.parity.mean > 1e-5) == (precision is not Precision.FP32)
    network = PatchNetwork(SKELETON, PATH, EngineChoice(root=folder.parents[1]))
    assert f"NVIDIA Fake 9000, compute 9.0, driver for CUDA 13.1, {precision.value}" in network.description


def seen() -> tuple[np.ndarray, BlazePoseResult]:
    rng = np.random.default_rng(3)
    landmarks_px = np.concatenate([rng.uniform(60, 200, (N_LANDMARKS, 2)), np.zeros((N_LANDMARKS, 1))], 1)
    result = BlazePoseResult(
        landmarks_px, rng.normal(0, 0.3, (N_LANDMARKS, 3)), rng.uniform(0, 1, N_LANDMARKS),
        np.ones(N_LANDMARKS), 1.0, Roi(160.0, 120.0, 200.0, 0.1), np.zeros((2, 3)), False,
    )  # fmt: skip
    return rng.integers(0, 255, (240, 320, 3)).astype(np.uint8), result


def test_live_use_takes_the_fastest_engine_and_says_which(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = PatchNetwork(SKELETON, PATH, EngineChoice(root=tmp_path))
    assert "from the reference" not in plain.description
    for p50_ms, precision in ((3.0, Precision.FP32), (1.0, Precision.INT8)):
        monkeypatch.setattr(build_module, "measure", lambda *a, ms=p50_ms: Speed(ms, ms, 1))
        build_engine(source, find_backend(Runtime.OPENVINO, "cpu"), precision, tmp_path)
    live, replay = (PatchNetwork(SKELETON, PATH, EngineChoice(root=tmp_path)) for _ in range(2))
    assert ", int8, 1 threads, " in live.description and "% of the region" in live.description
    image, result = seen()
    found = [network.look(image, result).landmarks_px for network in (plain, live, replay)]
    assert found[1].tobytes() == found[2].tobytes() != found[0].tobytes()
    assert np.abs(found[1] - found[0]).max() < 0.2 * result.roi.size_px
    assert len(found[1]) == N_LANDMARKS + N_POINTS


def test_an_estimator_names_the_engine_of_its_patches(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published("pose_landmark_full"), published("pose_detection")
    build_engine(source, find_backend(Runtime.OPENVINO, "cpu"), Precision.INT8, tmp_path)
    camera = CameraCalibration.assumed(640, 480)
    for patches, named in ((True, True), (False, False)):
        options = EstimatorOptions(engines_dir=tmp_path, offline=True, patches=patches)
        assert (", int8, 1 threads" in make_estimator(options, camera).description) == named


def test_another_network_is_no_patch_network(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    write_picture_network(path)
    with pytest.raises(
        EngineError, match="no patch network: it takes image, log_reach, 1 at a time"
    ) as caught:
        PatchNetwork(SKELETON, path, EngineChoice(root=tmp_path))
    assert caught.value.name == "model_path" and caught.value.accepted == ("patches", "context")


def test_patches_for_another_skeleton_are_refused(tmp_path: Path) -> None:
    other = replace(SKELETON, sha="0" * 64)
    with pytest.raises(EngineError, match=r"network patches was trained with skeleton .*000\. ") as caught:
        PatchNetwork(other, PATH, EngineChoice(root=tmp_path))
    assert caught.value.name == "skeleton" and caught.value.accepted == (SKELETON.sha,)


def test_batches_lose_and_mix_up_nothing() -> None:
    inputs = NetworkInputs((np.arange(10), 2 * np.arange(10)), "i")
    batches = [inputs.batch(k, 4) for k in range(inputs.n_batches(4))]
    assert [batch[0].tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 9, 9]]
    assert all((b == 2 * a).all() for a, b in batches)
