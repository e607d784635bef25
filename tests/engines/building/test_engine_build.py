"""Engines built for real: proved, timed, refused when wrong, never half written."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="engines are built with the extra engines")
onnxruntime = pytest.importorskip("onnxruntime", reason="engines are built with the extra engines")

from engines.building import build as build_module  # noqa: E402
from engines.building import folder as engine_folder  # noqa: E402
from engines.building.build import Source, build_all, build_engine  # noqa: E402
from engines.building.folder import PARTIAL, found_engines, load_engine  # noqa: E402
from engines.building.half_precision import between_convolutions, bytes_to_float_first, to_half_precision  # noqa: E402
from engines.building.network_inputs import load_inputs, random_inputs, run_network  # noqa: E402
from engines.building.parity import angle_changes_deg  # noqa: E402
from engines.errors import EngineError  # noqa: E402
from engines.runtimes import available as runtimes  # noqa: E402
from engines.runtimes.available import Backend, Precision, Runtime, backends, find_backend  # noqa: E402
from engines.runtimes.onnxruntime_engine import OnnxruntimeEngine  # noqa: E402
from engines.selection import EngineChoice, open_network  # noqa: E402
from engines.spec import ModelSpec, TensorSpec  # noqa: E402
from tests.support.engine_networks import pictures, write_picture_network, write_remembering_network  # noqa: E402


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(build_module, "TIMED_S", 0.01)
    path = tmp_path / "a.onnx"
    spec = write_picture_network(path)
    calibration, comparison = pictures(90).split(False)
    return Source(path, spec, calibration, comparison)


@pytest.fixture
def backend() -> Backend:
    return find_backend(Runtime.OPENVINO, "cpu")


def test_every_engine_of_this_machine_gives_the_same_angles(source: Source, tmp_path: Path) -> None:
    outcomes = [o for o in build_all(source, tmp_path / "e") if not o.backend.problem]
    names = {o.name for o in outcomes}
    assert {"openvino on cpu fp32", "openvino on cpu int8", "onnxruntime on cpu int8"} <= names
    (wanted,) = run_network(OnnxruntimeEngine(source.path), source.comparison)
    for outcome in outcomes:
        assert outcome.folder is not None, outcome.problem
        (found,) = run_network(load_engine(outcome.folder).engine, source.comparison)
        changes = angle_changes_deg(source.spec, [wanted], [found])
        assert outcome.manifest is not None and outcome.precision is not None
        assert changes.mean() <= runtimes.LIMIT_DEG[outcome.precision]
        np.testing.assert_allclose(outcome.manifest.parity.mean, changes.mean(), rtol=0.02, atol=1e-6)
        if outcome.precision is Precision.INT8:
            assert changes.mean() > 1e-4  # it really is another arithmetic


def test_angles_that_change_too_much_are_refused_and_nothing_stays(
    tmp_path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "TIMED_S", 0.01)
    path = tmp_path / "a.onnx"
    spec = write_picture_network(path, gain=4.0)  # an error of 8 bits is 40 times as large
    source = Source(path, spec, pictures(30), pictures(40))
    with pytest.raises(EngineError, match=r"refused: int8 changes the angles by .* accepted: up to 0\.3"):
        build_engine(source, backend, Precision.INT8, tmp_path / "e")
    assert not [p for p in (tmp_path / "e").rglob("*") if p.is_file()]


def test_a_crash_while_building_leaves_no_half_engine(
    source: Source, tmp_path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "e"
    folder, _ = build_engine(source, backend, Precision.FP32, root)
    before = sorted((p.name, p.read_bytes()) for p in folder.iterdir())

    def crash(*args: object) -> None:
        raise KeyboardInterrupt

    for name in ("measure", "prove", "publish"):
        with monkeypatch.context() as patched:
            patched.setattr(build_module, name, crash)
            with pytest.raises(KeyboardInterrupt):
                build_engine(source, backend, Precision.FP32, root)
        assert [p for p in folder.parent.iterdir()] == [folder]
        assert sorted((p.name, p.read_bytes()) for p in folder.iterdir()) == before
    load_engine(folder)


def test_what_a_killed_build_left_is_no_engine_and_goes_away(
    source: Source, tmp_path: Path, backend: Backend
) -> None:
    root = tmp_path / "e"
    folder, _ = build_engine(source, backend, Precision.FP32, root)
    left = folder.parent / f"{PARTIAL}x"
    left.mkdir()
    (left / "model.xml").write_bytes(b"half")
    assert [f for f, _ in found_engines(root, source.spec.sha256)] == [folder]
    os.utime(left, (0, 0))
    build_engine(source, backend, Precision.FP32, root)
    assert not left.exists()


@pytest.mark.parametrize("name", ["model.bin", "model.xml", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_damaged_engines_are_refused_and_passed_over(
    source: Source, tmp_path: Path, backend: Backend, name: str, damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    root = tmp_path / "e"
    folder, _ = build_engine(source, backend, Precision.FP32, root)
    path = folder / name
    content = path.read_bytes()
    changed = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:] if name != "manifest.json" else b"{}"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else changed)
    with pytest.raises(EngineError, match="build it again: kinecast engines build"):
        load_engine(folder)
    opened = open_network(source.path, EngineChoice(root=root))
    assert "not used" in caplog.text
    assert "deg from the reference" not in opened.description


@pytest.mark.parametrize("what", ["version", "device"])
def test_engines_of_another_machine_or_version_are_refused(
    source: Source, tmp_path: Path, backend: Backend, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, manifest = build_engine(source, backend, Precision.FP32, tmp_path / "e")
    other = replace(backend, **{what: "something else"})
    monkeypatch.setattr(engine_folder, "find_backend", lambda runtime, unit: other)
    with pytest.raises(EngineError, match=rf"built for {what} .* but this is something else.*engines build"):
        load_engine(folder)
    assert manifest.rebuild.endswith("--runtime openvino --unit cpu --precision fp32")


def test_the_fastest_is_chosen_and_options_limit_the_choice(
    source: Source, tmp_path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engines.building.manifest import Speed

    root = tmp_path / "e"
    for p50_ms, precision in ((3.0, Precision.FP32), (1.0, Precision.INT8)):
        with monkeypatch.context() as patched:
            patched.setattr(build_module, "measure", lambda *a, ms=p50_ms: Speed(ms, ms, 1))
            build_engine(source, backend, precision, root)
    assert ", int8, " in open_network(source.path, EngineChoice(root=root)).description
    only = EngineChoice(precision=Precision.FP32, root=root)
    assert ", fp32, " in open_network(source.path, only).description
    with pytest.raises(
        EngineError, match="no usable engine for --runtime tensorrt; build it: kinecast engines"
    ):
        open_network(source.path, EngineChoice(Runtime.TENSORRT, root=root))


def test_without_engines_the_file_runs_as_it_is(source: Source, tmp_path: Path) -> None:
    root = tmp_path / "none"
    (wanted,) = run_network(OnnxruntimeEngine(source.path), source.comparison)
    for choice in (EngineChoice(root=root), EngineChoice(Runtime.ONNXRUNTIME, root=root)):
        loaded = open_network(source.path, choice)
        np.testing.assert_allclose(run_network(loaded.engine, source.comparison)[0], wanted, atol=1e-5)
    with pytest.raises(EngineError, match="no usable engine for --precision int8"):
        open_network(source.path, EngineChoice(precision=Precision.INT8, root=root))


def test_a_folder_names_one_engine(source: Source, tmp_path: Path, backend: Backend) -> None:
    folder, _ = build_engine(source, backend, Precision.FP32, tmp_path / "e")
    assert open_network(folder).spec == source.spec
    with pytest.raises(EngineError, match="not --precision int8"):
        open_network(folder, EngineChoice(precision=Precision.INT8))


def test_networks_that_remember_are_built_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "TIMED_S", 0.01)
    path = tmp_path / "m.onnx"
    spec = write_remembering_network(path)
    inputs = random_inputs(spec, 40)
    source = Source(path, spec, *inputs.split(True))
    outcomes = list(build_all(source, tmp_path / "e", unit="cpu"))
    built = [o for o in outcomes if o.folder is not None]
    assert {o.name for o in built} == {"openvino on cpu fp32", "onnxruntime on cpu fp32"}
    assert all("8 bits" in o.problem for o in outcomes if o.precision is Precision.INT8)
    (wanted,) = run_network(OnnxruntimeEngine(path, outputs=["y"], states=["memory"]), inputs)
    for outcome in built:
        assert outcome.folder is not None
        engine = load_engine(outcome.folder).engine
        for _ in range(2):
            np.testing.assert_allclose(run_network(engine, inputs)[0], wanted, atol=1e-5)


def test_eight_bits_are_not_calibrated_on_noise(source: Source) -> None:
    noise = random_inputs(source.spec)
    with pytest.raises(EngineError, match="--inputs"):
        _ = Source(source.path, source.spec, noise, noise).int8


def test_half_precision_is_between_the_convolutions_only(source: Source) -> None:
    content = source.path.read_bytes()
    halved = onnx.shape_inference.infer_shapes(
        onnx.load_from_string(to_half_precision(content)), strict_mode=True
    )
    types = {v.name: v.type.tensor_type.elem_type for v in (*halved.graph.value_info, *halved.graph.output)}
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    of_node = {n.name: types[n.output[0]] for n in halved.graph.node if n.output[0] in types}
    inside = ("conv1", "relu1", "conv2", "add2", "relu2", "conv3")
    assert all(of_node[name] == half for name in inside)
    assert all(of_node[name] == single for name in ("cast", "scale", "shift", "pool", "concat", "matmul"))
    (found,) = run_network(OnnxruntimeEngine(to_half_precision(content)), source.comparison)
    (wanted,) = run_network(OnnxruntimeEngine(content), source.comparison)
    changes = angle_changes_deg(source.spec, [wanted], [found])
    assert 0.0 < changes.mean() < 0.05


def test_bytes_become_numbers_first_and_nothing_else_changes(source: Source) -> None:
    content = bytes_to_float_first(source.path.read_bytes())
    readers = [n.op_type for n in onnx.load_from_string(content).graph.node if "image" in n.input]
    assert readers == ["Cast"]
    (found,) = run_network(OnnxruntimeEngine(content), source.comparison)
    np.testing.assert_array_equal(found, run_network(OnnxruntimeEngine(source.path), source.comparison)[0])


def test_networks_without_convolutions_have_nothing_to_halve(tmp_path: Path) -> None:
    write_remembering_network(tmp_path / "m.onnx")
    content = (tmp_path / "m.onnx").read_bytes()
    assert between_convolutions(onnx.load_from_string(content)) == []
    with pytest.raises(EngineError, match=r"no convolutions, only .*MatMul.*--precision fp32") as caught:
        to_half_precision(content)
    assert caught.value.value == "fp16" and caught.value.accepted == ("fp32",)


def test_weights_that_half_precision_cannot_hold_are_named(source: Source) -> None:
    model = onnx.load_from_string(source.path.read_bytes())
    weights = next(t for t in model.graph.initializer if "conv" in t.name.lower() or len(t.dims) == 4)
    large = 1e5 * np.ones_like(onnx.numpy_helper.to_array(weights))
    weights.CopyFrom(onnx.numpy_helper.from_array(large, weights.name))
    with pytest.raises(
        EngineError, match=r"as large as 100000; accepted .*65504; .*--precision fp32"
    ) as caught:
        to_half_precision(model.SerializeToString())
    assert caught.value.name == weights.name and caught.value.value == 1e5


def test_what_is_no_network_is_named_by_how_it_begins() -> None:
    with pytest.raises(EngineError, match=r"9 bytes that begin with b'not a ne'.*kinecast train export"):
        to_half_precision(b"not a net")


def test_a_provider_that_would_fall_back_is_an_error(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(EngineError, match=r"cannot use cuda; it offers .*CPUExecutionProvider"):
            OnnxruntimeEngine(source.path, unit="cuda")
    # An ONNX Runtime that claims CUDA, and quietly takes the CPU.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    session = onnxruntime.InferenceSession(str(source.path), providers=["CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *a, **k: session)
    with pytest.raises(EngineError, match="fell back to CPUExecutionProvider"):
        OnnxruntimeEngine(source.path, unit="cuda")


def test_onnxruntime_reuses_its_buffers(source: Source) -> None:
    engine = OnnxruntimeEngine(source.path)
    arrays = [a[:1] for a in source.comparison.arrays]
    first = engine.infer(*arrays)[0]
    kept = first.copy()
    second = engine.infer(np.zeros_like(arrays[0]), arrays[1])[0]
    assert np.shares_memory(first, second)
    assert not np.array_equal(kept, second)
    with pytest.raises(EngineError, match="takes an array of shape"):
        engine.infer(np.zeros((1, 2, 2, 3), np.uint8), arrays[1])


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (found,) = [b for b in backends() if b.runtime is Runtime.ONNXRUNTIME]
    assert "pip install 'kinecast[engines]'" in found.problem


def test_angles_are_compared_the_short_way_round() -> None:
    spec = ModelSpec("n", (), (TensorSpec("R_crop_pelvis", (3, 3)), TensorSpec("q", (2,))), ("a", "b"), "")
    c, s = np.cos(np.radians(0.01)), np.sin(np.radians(0.01))
    turned = np.array([[[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]])
    reference = [np.eye(3)[None], np.radians([[179.9, 10.0]])]
    found = [turned, np.radians([[-179.9, 10.5]])]
    np.testing.assert_allclose(angle_changes_deg(spec, reference, found), [[0.01, 0.2, 0.5]], rtol=1e-6)
    with pytest.raises(EngineError, match="'q' is not finite"):
        angle_changes_deg(spec, reference, [turned, np.full((1, 2), np.nan)])


def test_inputs_that_do_not_fit_are_refused(source: Source, tmp_path: Path) -> None:
    image, reach = source.comparison.arrays
    path = tmp_path / "inputs.npz"
    for arrays, message in (
        ({"image": image}, "has no 'log_reach'"),
        ({"image": image[:, :8], "log_reach": reach}, r"image is uint8 .* takes uint8 \(n, 16, 16, 3\)"),
        ({"image": image, "log_reach": reach[:2]}, "different lengths"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(EngineError, match=message):
            load_inputs(path, source.spec)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(EngineError, match=r"not an \.npz file"):
        load_inputs(path, source.spec)


def test_calibration_and_comparison_share_no_input() -> None:
    inputs = pictures(1000)
    calibration, comparison = inputs.split(False)
    assert len(comparison) == 500
    assert 200 <= len(calibration) <= 300
    assert not {a.tobytes() for a in calibration.arrays[0]} & {a.tobytes() for a in comparison.arrays[0]}
