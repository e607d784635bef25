"""The OpenVINO engine on a small network whose answers numpy knows."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset8 as ops

from engines.errors import EngineError
from engines.runtimes.openvino_engine import OpenvinoEngine

RNG = np.random.default_rng(4)
WEIGHTS = RNG.normal(size=(8, 5)).astype(np.float32)


def make_network(batch: int = 1) -> Any:
    """A linear layer with its rectified and its summed result as outputs."""
    x = ops.parameter([batch, 8], np.float32, name="x")
    linear = ops.matmul(x, ops.constant(WEIGHTS), False, False)
    rectified, total = ops.relu(linear), ops.reduce_sum(linear, ops.constant([1]))
    rectified.output(0).get_tensor().set_names({"rectified"})
    total.output(0).get_tensor().set_names({"total"})
    return openvino.Model([rectified, total], [x], "toy")


@pytest.fixture
def x() -> np.ndarray:
    return RNG.normal(size=(1, 8)).astype(np.float32)


def test_infer_agrees_with_numpy(x: np.ndarray) -> None:
    rectified, total = OpenvinoEngine(make_network()).infer(x)
    np.testing.assert_allclose(rectified, np.maximum(x @ WEIGHTS, 0.0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(total, (x @ WEIGHTS).sum(1), rtol=1e-5, atol=1e-5)


def test_model_file_gives_the_same(x: np.ndarray, tmp_path: Path) -> None:
    openvino.save_model(make_network(), tmp_path / "toy.xml", compress_to_fp16=False)
    expected = OpenvinoEngine(make_network()).infer(x)
    for found, wanted in zip(OpenvinoEngine(tmp_path / "toy.xml").infer(x), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_chosen_outputs_come_in_the_asked_order(x: np.ndarray) -> None:
    both = OpenvinoEngine(make_network()).infer(x)
    total, rectified = OpenvinoEngine(make_network(), outputs=("total", "rectified")).infer(x)
    np.testing.assert_array_equal(total, both[1])
    np.testing.assert_array_equal(rectified, both[0])
    (alone,) = OpenvinoEngine(make_network(), outputs=("total",)).infer(x)
    np.testing.assert_array_equal(alone, both[1])


def test_buffers_are_reused_and_inputs_can_be_filled_in_place(x: np.ndarray) -> None:
    engine = OpenvinoEngine(make_network())
    first = engine.infer(x)
    kept = first[1].copy()
    engine.inputs[0][:] = 2.0 * x
    second = engine.infer()
    assert all(np.shares_memory(a, b) for a, b in zip(first, second, strict=True))
    np.testing.assert_allclose(second[1], 2.0 * kept, rtol=1e-5)


def test_same_input_gives_the_same_bits(x: np.ndarray) -> None:
    results = [OpenvinoEngine(make_network()).infer(x)[0].tobytes() for _ in range(3)]
    assert len(set(results)) == 1


def test_description_names_runtime_precision_and_threads() -> None:
    text = OpenvinoEngine(make_network(), n_threads=1).description
    assert text.startswith("OpenVINO 20")
    assert text.endswith("f32, 1 threads")


@pytest.mark.parametrize(("said", "threads"), [("1", "1 threads"), ("none", "threads"), ("0", "threads")])
def test_workers_are_told_their_threads(said: str, threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert OpenvinoEngine(make_network()).description.endswith(threads)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda path: OpenvinoEngine(path / "none.onnx"), "no model file at .*none.onnx"),
        (
            lambda path: OpenvinoEngine(make_network(), outputs=("mask",)),
            "no tensor 'mask'; accepted: .*total",
        ),
        (lambda path: OpenvinoEngine(make_network(), precision="int4"), "'int4' is unknown; accepted: f32"),
        (
            lambda path: OpenvinoEngine(make_network(), device="TOASTER"),
            "cannot compile the network for TOASTER.*accepted here: .*CPU",
        ),
        (lambda path: OpenvinoEngine(make_network(batch=-1)), "fixed shapes"),
    ],
)
def test_what_cannot_be_built_is_refused(build: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=message) as caught:
        build(tmp_path)
    assert caught.value.name and caught.value.value and "accepted" in str(caught.value)
    is_choice = "'int4'" in message
    assert is_choice or "kinecast " in str(caught.value)  # what to do next


def test_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "bad.tflite").write_bytes(b"\0\0\0\0TFL3nonsense")
    with pytest.raises(EngineError, match=r"cannot read .*bad\.tflite.*kinecast assets fetch"):
        OpenvinoEngine(tmp_path / "bad.tflite")


def test_wrong_arrays_are_refused(x: np.ndarray) -> None:
    engine = OpenvinoEngine(make_network())
    with pytest.raises(EngineError, match=r"shape \(1, 8\), got \(2, 8\)"):
        engine.infer(np.vstack([x, x]))
    with pytest.raises(EngineError, match="takes 1 arrays, got 2"):
        engine.infer(x, x)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signals")
def test_signals_do_not_kill_a_process_whose_engines_ended_in_any_order(tmp_path: Path) -> None:
    """Cores of OpenVINO leave the process a signal stack that is gone; Python's handlers run on it."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from engines.runtimes.openvino_engine import OpenvinoEngine\n"
        "signal.signal(signal.SIGUSR1, lambda *_: print('heard', flush=True))\n"
        "one, other = (OpenvinoEngine(Path(sys.argv[1])) for _ in range(2))\n"
        "del one; del other\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\n"
    )
    openvino.save_model(make_network(), tmp_path / "toy.xml")
    words = [sys.executable, "-c", code, str(tmp_path / "toy.xml")]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "heard\n")
