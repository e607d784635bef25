"""The TensorRT adapter, driven by a recorded fake: what it asks for, in which order, and what comes out."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="engines are built with the extra engines")
pytest.importorskip("onnxruntime", reason="engines are built with the extra engines")

from engines.building.build import Source, build_engine  # noqa: E402
from engines.building.folder import load_engine  # noqa: E402
from engines.building.network_inputs import random_inputs, run_network  # noqa: E402
from engines.building.tensorrt_build import build_plan  # noqa: E402
from engines.errors import EngineError  # noqa: E402
from engines.runtimes import cuda  # noqa: E402
from engines.runtimes.available import Precision, Runtime, backends, find_backend  # noqa: E402
from engines.runtimes.onnxruntime_engine import OnnxruntimeEngine  # noqa: E402
from engines.runtimes.tensorrt_api import load_tensorrt  # noqa: E402
from engines.runtimes.tensorrt_engine import TensorrtEngine  # noqa: E402
from engines.selection import EngineChoice, open_network  # noqa: E402
from tests.support.engine_networks import pictures, write_picture_network, write_remembering_network  # noqa: E402
from tests.support.fake_tensorrt import FakeGpu, install  # noqa: E402

UPLOAD, DOWNLOAD, INSIDE = "cudaMemcpyHostToDevice", "cudaMemcpyDeviceToHost", "cudaMemcpyDeviceToDevice"


@pytest.fixture(params=["tensorrt", "tensorrt_rtx"])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeGpu:
    monkeypatch.setattr(cuda, "DRIVER_FILE", tmp_path / "none")
    return install(
        monkeypatch, FakeGpu(version="11.4.0" if request.param == "tensorrt" else "1.7.1"), request.param
    )


def test_a_plan_is_strongly_typed_and_single_precision_means_24_bits(gpu: FakeGpu, tmp_path: Path) -> None:
    write_picture_network(tmp_path / "a.onnx")
    build_plan((tmp_path / "a.onnx").read_bytes())
    assert gpu.flags == [1 << 1]
    assert gpu.cleared_flags == ["TF32"]


def test_answers_are_the_networks(gpu: FakeGpu, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    write_picture_network(path)
    inputs = pictures(7)
    engine = TensorrtEngine(build_plan(path.read_bytes()), outputs=["q"])
    (found,) = run_network(engine, inputs)
    (wanted,) = run_network(OnnxruntimeEngine(path), inputs)
    np.testing.assert_array_equal(found, wanted)


def test_one_call_is_one_graph_and_allocates_nothing(gpu: FakeGpu, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    write_picture_network(path)
    engine = TensorrtEngine(build_plan(path.read_bytes()), outputs=["q"])
    n_blocks, before = len(gpu.memory), len(gpu.calls)
    results = {engine.infer()[0].ctypes.data for _ in range(3)}
    assert gpu.calls[before:] == ["launch"] * 3
    assert len(gpu.memory) == n_blocks
    assert len(results) == 1
    recorded = gpu.calls[:before]
    assert recorded[-4:] == [UPLOAD, UPLOAD, "execute", DOWNLOAD]


def test_states_stay_on_the_gpu_and_can_be_forgotten(gpu: FakeGpu, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    spec = write_remembering_network(path)
    inputs = random_inputs(spec, 20)
    engine = TensorrtEngine(build_plan(path.read_bytes()), outputs=["y"], states=["memory"])
    (wanted,) = run_network(OnnxruntimeEngine(path, outputs=["y"], states=["memory"]), inputs)
    assert np.abs(wanted[-1] - wanted[0]).max() > 0.1  # it does remember
    np.testing.assert_array_equal(engine.infer(*(a[:1] for a in inputs.arrays))[0], wanted[:1])  # fresh
    for _ in range(2):  # each after a reset
        (found,) = run_network(engine, inputs)
        np.testing.assert_array_equal(found, wanted)
    assert gpu.calls.count(INSIDE) == 2  # once to warm up, once recorded
    assert len(engine.inputs) == 3


def test_all_memory_is_given_back(gpu: FakeGpu, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    write_remembering_network(path)
    engine = TensorrtEngine(build_plan(path.read_bytes()), outputs=["y"], states=["memory"])
    assert gpu.memory
    del engine
    gc.collect()
    assert not gpu.memory
    assert not gpu.graphs


def test_a_plan_of_another_version_is_refused(gpu: FakeGpu, tmp_path: Path) -> None:
    write_picture_network(tmp_path / "a.onnx")
    plan = build_plan((tmp_path / "a.onnx").read_bytes())
    with pytest.raises(EngineError, match="another version or GPU"):
        TensorrtEngine(plan.replace(gpu.version.encode(), b"9.9.9"), outputs=["q"])


def test_a_network_that_tensorrt_cannot_read_is_refused_with_its_reason(gpu: FakeGpu, tmp_path: Path) -> None:
    write_picture_network(tmp_path / "a.onnx")
    gpu.accepts_network = False
    with pytest.raises(EngineError, match=r"no operation Frobnicate; .*--runtime openvino or") as caught:
        build_plan((tmp_path / "a.onnx").read_bytes())
    assert caught.value.value == "tensorrt" and caught.value.accepted == ("openvino", "onnxruntime")


def test_a_failing_call_is_named(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.fake_tensorrt import Error

    monkeypatch.setattr(cuda.runtime(), "cudaMalloc", lambda n: (Error.cudaErrorInvalidValue, 0))
    with pytest.raises(EngineError, match="cudaErrorInvalidValue"):
        cuda.Buffer((2,), np.dtype(np.float32))


def test_timings_are_kept_and_those_of_another_gpu_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, cache = tmp_path / "a.onnx", tmp_path / "cache" / "timings.bin"
    write_picture_network(path)
    one = install(monkeypatch, FakeGpu(gpu="One"))
    build_plan(path.read_bytes(), cache)
    assert one.timing_cache == b""
    assert cache.read_bytes() == b"timings of One"
    again = install(monkeypatch, FakeGpu(gpu="One"))
    build_plan(path.read_bytes(), cache)
    assert again.timing_cache == b"timings of One"
    other = install(monkeypatch, FakeGpu(gpu="Two"))
    build_plan(path.read_bytes(), cache)
    assert other.timing_cache == b""
    assert cache.read_bytes() == b"timings of Two"


def test_the_edition_for_rtx_keeps_no_timings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_picture_network(tmp_path / "a.onnx")
    install(monkeypatch, FakeGpu(version="1.7.1"), "tensorrt_rtx")
    build_plan((tmp_path / "a.onnx").read_bytes(), tmp_path / "timings.bin")
    assert not (tmp_path / "timings.bin").exists()


def test_old_versions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeGpu(version="8.6.1"))
    with pytest.raises(EngineError, match=r"8\.6\.1 is too old; accepted: from 10"):
        load_tensorrt()


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
def test_an_engine_is_built_proved_and_chosen(gpu: FakeGpu, tmp_path: Path, precision: Precision) -> None:
    path = tmp_path / "a.onnx"
    spec = write_picture_network(path)
    backend = find_backend(Runtime.TENSORRT, "cuda")
    source = Source(path, spec, pictures(4), pictures(24))
    folder, manifest = build_engine(source, backend, precision, tmp_path / "engines")
    assert manifest.device == "NVIDIA Fake 9000, compute 9.0, driver for CUDA 13.1"
    assert manifest.runtime_version.endswith(gpu.version)
    (found,) = run_network(load_engine(folder).engine, pictures(5))
    (wanted,) = run_network(OnnxruntimeEngine(path), pictures(5))
    assert (np.abs(found - wanted).max() > 0.0) == (precision is Precision.FP16)
    np.testing.assert_allclose(found, wanted, atol=5e-3)
    chosen = open_network(path, EngineChoice(Runtime.TENSORRT, root=tmp_path / "engines"))
    assert f"{precision.value}" in chosen.description


@pytest.mark.parametrize("what", ["version", "device"])
def test_an_engine_of_another_gpu_or_version_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    monkeypatch.setattr(cuda, "DRIVER_FILE", tmp_path / "none")
    path = tmp_path / "a.onnx"
    spec = write_picture_network(path)
    install(monkeypatch, FakeGpu())
    source = Source(path, spec, pictures(4), pictures(4))
    folder, _ = build_engine(source, find_backend(Runtime.TENSORRT, "cuda"), Precision.FP32, tmp_path / "e")
    install(monkeypatch, FakeGpu(version="11.5.0") if what == "version" else FakeGpu(gpu="Other"))
    with pytest.raises(EngineError, match=rf"built for {what} .*kinecast engines build .*--runtime tensorrt"):
        load_engine(folder)


def test_the_driver_is_part_of_the_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, FakeGpu())
    file = tmp_path / "version"
    monkeypatch.setattr(cuda, "DRIVER_FILE", file)
    file.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n")
    assert cuda.device_name().endswith("driver 580.65.06")


def test_without_tensorrt_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeGpu(), edition="none")
    (found,) = [b for b in backends() if b.runtime is Runtime.TENSORRT]
    assert "pip install 'kinecast[tensorrt]'" in found.problem
    with pytest.raises(EngineError, match="tensorrt on cuda cannot be used"):
        find_backend(Runtime.TENSORRT, "cuda")
