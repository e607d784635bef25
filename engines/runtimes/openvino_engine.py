"""Run a network through OpenVINO: ONNX, OpenVINO IR and TensorFlow Lite files as they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError
from engines.runtimes.compiled_networks import identity, lent
from engines.runtimes.engine import check_names, fill, not_fixed
from engines.runtimes.weight_compression import with_int8_weights
from engines.spec import NEXT

PRECISIONS = ("f32", "bf16", "f16")
SUFFIXES = (".onnx", ".tflite", ".xml")
_ANEW = (
    "fetch networks of others again with kinecast assets fetch, export your own with kinecast train export"
)


class OpenvinoEngine:
    """A compiled network with buffers of its own: arrays in, arrays out, nothing allocated per call.

    Not safe to share between threads: one thread infers at a time.

    Args:
        model: Model file, or an `openvino.Model`.
        outputs: Tensor names to compute, in this order; branches that only others need are cut off.
            None: all of them.
        states: Inputs that the network's own output, named with `NEXT`, feeds on the next call; they are kept
            inside.
        device: OpenVINO device name.
        precision: The inference precision: `f32`, `bf16` or `f16`. `f32` gives the same numbers on every CPU
            that takes the same code path; the others are faster where the CPU has instructions for them.
        n_threads: CPU threads; None takes `OMP_NUM_THREADS`, as other libraries do, and without it leaves the
            choice to OpenVINO (one a physical core). Their number does not change the results.
        int8_weights: Whether large matrices are kept in 8 bits (`engines.runtimes.weight_compression`).

    Raises:
        EngineError: the file cannot be read, an output does not exist, shapes are not fixed, or the
            device does not take the network.
    """

    def __init__(
        self,
        model: Path | Any,
        *,
        outputs: Sequence[str] | None = None,
        states: Sequence[str] = (),
        device: str = "CPU",
        precision: str = "f32",
        n_threads: int | None = None,
        int8_weights: bool = False,
    ) -> None:
        import openvino

        if precision not in PRECISIONS:
            raise EngineError(
                f"precision {precision!r} is unknown; accepted: {', '.join(PRECISIONS)}",
                name="precision",
                value=precision,
                accepted=PRECISIONS,
            )
        names = None if outputs is None else tuple(outputs)
        n_threads = _threads_of_environment() if n_threads is None else n_threads
        wanted = _Wanted(names, tuple(states), device, precision, n_threads, int8_weights)
        if isinstance(model, str | Path):
            path = _checked_file(Path(model))
            compiled = lent(self, (identity(path), wanted), lambda: wanted.compiled(read_network(path)))
        else:
            compiled = wanted.compiled(model)
        self._request = compiled.create_infer_request()
        self._inputs = tuple(
            self._request.get_input_tensor(k).data for k in range(_checked_static(compiled.inputs))
        )
        self._outputs = tuple(
            self._request.get_output_tensor(k).data for k in range(_checked_static(compiled.outputs))
        )
        self.description = _describe(openvino.__version__, shared_core(), compiled, device, precision)

    @property
    def inputs(self) -> tuple[NDArray[np.float32], ...]:
        """The input buffers, to fill in place before `infer()` without arguments."""
        return self._inputs

    def infer(self, *arrays: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        """Run the network once.

        Args:
            *arrays: One for each input, of its shape; none: the input buffers as they are.

        Returns:
            The output buffers: the next call overwrites them.

        Raises:
            EngineError: wrong number of arrays, or a shape that the network does not take.
        """
        fill(self._inputs, arrays)
        self._request.infer(share_outputs=True)
        return self._outputs

    def reset_state(self) -> None:
        """Make a network that remembers forget."""
        self._request.reset_state()


@lru_cache(maxsize=1)
def shared_core() -> Any:
    """OpenVINO's core, one for the whole process and until its end.

    Each core gives the thread that loads its CPU plugin another stack for signals, and puts the one before
    back when it ends. With several, ended in any order, a signal (Ctrl-C, a child's end) would run on memory
    that is gone, and kill the process.
    """
    import openvino

    return openvino.Core()


def read_network(path: str | Path) -> Any:
    """Read a network's file.

    Returns:
        An `openvino.Model`.

    Raises:
        EngineError: it is missing, of another kind, or damaged.
    """
    try:
        return shared_core().read_model(_checked_file(Path(path)))
    except RuntimeError as error:
        raise EngineError(
            f"OpenVINO cannot read {path}: {_first_line(error)}; accepted: whole files, "
            f"{', '.join(SUFFIXES)}; {_ANEW}",
            name="model", value=path, accepted=SUFFIXES,
        ) from error  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be compiled of a network; fields as the arguments of `OpenvinoEngine`."""

    outputs: tuple[str, ...] | None
    states: tuple[str, ...]
    device: str
    precision: str
    n_threads: int | None
    int8_weights: bool

    def compiled(self, network: Any) -> Any:
        """The compiled network; what is given may be changed."""
        network = _with_inner_states(network, self.states)
        if self.outputs is not None:
            network = _cut(network, self.outputs)
        config = _config(self.device, self.precision, self.n_threads)
        if self.int8_weights:
            network = with_int8_weights(network)
            # Activations stay as they are: in 8 bits they would change with the processor.
            config["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0
        try:
            return shared_core().compile_model(network, self.device, config)
        except RuntimeError as error:
            devices = shared_core().available_devices
            raise EngineError(
                f"OpenVINO cannot compile the network for {self.device}: {_first_line(error)}; accepted "
                f"here: {', '.join(devices)}; what else runs: kinecast doctor",
                name="device", value=self.device, accepted=devices,
            ) from error  # fmt: skip


def _with_inner_states(network: Any, states: Sequence[str]) -> Any:
    """A network with its states inside, from call to call, instead of as inputs and outputs."""
    from openvino.passes import MakeStateful, Manager

    if states:
        names = {name for port in (*network.inputs, *network.outputs) for name in port.get_names()}
        check_names((n for state in states for n in (state, state + NEXT)), sorted(names))
        manager = Manager()
        manager.register_pass(MakeStateful({name: name + NEXT for name in states}))
        manager.run_passes(network)
    return network


def _checked_file(path: Path) -> Path:
    if not path.is_file():
        raise EngineError(
            f"no model file at {path}; accepted: {', '.join(SUFFIXES)}; {_ANEW}",
            name="model", value=path, accepted=SUFFIXES,
        )  # fmt: skip
    # OpenVINO would let all its readers guess, and they complain on the console.
    if path.suffix not in SUFFIXES or not _is_plausible(path):
        raise EngineError(
            f"{path}: not a network that OpenVINO reads; accepted: {', '.join(SUFFIXES)}; {_ANEW}",
            name="model", value=path, accepted=SUFFIXES,
        )  # fmt: skip
    return path


def _is_plausible(path: Path) -> bool:
    """False for a `.tflite` file without the mark of a TensorFlow Lite flatbuffer."""
    with path.open("rb") as file:
        return path.suffix != ".tflite" or file.read(8)[4:] == b"TFL3"


def _cut(network: Any, outputs: Sequence[str]) -> Any:
    """The part of a network that the named outputs depend on."""
    import openvino

    by_name = {name: port.node for port in network.outputs for name in port.get_names()}
    check_names(outputs, by_name)
    parameters = network.get_parameters()
    return openvino.Model([by_name[name] for name in outputs], parameters, network.get_friendly_name())


def _checked_static(ports: Sequence[Any]) -> int:
    """How many ports there are, once all are known to have fixed shapes."""
    for port in ports:
        if port.partial_shape.is_dynamic:
            raise not_fixed(port.any_name, port.partial_shape)
    return len(ports)


def _config(device: str, precision: str, n_threads: int | None) -> dict[str, Any]:
    """Settings of a network that is compiled for single frames."""
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    if device == "CPU":
        # Capture, overlay and other programs share the cores: a thread that may not leave a busy one doubles
        # the slowest inferences.
        config["ENABLE_CPU_PINNING"] = False
    if n_threads is not None:
        config["INFERENCE_NUM_THREADS"] = n_threads
    return config


def _threads_of_environment() -> int | None:
    """What worker processes are told, such as Ray's, each of which has a share of the cores."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _describe(version: str, core: Any, compiled: Any, device: str, precision: str) -> str:
    name = core.get_property(device, "FULL_DEVICE_NAME").strip()
    text = f"OpenVINO {version.split('-')[0]}, {name}, {precision}"
    if "CPU" in device:
        text += f", {compiled.get_property('INFERENCE_NUM_THREADS')} threads"
    return text


def _first_line(error: Exception) -> str:
    """OpenVINO's messages quote its own source lines first; the reason comes last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
