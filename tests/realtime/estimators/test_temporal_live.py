"""Exported causal networks: all runtimes stream alike, state and all, and nothing is allocated."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engines.errors import EngineError  # noqa: E402
from engines.spec import file_sha256, load_spec  # noqa: E402
from engines.stateful import StatefulEngine  # noqa: E402
from train.errors import TrainError  # noqa: E402
from train.temporal import export as export_temporal  # noqa: E402
from train.temporal.kinds import NETWORKS, make_network  # noqa: E402
from train.temporal.network import CausalNetwork  # noqa: E402

N_IN, N_OUT = 9, 4


@pytest.fixture(autouse=True, scope="module")
def _threads(one_torch_thread: None) -> None:
    pass


def random_network(kind: str) -> CausalNetwork:
    torch.manual_seed(1)
    network = make_network(kind, N_IN, N_OUT, width=8, n_slow=4).eval()
    torch.nn.init.normal_(network.head.weight, std=0.5)
    network.set_normalisation(torch.randn(N_IN), 0.5 + torch.rand(N_IN), 0.1 + torch.rand(N_OUT))
    return network


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("temporal")
    paths = {kind: folder / f"{kind}.onnx" for kind in NETWORKS}
    for kind, path in paths.items():
        export_temporal.export_temporal(
            random_network(kind), path, kind, coordinate_names=("a", "b"), skeleton_sha="0" * 64
        )
    return paths


def frames(n: int) -> list[tuple[np.ndarray, float, bool]]:
    rng = np.random.default_rng(2)
    return [
        (
            rng.normal(size=N_IN).astype(np.float32),
            float(rng.choice([1 / 60, 1 / 30, 0.9])),
            bool(rng.random() < 0.8),
        )
        for _ in range(n)
    ]


@pytest.mark.parametrize("kind", tuple(NETWORKS))
@torch.no_grad()
def test_live_equals_torch_and_starts_afresh_when_reset(kind: str, exported: dict[str, Path]) -> None:
    network, engine = random_network(kind), StatefulEngine(exported[kind])
    assert engine.spec.states and engine.batch == 1
    for _ in range(2):
        engine.reset()
        state = network.initial_state(1)
        for x, dt_s, valid in frames(100):
            expected, state = network.step(
                torch.from_numpy(x)[None], torch.tensor([dt_s]), torch.tensor([valid]), state
            )
            found = engine.step(x if valid else np.full_like(x, np.nan), dt_s, valid)
            if valid:
                np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_the_past_counts_until_reset(exported: dict[str, Path]) -> None:
    engine = StatefulEngine(exported["tcn"])
    (x, _, _), (other, _, _) = frames(2)
    first = engine.step(x, 0.0, True).copy()
    engine.step(other, 0.03, True)
    assert np.abs(engine.step(x, 0.0, True) - first).max() > 1e-3
    engine.reset()
    np.testing.assert_array_equal(engine.step(x, 0.0, True), first)


def test_engines_do_not_share_their_states(exported: dict[str, Path]) -> None:
    alone, beside, other = (StatefulEngine(exported["gru"]) for _ in range(3))
    for x, dt_s, valid in frames(20):
        expected = alone.step(x, dt_s, valid).copy()
        other.step(-x, dt_s, True)
        np.testing.assert_array_equal(beside.step(x, dt_s, valid), expected)


def test_sequences_side_by_side(tmp_path: Path) -> None:
    network = random_network("tcn")
    for batch in (1, 2):
        export_temporal.export_temporal(network, tmp_path / f"{batch}.onnx", "tcn", batch=batch)
    one, two = (StatefulEngine(tmp_path / f"{batch}.onnx") for batch in (1, 2))
    for x, dt_s, valid in frames(70):
        expected = one.step(x, dt_s, valid).copy()
        two.x[0], two.x[1] = -x, x
        np.testing.assert_allclose(two.step(None, dt_s, valid)[1:], expected, atol=1e-6)


def test_nothing_is_kept_or_allocated_per_frame(exported: dict[str, Path]) -> None:
    engine = StatefulEngine(exported["tcn"])
    x = frames(1)[0][0]
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(50):
            y = engine.step(x, 0.03, True)
        start = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(1000):
            engine.step(x, 0.03, True)
        end, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert engine.step(x, 0.03, True) is y
    assert end - start < 1000
    assert peak - start < 4000


def test_the_spec_tells_what_the_network_takes_and_remembers(exported: dict[str, Path]) -> None:
    spec = load_spec(exported["transformer"])
    shapes = {t.name: t.shape for t in (*spec.inputs, *spec.outputs)}
    assert shapes == {"x": (N_IN,), "dt_s": (), "valid": (), "y": (N_OUT,)}
    assert {t.name: t.shape for t in spec.states} == random_network("transformer").state_shapes
    assert spec.coordinate_names == ("a", "b")


def test_an_export_that_differs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_temporal, "_frames", doctored_frames(export_temporal._frames))
    with pytest.raises(TrainError, match="differs from torch by"):
        export_temporal.export_temporal(random_network("gru"), tmp_path / "gru.onnx", "gru")
    assert not list(tmp_path.iterdir())


def doctored_frames(frames_of):  # type: ignore[no-untyped-def]
    """Frames with NaN, which compare as different in any runtime."""

    def doctored(network, batch, n):  # type: ignore[no-untyped-def]
        found = frames_of(network, batch, n)
        found[-1][1][:] = np.nan
        return found

    return doctored


def test_wrong_networks_shapes_and_times_are_refused(exported: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "stateless.onnx"
    path.write_bytes(exported["gru"].read_bytes())
    replace(load_spec(exported["gru"]), states=(), sha256=file_sha256(path)).save(path.with_suffix(".json"))
    with pytest.raises(EngineError, match="0 states; accepted: x, dt_s, valid and at least one state"):
        StatefulEngine(path)
    engine = StatefulEngine(exported["gru"])
    with pytest.raises(ValueError, match=r"takes x of shape \(1, 9\), got \(8,\)"):
        engine.step(np.zeros(8, np.float32), 0.0, True)
    for dt_s in (-0.01, float("nan")):
        with pytest.raises(ValueError, match="accepted: from 0"):
            engine.step(np.zeros(9, np.float32), dt_s, True)
