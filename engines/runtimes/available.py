"""Which runtimes work on this machine, on which device and in which precisions, and why others do not."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from engines.benchmark import processor_name
from engines.errors import EngineError
from engines.instruction_set import instruction_set


class Runtime(StrEnum):
    """What runs a network."""

    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"


class Precision(StrEnum):
    """What convolutions are computed in."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


LIMIT_DEG = {Precision.FP32: 0.01, Precision.FP16: 0.05, Precision.INT8: 0.3}
"""Largest mean change of the coordinates against ONNX Runtime in single precision."""
LIMIT_PERCENT = {Precision.FP32: 0.001, Precision.FP16: 0.02, Precision.INT8: 0.1}
"""The same of points of patches, in % of the side of BlazePose's region; the network itself errs by 1."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One runtime on one device of this machine."""

    runtime: Runtime
    unit: str
    """`cpu`, `gpu` (OpenVINO on Intel's), `cuda`."""
    version: str = ""
    device: str = ""
    """What an engine is bound to: the processor, or the GPU with its driver."""
    precisions: tuple[Precision, ...] = ()
    """Those worth building."""
    problem: str = ""
    """Why it cannot be used, and what helps; empty where it can."""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.runtime.value} on {self.unit}"


def n_threads() -> int:
    """Threads that may run at once: what CPU engines are built for."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def backends() -> tuple[Backend, ...]:
    """All runtimes, the usable and the others."""
    found: list[Backend] = []
    for runtime, look in _LOOKS.items():
        try:
            found += look()
        except (EngineError, ImportError, OSError, RuntimeError) as error:
            lines = str(error).splitlines() or [type(error).__name__]
            found.append(Backend(runtime, _USUAL_UNIT[runtime], problem=f"{lines[0]}; {_ADVICE[runtime]}"))
    return tuple(found)


def find_backend(runtime: Runtime, unit: str) -> Backend:
    """The one that an engine asks for.

    Raises:
        EngineError: it cannot be used here.
    """
    known = backends()
    for backend in known:
        if backend.runtime is runtime and backend.unit == unit:
            if backend.problem:
                raise EngineError(
                    f"{backend.name} cannot be used: {backend.problem}", name="runtime", value=runtime
                )
            return backend
    usable = [b.name for b in known if not b.problem]
    raise EngineError(
        f"this machine has no {runtime.value} on {unit}; usable: {', '.join(usable)}",
        name="runtime", value=f"{runtime.value} on {unit}", accepted=usable,
    )  # fmt: skip


def _processor() -> str:
    """Name and instruction set: some names, such as AMD EPYC, stand for processors with and without VNNI."""
    return f"{processor_name()}, {instruction_set().value}"


def _openvino() -> list[Backend]:
    import openvino

    from engines.runtimes.openvino_engine import shared_core

    core = shared_core()
    version = openvino.__version__.split("-")[0]
    found = []
    for device in core.available_devices:
        unit = device.split(".")[0].lower()
        if unit not in ("cpu", "gpu"):
            continue
        # A CPU's plugin takes half precision by computing in single precision, unless it says otherwise.
        has_half = "FP16" in core.get_property(device, "OPTIMIZATION_CAPABILITIES")
        precisions = (Precision.FP32, *((Precision.FP16,) if has_half else ()), Precision.INT8)
        name = _processor() if unit == "cpu" else core.get_property(device, "FULL_DEVICE_NAME")
        found.append(Backend(Runtime.OPENVINO, unit, version, name, precisions))
    return found


def _onnxruntime() -> list[Backend]:
    import onnxruntime

    version, offered = onnxruntime.__version__, onnxruntime.get_available_providers()
    precisions = (Precision.FP32, Precision.INT8)
    found = [Backend(Runtime.ONNXRUNTIME, "cpu", version, _processor(), precisions)]
    if "CUDAExecutionProvider" in offered:
        from engines.runtimes.cuda import device_name

        found.append(
            Backend(Runtime.ONNXRUNTIME, "cuda", version, device_name(), (Precision.FP32, Precision.FP16))
        )
    return found


def _tensorrt() -> list[Backend]:
    from engines.runtimes.cuda import device_name
    from engines.runtimes.tensorrt_api import load_tensorrt

    trt = load_tensorrt()
    version = f"{trt.__name__.replace('_', '-')} {trt.__version__}"
    return [Backend(Runtime.TENSORRT, "cuda", version, device_name(), tuple(Precision))]


_LOOKS: dict[Runtime, Callable[[], list[Backend]]] = {
    Runtime.OPENVINO: _openvino,
    Runtime.ONNXRUNTIME: _onnxruntime,
    Runtime.TENSORRT: _tensorrt,
}
_USUAL_UNIT = {Runtime.OPENVINO: "cpu", Runtime.ONNXRUNTIME: "cpu", Runtime.TENSORRT: "cuda"}
_ADVICE = {
    Runtime.OPENVINO: "install it: pip install openvino",
    Runtime.ONNXRUNTIME: "install it: pip install 'kinecast[engines]'",
    Runtime.TENSORRT: "it needs an NVIDIA GPU with its driver, and: pip install 'kinecast[tensorrt]'",
}
