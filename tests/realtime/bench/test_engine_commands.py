"""`kinecast engines`, `--runtime`, `doctor` and the peer of `bench engines`, as people call them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="engines are built with the extra engines")
pytest.importorskip("onnxruntime", reason="engines are built with the extra engines")

from engines.building import build
from engines.building import folder as engine_folder
from engines.building.build import Source
from engines.building.network_inputs import NetworkInputs, run_network
from engines.features.patches import KINDS, N_PATCHES, kinds_of
from engines.runtimes.available import Precision, Runtime, find_backend
from engines.runtimes.onnxruntime_engine import OnnxruntimeEngine
from engines.shipped import shipped_direct_path, shipped_patches_path
from engines.spec import load_spec
from realtime.bench import engine_inputs
from realtime.bench import engines as bench_engines
from realtime.bench.engine_inputs import DEFAULT_INPUTS, gather_inputs
from realtime.bench.engines import MediapipePeer, TimedPipeline, take_turns
from realtime.cli import main
from realtime.errors import RealtimeError
from tests.support.engine_networks import (
    patches_of,
    pictures,
    write_picture_network,
    write_remembering_network,
)
from tests.support.published import published


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(build, "TIMED_S", 0.01)
    monkeypatch.setattr(engine_folder, "default_engines_dir", lambda: tmp_path / "cache")
    path = tmp_path / "net.onnx"
    write_picture_network(path)
    image, log_reach = pictures(60).arrays
    np.savez(tmp_path / "inputs.npz", image=image, log_reach=log_reach)
    return path


def engines(*words: object) -> int:
    return main(["engines", *map(str, words)])


def test_build_keeps_what_passes_and_names_the_fastest(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engines("build", model, "--inputs", tmp_path / "inputs.npz") == 0
    said = capsys.readouterr().out
    assert "ok  openvino on cpu int8" in said
    assert "--  tensorrt on cuda" in said
    kept = {p.parent for p in (tmp_path / "cache").rglob("manifest.json")}
    fastest = Path(said.split("fastest: ")[1].split(", in ")[1].splitlines()[0])
    assert fastest in kept
    p50_ms = {p: json.loads((p / "manifest.json").read_text())["speed"]["p50_ms"] for p in kept}
    assert p50_ms[fastest] == min(p50_ms.values())


def test_inspect_tells_of_all_engines_and_of_one(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engines("inspect", model) == 2
    assert "no engines; build some with: kinecast engines build" in capsys.readouterr().err
    engines("build", model, "--inputs", tmp_path / "inputs.npz", "--unit", "cpu", "--runtime", "openvino")
    capsys.readouterr()
    assert engines("inspect", model) == 0
    said = capsys.readouterr().out
    assert said.count("network    picture") == 2
    folder = next((tmp_path / "cache").rglob("manifest.json")).parent
    assert engines("inspect", folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)["spec"]["name"] == "picture"
    (folder / "model.bin").write_bytes(b"")
    assert engines("inspect", folder) == 2
    assert "build it again: kinecast engines build" in capsys.readouterr().err


def test_bench_compares_and_keeps_nothing(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bench.json"
    assert engines("bench", model, "--inputs", tmp_path / "inputs.npz", "--n", 20, "--json", out) == 0
    assert "openvino on cpu int8" in capsys.readouterr().out
    found = json.loads(out.read_text())
    names = [t["name"] for t in found["results"][0]["timings"]]
    assert names == [row["engine"] for row in found["parity"]]
    assert {"openvino on cpu fp32", "onnxruntime on cpu fp32"} <= set(names)
    assert not (tmp_path / "cache").exists()


def test_patches_are_built_and_inspected_by_their_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "TIMED_S", 0.01)
    monkeypatch.setattr(engine_folder, "default_engines_dir", lambda: tmp_path / "cache")
    model = shipped_patches_path()
    patches, context = patches_of(3).arrays
    np.savez(tmp_path / "inputs.npz", patches=patches, context=context)
    words = (
        "--inputs",
        tmp_path / "inputs.npz",
        "--runtime",
        "openvino",
        "--unit",
        "cpu",
        "--precision",
        "fp32",
    )
    assert engines("build", model, *words) == 0
    said = capsys.readouterr().out
    assert (
        "points change by" in said and "used automatically: kinecast live, with the estimator lifted" in said
    )
    assert engines("inspect", model) == 0
    said = capsys.readouterr().out
    assert "network    patches, points, skeleton" in said and "points     change by" in said
    assert engines("build", model, *words, "--out", tmp_path / "elsewhere") == 0
    assert "leave out --out" in capsys.readouterr().out


def test_patches_of_a_clip_are_what_live_use_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*DEFAULT_INPUTS, "pose_landmark_full", "pose_detection"):
        published(name)
    monkeypatch.setattr(engine_inputs, "MAX_LOOKS", 20)
    monkeypatch.setattr(build, "TIMED_S", 0.01)
    spec = load_spec(shipped_patches_path())
    inputs = gather_inputs((), spec, offline=True)
    assert [a.shape for a in inputs.arrays] == [(20 * N_PATCHES, *t.shape) for t in spec.inputs]
    assert inputs.arrays[0].min() >= 0.0 and 0.5 < inputs.arrays[0].max() <= 1.0
    assert np.bincount(kinds_of(inputs.arrays[1])).tolist() == [40] * len(KINDS)
    pixels, context = inputs.arrays
    reference = OnnxruntimeEngine(shipped_patches_path())
    (found,) = run_network(reference, inputs)
    (upside_down,) = run_network(reference, NetworkInputs((pixels[:, :, ::-1], context), "upside down"))
    assert np.median(found[:, :3, 2]) < 0.8 * np.median(upside_down[:, :3, 2])  # it is surer of limbs
    source = Source(shipped_patches_path(), spec, *inputs.split(False))
    build.build_engine(source, find_backend(Runtime.OPENVINO, "cpu"), Precision.INT8, tmp_path)  # accepted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["build", "none.onnx"], "not a model spec"),
        (["build", "{model}", "--inputs", "none.npz"], "not an .npz file"),
        (
            ["build", "{model}", "--inputs", "{folder}/inputs.npz", "--runtime", "tensorrt"],
            "no engine was built",
        ),
        (["inspect", "{folder}"], "no engine"),
    ],
)
def test_refusals_are_one_plain_line(
    model: Path, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engines(*(word.format(model=model, folder=tmp_path) for word in words)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_pictures_are_refused_where_a_network_takes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_remembering_network(tmp_path / "m.onnx")
    assert engines("build", tmp_path / "m.onnx", "--inputs", "clip.mp4") == 2
    assert "takes no images; accepted: FILE.npz" in capsys.readouterr().err


def test_runtime_is_for_direct_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "synthetic", "--out", "unused", "--frames", "1", "--runtime", "onnxruntime"]) == 2
    assert "--runtime and --precision are for the estimator direct" in capsys.readouterr().err


def test_doctor_tells_what_runs_and_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    said = capsys.readouterr().out
    assert "openvino on cpu" in said
    assert "onnxruntime on cpu" in said
    assert "tensorrt on cuda" in said


@pytest.mark.parametrize("option", ["--model", "--small"])
def test_bench_engines_refuses_other_networks_before_it_builds(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []
    for name in ("demo_images", "build_all"):
        monkeypatch.setattr(bench_engines, name, lambda *a, name=name, **_: begun.append(name))
    words = {"--model": shipped_direct_path(), option: shipped_patches_path()}
    assert main(["bench", "engines", *(str(w) for pair in words.items() for w in pair)]) == 2
    said = capsys.readouterr().err
    assert "patches.onnx: no direct network: patches takes patches, context and gives points" in said
    assert "accepted: networks that take image, log_reach; make one with: kinecast train spatial" in said
    assert begun == []


def test_bench_engines_wants_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "engines"]) == 2
    assert "train export --untrained resnext50_32x4d" in capsys.readouterr().err


FAKE_MEDIAPIPE = """
__version__ = "0"
class Result:
    def __init__(self, found): self.pose_landmarks = [1] if found else None
class Pose:
    def __init__(self, model_complexity): pass
    def process(self, frame): return Result(frame[0, 0, 0] > 0)
class solutions:
    class pose:
        Pose = Pose
"""


def test_the_peer_answers_turn_by_turn(tmp_path: Path) -> None:
    (tmp_path / "mediapipe.py").write_text(FAKE_MEDIAPIPE)
    frames = np.ones((3, 4, 4, 3), np.uint8)
    frames[1] = 0
    np.save(tmp_path / "frames.npy", frames)
    script = Path(bench_engines.__file__).with_name("mediapipe_peer.py")
    start = (
        f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); "
        f"runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    words = [sys.executable, "-I", "-c", start, str(tmp_path / "frames.npy")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        peer = MediapipePeer(process)
        assert peer.answer() == {"version": "0"}
        timed = peer.turn(2, 6)
        assert process.stdin is not None
        process.stdin.close()
    assert [found for _, found in timed] == [True, True, False, True]
    assert all(duration_ns > 0 for duration_ns, _ in timed)


def test_a_python_without_mediapipe_is_refused(tmp_path: Path) -> None:
    images = [np.zeros((4, 4, 3), np.uint8)]
    with pytest.raises(RealtimeError, match=r"does not start .*No module named 'mediapipe'"):
        with bench_engines._mediapipe(Path(sys.executable), images, []):
            pass
    with pytest.raises(RealtimeError, match="cannot be run"):
        with bench_engines._mediapipe(tmp_path / "none", images, []):
            pass


def test_turns_are_equal_and_frames_without_a_person_do_not_count() -> None:
    seen: dict[str, list[int]] = {"a": [], "b": []}

    def pipeline(name: str) -> TimedPipeline:
        return TimedPipeline(
            name, [], lambda frame: seen[name].append(frame.frame_id) is None and frame.frame_id % 4 > 0
        )

    contestants = [pipeline("a"), pipeline("b")]
    for contestant in contestants:
        contestant.images = [np.zeros((1, 1, 3), np.uint8)]
    notes: list[str] = []
    durations = take_turns(list(contestants), 40, 5, notes)
    assert seen["a"] == seen["b"] == [*range(5), *range(5, 45)]
    # Of each turn's 20 frames the first is left out, and every fourth found nobody.
    assert [len(v) for v in durations.values()] == [28, 28]
    assert notes == ["a: 10 frames without a person left out", "b: 10 frames without a person left out"]
