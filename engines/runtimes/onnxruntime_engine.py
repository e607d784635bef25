"""Run a network through ONNX Runtime: the reference that the other runtimes are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError
from engines.runtimes.engine import Buffers, check_names, fill
from engines.spec import NEXT

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""Unit -> ONNX Runtime's name for it."""
DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int64)": np.int64,
}
QUIET = 3
"""Log errors only: what matters of the rest is checked here."""


class OnnxruntimeEngine:
    """A network whose buffers are bound once: nothing is allocated per call.

    Not safe to share between threads.

    Args:
        model: ONNX file, or its content.
        outputs: Names of the output tensors, in this order; None: all but the states'.
        states: Inputs that the network's own output, named with `NEXT`, feeds on the next call.
        unit: Unit to run on: `cpu` or `cuda`.
        n_threads: CPU threads; None leaves the choice to ONNX Runtime (one a physical core).

    Raises:
        EngineError: ONNX Runtime is missing, cannot read the network, or would run it elsewhere than asked.
    """

    def __init__(
        self,
        model: Path | bytes,
        *,
        outputs: Sequence[str] | None = None,
        states: Sequence[str] = (),
        unit: str = "cpu",
        n_threads: int | None = None,
    ) -> None:
        self._session = _open_session(model, unit, n_threads)
        given = {node.name: _empty(node) for node in self._session.get_inputs()}
        made = {node.name: _empty(node) for node in self._session.get_outputs()}
        next_names = [name + NEXT for name in states]
        wanted = [name for name in made if name not in next_names] if outputs is None else list(outputs)
        check_names((*states, *wanted, *next_names), (*given, *made))
        self._inputs = tuple(array for name, array in given.items() if name not in states)
        self._outputs = tuple(made[name] for name in wanted)
        self._states = tuple((given[name], made[name + NEXT]) for name in states)
        self._binding = self._session.io_binding()
        for name, array in given.items():
            self._binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name in (*wanted, *next_names):
            array = made[name]
            self._binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self.description = _describe(unit, n_threads)

    @property
    def inputs(self) -> Buffers:
        """The input buffers, to fill in place before `infer()` without arguments."""
        return self._inputs

    def infer(self, *arrays: NDArray[Any]) -> Buffers:
        """Run the network once; see `engines.runtimes.engine.Engine`."""
        fill(self._inputs, arrays)
        self._session.run_with_iobinding(self._binding)
        for state, following in self._states:
            np.copyto(state, following)
        return self._outputs

    def reset_state(self) -> None:
        """Make a network that remembers forget."""
        for state, _ in self._states:
            state[...] = 0


def _open_session(model: Path | bytes, unit: str, n_threads: int | None) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError(
            f"ONNX Runtime cannot be used ({error}); install it: pip install 'kinecast[engines]'"
        ) from error
    if unit not in PROVIDERS:
        raise EngineError(
            f"ONNX Runtime has no unit {unit!r} here; accepted: {', '.join(PROVIDERS)}",
            name="unit",
            value=unit,
            accepted=PROVIDERS,
        )
    if PROVIDERS[unit] not in onnxruntime.get_available_providers():
        raise EngineError(
            f"this ONNX Runtime cannot use {unit}; it offers "
            f"{', '.join(onnxruntime.get_available_providers())}; for NVIDIA: pip install onnxruntime-gpu"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    if n_threads is not None:
        options.intra_op_num_threads = n_threads
    if unit != "cpu":
        # What the provider cannot take would otherwise run on the CPU without a word.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    content = model if isinstance(model, bytes) else str(model)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=[PROVIDERS[unit]])
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        where = "the network" if isinstance(model, bytes) else model
        raise EngineError(f"ONNX Runtime cannot open {where} on {unit}: {_first_line(error)}") from error
    session.disable_fallback()
    if session.get_providers()[0] != PROVIDERS[unit]:
        raise EngineError(
            f"ONNX Runtime fell back to {session.get_providers()[0]} although {PROVIDERS[unit]} was asked "
            "for; see kinecast doctor"
        )
    return session


def _empty(node: Any) -> NDArray[Any]:
    """A buffer for one input or output."""
    if node.type not in DTYPES or not all(isinstance(n, int) for n in node.shape):
        raise EngineError(
            f"{node.name!r} is {node.type} of shape {node.shape}; accepted: {', '.join(DTYPES)}, fixed shape"
        )
    return np.zeros(node.shape, DTYPES[node.type])


def _describe(unit: str, n_threads: int | None) -> str:
    import onnxruntime

    from engines.benchmark import processor_name

    threads = "" if n_threads is None else f", {n_threads} threads"
    return f"ONNX Runtime {onnxruntime.__version__}, {processor_name() if unit == 'cpu' else unit}{threads}"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
