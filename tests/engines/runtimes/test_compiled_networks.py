"""Networks that are compiled once and handed on: never to two at a time, and never another file's."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset8 as ops

from engines.runtimes import openvino_engine
from engines.runtimes.compiled_networks import MOST_IDLE, identity, lent
from engines.runtimes.openvino_engine import OpenvinoEngine


class Owner:
    """Anything that can be gone."""


def save_product(path: Path, factor: float) -> Path:
    """A network that multiplies by a number."""
    x = ops.parameter([1, 3], np.float32, name="x")
    network = openvino.Model([ops.multiply(x, ops.constant(np.float32([factor] * 3)))], [x], "product")
    openvino.save_model(network, path, compress_to_fp16=False)
    return path


@pytest.fixture
def n_compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often a network was compiled, as the only number of a list."""
    count, real = [0], openvino_engine.read_network

    def counted(path: str | Path) -> openvino.Model:
        count[0] += 1
        return real(path)

    monkeypatch.setattr(openvino_engine, "read_network", counted)
    return count


def test_the_next_engine_takes_over_and_two_at_a_time_do_not_share(
    tmp_path: Path, n_compiled: list[int]
) -> None:
    path = save_product(tmp_path / "twice.xml", 2.0)
    x = np.float32([[1.0, 2.0, 3.0]])
    one, other = OpenvinoEngine(path), OpenvinoEngine(path)
    assert n_compiled == [2]
    (kept,) = one.infer(x)
    del one
    gc.collect()
    third = OpenvinoEngine(path)
    (found,), (others,) = third.infer(10.0 * x), other.infer(100.0 * x)
    assert n_compiled == [2]
    np.testing.assert_array_equal(kept, 2.0 * x)  # what an engine gave stays when it is gone
    np.testing.assert_array_equal(found, 20.0 * x)
    np.testing.assert_array_equal(others, 200.0 * x)


def test_another_file_or_setting_is_another_network(tmp_path: Path, n_compiled: list[int]) -> None:
    x = np.ones((1, 3), np.float32)
    for n, factor in enumerate((2.0, 3.0), start=1):
        path = save_product(tmp_path / "product.xml", factor)
        assert OpenvinoEngine(path).infer(x)[0][0, 0] == factor
        gc.collect()
        assert n_compiled == [n]
    OpenvinoEngine(path, n_threads=3)
    assert n_compiled == [3]


def test_few_are_kept() -> None:
    for k in range(2 * MOST_IDLE):
        lent(Owner(), ("few", k), lambda k=k: k)
    assert lent(Owner(), ("few", 0), lambda: "compiled again") == "compiled again"
    newest = 2 * MOST_IDLE - 1
    assert lent(Owner(), ("few", newest), lambda: "compiled again") == newest


def test_threads_never_get_the_same(tmp_path: Path) -> None:
    used, clashes, numbers = set(), [], iter(range(10_000))

    def work() -> None:
        for _ in range(300):
            owner = Owner()
            network = lent(owner, "threads", lambda: next(numbers))
            clashes.extend([network] if network in used else [])
            used.add(network)
            used.discard(network)
            del owner

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not clashes and next(numbers) <= 4


def test_identity_knows_the_weights_beside_a_network(tmp_path: Path) -> None:
    path = save_product(tmp_path / "product.xml", 2.0)
    before = identity(path)
    assert identity(path) == before
    path.with_suffix(".bin").write_bytes(b"others")
    assert identity(path) != before
