"""Build one engine: convert, compile, prove its answers, time it, and only then put it in its place."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.building.folder import MODEL_FILES, engine_path, open_file, partial_folder, publish
from engines.building.manifest import FORMAT, Manifest, Speed, file_facts
from engines.building.network_inputs import NetworkInputs, run_network
from engines.building.parity import Parity, answer_changes, measure_of, summarise
from engines.errors import EngineError
from engines.features.patches import is_patch_network
from engines.instruction_set import instruction_set
from engines.runtimes.available import Backend, Precision, Runtime, backends, n_threads
from engines.runtimes.engine import Engine
from engines.spec import ModelSpec

WARM_UP_CALLS = 10
TIMED_S = 1.5
MIN_CALLS, MAX_CALLS = 30, 2000
TIMING_CACHE = "tensorrt_timings.bin"


@dataclass(eq=False)
class Source:
    """A network to build engines of, and the inputs that prove them; the reference is computed once.

    Attributes:
        path: ONNX file of the network.
        spec: Spec of the network.
        calibration: Inputs to choose 8-bit ranges with.
        comparison: Other inputs, on which answers are compared.
    """

    path: Path
    spec: ModelSpec
    calibration: NetworkInputs
    comparison: NetworkInputs

    @cached_property
    def content(self) -> bytes:
        """Of the file."""
        return self.path.read_bytes()

    @cached_property
    def int8(self) -> bytes:
        """The network in 8 bits, for CPUs."""
        from engines.building.quantise import to_int8

        return to_int8(
            self.content,
            self.spec,
            self.calibration,
            seven_bit_weights=not instruction_set().sums_in_32_bits,
        )

    @cached_property
    def symmetric_int8(self) -> bytes:
        """The network in 8 bits, for TensorRT."""
        from engines.building.quantise import to_int8

        return to_int8(self.content, self.spec, self.calibration, symmetric=True)

    @cached_property
    def reference(self) -> Sequence[NDArray[Any]]:
        """Answers of ONNX Runtime in single precision on the CPU."""
        return run_network(open_file(self.path, self.spec, Runtime.ONNXRUNTIME), self.comparison)


def build_engine(source: Source, backend: Backend, precision: Precision, root: Path) -> tuple[Path, Manifest]:
    """Build, prove, time and keep one engine.

    Args:
        source: Network to build an engine of.
        backend: Runtime and unit to build for.
        precision: Precision of the convolutions.
        root: Folder that holds engines.

    Returns:
        Its folder and manifest.

    Raises:
        EngineError: the runtime does not take the network, or its answers change more than `measure_of`
            accepts; nothing is kept then.
    """
    target = engine_path(root, source.spec.sha256, backend, precision)
    with partial_folder(target) as folder:
        path = folder / MODEL_FILES[backend.runtime]
        method = _write(source, backend, precision, path, root)
        threads = _threads(source.spec) if backend.unit == "cpu" else None
        engine = open_file(
            path, source.spec, backend.runtime, unit=backend.unit, precision=precision, n_threads=threads
        )
        parity = prove(source, engine, precision)
        speed = measure(engine, source.comparison)
        manifest = Manifest(
            format=FORMAT,
            source=str(source.path),
            source_sha256=source.spec.sha256,
            spec=source.spec,
            runtime=backend.runtime,
            unit=backend.unit,
            runtime_version=backend.version,
            device=backend.device,
            precision=precision,
            n_threads=threads,
            method=method,
            parity=parity,
            speed=speed,
            files={p.name: file_facts(p) for p in sorted(folder.iterdir())},
        )
        publish(folder, target, manifest)
    return target, manifest


def prove(source: Source, engine: Engine, precision: Precision) -> Parity:
    """Compare answers with the reference.

    Raises:
        EngineError: they change by more than `measure_of` accepts.
    """
    found = run_network(engine, source.comparison)
    measure = measure_of(source.spec)
    changes = answer_changes(source.spec, source.comparison.arrays, source.reference, found)
    parity = summarise(measure, changes, source.comparison.source)
    limit = measure.limit[precision]
    if not parity.mean <= limit:
        raise EngineError(
            f"refused: {precision.value} changes the {parity.what} by {parity.mean:.3g} {parity.unit} on "
            f"average over {parity.n_inputs} inputs ({parity.inputs}); accepted: up to {limit:g}",
            name="parity", value=parity.mean, accepted=(0.0, limit),
        )  # fmt: skip
    return parity


def _threads(spec: ModelSpec) -> int:
    """CPU threads: one for patches, whose work would be shorter than the wait for a second."""
    return 1 if is_patch_network(spec) else n_threads()


def measure(engine: Engine, inputs: NetworkInputs) -> Speed:
    """Time single calls on real inputs."""
    batch = len(engine.inputs[0])
    engine.reset_state()
    feeds = [inputs.batch(k, batch) for k in range(min(16, inputs.n_batches(batch)))]
    for k in range(WARM_UP_CALLS):
        engine.infer(*feeds[k % len(feeds)])
    durations_ms: list[float] = []
    while len(durations_ms) < MIN_CALLS or (
        sum(durations_ms) < 1000.0 * TIMED_S and len(durations_ms) < MAX_CALLS
    ):
        feed = feeds[len(durations_ms) % len(feeds)]
        start_ns = time.perf_counter_ns()
        engine.infer(*feed)
        durations_ms.append(1e-6 * (time.perf_counter_ns() - start_ns))
    p50, p95 = np.percentile(durations_ms, (50, 95))
    return Speed(float(p50), float(p95), len(durations_ms))


def _write(source: Source, backend: Backend, precision: Precision, path: Path, root: Path) -> str:
    """Make the file that the runtime opens.

    Returns:
        How the precision was reached.
    """
    if backend.runtime is Runtime.OPENVINO:
        return _write_openvino(source, precision, path)
    content, method = source.content, "as exported"
    if precision is Precision.INT8:
        is_tensorrt = backend.runtime is Runtime.TENSORRT
        content = source.symmetric_int8 if is_tensorrt else source.int8
        method = _INT8 if is_tensorrt else _int8_method()
    elif precision is Precision.FP16:
        from engines.building.half_precision import to_half_precision

        content, method = to_half_precision(content), "convolutions in fp16, all else in fp32"
    if backend.runtime is Runtime.TENSORRT:
        from engines.building.half_precision import bytes_to_float_first
        from engines.building.tensorrt_build import build_plan

        content = build_plan(bytes_to_float_first(content), root / TIMING_CACHE)
    path.write_bytes(content)
    return method


_INT8 = "onnxruntime.quantization: convolutions, percentile ranges, a scale per channel"


def _int8_method() -> str:
    """How processors get 8 bits."""
    return _INT8 if instruction_set().sums_in_32_bits else f"{_INT8}, 7-bit weights (no VNNI)"


def _write_openvino(source: Source, precision: Precision, path: Path) -> str:
    import openvino

    from engines.runtimes.openvino_engine import read_network, shared_core

    if precision is Precision.INT8:
        openvino.save_model(shared_core().read_model(source.int8), path, compress_to_fp16=False)
        return _int8_method()
    openvino.save_model(read_network(source.path), path, compress_to_fp16=precision is Precision.FP16)
    return "as exported" if precision is Precision.FP32 else "OpenVINO's own fp16"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of one attempt."""

    backend: Backend
    precision: Precision | None
    folder: Path | None = None
    manifest: Manifest | None = None
    problem: str = ""
    """Why there is no engine; empty where there is one."""

    @property
    def name(self) -> str:
        """Runtime, unit and precision."""
        return self.backend.name + ("" if self.precision is None else f" {self.precision.value}")


def build_all(
    source: Source,
    root: Path,
    *,
    runtime: Runtime | None = None,
    unit: str | None = None,
    precision: Precision | None = None,
) -> Iterator[Outcome]:
    """Build everything worth having on this machine, or the part of it that is asked for.

    Args:
        source: Network to build engines of.
        root: Folder that holds engines.
        runtime: Required runtime, any if None.
        unit: Required unit, any if None.
        precision: Required precision, accepted even where it brings no gain.
    """
    for backend in backends():
        if runtime not in (None, backend.runtime) or unit not in (None, backend.unit):
            continue
        if backend.problem:
            yield Outcome(backend, None, problem=backend.problem)
            continue
        for each in backend.precisions if precision is None else (precision,):
            try:
                folder, manifest = build_engine(source, backend, each, root)
            except EngineError as error:
                yield Outcome(backend, each, problem=str(error))
            else:
                yield Outcome(backend, each, folder, manifest)
