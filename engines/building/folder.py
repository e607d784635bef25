"""Engine folders on disk: written whole or not at all, checked before they are used."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from engines.building.manifest import MANIFEST_NAME, Manifest, check_files, encode_manifest, read_manifest
from engines.errors import EngineError
from engines.instruction_set import has_bfloat16
from engines.runtimes.available import Backend, Precision, Runtime, find_backend
from engines.runtimes.engine import Engine
from engines.spec import ModelSpec

PARTIAL = ".building-"
STALE_S = 86_400.0
"""A build that has not ended after a day was killed."""
MODEL_FILES = {
    Runtime.OPENVINO: "model.xml",
    Runtime.ONNXRUNTIME: "model.onnx",
    Runtime.TENSORRT: "model.plan",
}
NAMES = {
    Runtime.OPENVINO: "OpenVINO",
    Runtime.ONNXRUNTIME: "ONNX Runtime",
    Runtime.TENSORRT: "TensorRT",
}
_HINTS = {Precision.FP32: "f32", Precision.FP16: "f16", Precision.INT8: "bf16"}
"""What OpenVINO computes in where nothing is quantised, if the processor can."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedEngine:
    """A network ready to run, and what it is."""

    engine: Engine
    spec: ModelSpec
    description: str
    """Network, runtime, device and precision, for people."""


def default_engines_dir() -> Path:
    """Where engines are kept when nobody says otherwise."""
    return Path(platformdirs.user_cache_dir("kinecast", appauthor=False)) / "engines"


def engine_path(root: Path, source_sha256: str, backend: Backend, precision: Precision) -> Path:
    """The folder of one engine: another network, version, device or driver has another."""
    binding = hashlib.sha256(f"{backend.version}\n{backend.device}".encode()).hexdigest()[:8]
    name = f"{backend.runtime.value}-{backend.unit}-{precision.value}-{binding}"
    return root / source_sha256[:16] / name


@contextmanager
def partial_folder(target: Path) -> Iterator[Path]:
    """A folder to build in, beside its final place; gone afterwards unless `publish` moved it.

    Raises:
        EngineError: it cannot be made.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(target.parent)
        folder = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{target.name}-", dir=target.parent))
    except OSError as error:
        raise EngineError(
            f"{target.parent}: cannot be written ({error.strerror})", name="root", value=target.parent
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, target: Path, manifest: Manifest) -> None:
    """Write the manifest, last of all, and move the folder to its place.

    Raises:
        EngineError: it cannot be written.
    """
    try:
        (folder / MANIFEST_NAME).write_bytes(encode_manifest(manifest))
        for path in folder.iterdir():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        if target.exists():
            # A folder cannot replace another in one step; a crash in between leaves none, never half of one.
            old = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}old-", dir=target.parent))
            target.rename(old / target.name)
            shutil.rmtree(old, ignore_errors=True)
        folder.rename(target)
    except OSError as error:
        raise EngineError(
            f"{target}: cannot be written ({error.strerror})", name="root", value=target
        ) from error


def load_engine(folder: Path) -> LoadedEngine:
    """Open an engine that was built on this machine, as it is now.

    Raises:
        EngineError: it is damaged, or was built for another machine, GPU, driver or version; with the command
            that builds it again.
    """
    manifest = read_manifest(folder)
    check_binding(folder, manifest)
    check_files(folder, manifest)
    try:
        engine = open_file(
            folder / MODEL_FILES[manifest.runtime],
            manifest.spec,
            manifest.runtime,
            unit=manifest.unit,
            precision=manifest.precision,
            n_threads=manifest.n_threads,
        )
    except EngineError as error:
        raise EngineError(
            f"{folder}: {error}; build it again: {manifest.rebuild}",
            name=error.name, value=error.value, accepted=error.accepted,
        ) from error  # fmt: skip
    return LoadedEngine(engine, manifest.spec, describe(manifest))


def check_binding(folder: Path, manifest: Manifest) -> None:
    """Refuse an engine of another machine, GPU, driver or version.

    Raises:
        EngineError: with the command that builds it again.
    """
    backend = find_backend(manifest.runtime, manifest.unit)
    for what, built, here in (
        ("version", manifest.runtime_version, backend.version),
        ("device", manifest.device, backend.device),
    ):
        if built != here:
            raise EngineError(
                f"{folder}: built for {what} {built}, but this is {here}; build it again: {manifest.rebuild}",
                name=what, value=built, accepted=(here,),
            )  # fmt: skip


def open_file(
    path: Path,
    spec: ModelSpec,
    runtime: Runtime,
    *,
    unit: str = "cpu",
    precision: Precision = Precision.FP32,
    n_threads: int | None = None,
) -> Engine:
    """Run a network's file, without asking where it came from.

    Args:
        path: File as the runtime takes it; OpenVINO and ONNX Runtime also take the source itself.
        spec: Spec of the network.
        runtime: Runtime that runs it.
        unit: Unit that it runs on.
        precision: Precision that the file was made for.
        n_threads: CPU threads; None leaves the choice to the runtime.

    Raises:
        EngineError: the runtime does not take it.
    """
    outputs, states = [t.name for t in spec.outputs], [t.name for t in spec.states]
    if runtime is Runtime.OPENVINO:
        from engines.runtimes.openvino_engine import OpenvinoEngine

        return OpenvinoEngine(
            path,
            outputs=None if states else outputs,
            states=states,
            device=unit.upper(),
            precision=_hint(precision, unit),
            n_threads=n_threads,
        )
    if runtime is Runtime.ONNXRUNTIME:
        from engines.runtimes.onnxruntime_engine import OnnxruntimeEngine

        return OnnxruntimeEngine(path, outputs=outputs, states=states, unit=unit, n_threads=n_threads)
    from engines.runtimes.tensorrt_engine import TensorrtEngine

    return TensorrtEngine(path.read_bytes(), outputs=outputs, states=states)


def _hint(precision: Precision, unit: str) -> str:
    # OpenVINO asks the processor itself what it can, but its kernels also obey limits of the environment,
    # under which they find no way to compute in bfloat16.
    hint = _HINTS[precision]
    return "f32" if hint == "bf16" and unit == "cpu" and not has_bfloat16() else hint


def describe(manifest: Manifest) -> str:
    """What runs, for people."""
    threads = "" if manifest.n_threads is None else f", {manifest.n_threads} threads"
    version = manifest.runtime_version.removeprefix("tensorrt ")
    return (
        f"{manifest.spec.name}, {NAMES[manifest.runtime]} {version}, {manifest.device}, "
        f"{manifest.precision.value}{threads}, {manifest.parity.mean:.2g} {manifest.parity.unit} from the "
        "reference"
    )


def found_engines(
    root: Path, source_sha256: str, wants: Callable[[Manifest], bool] = lambda manifest: True
) -> list[tuple[Path, Manifest | EngineError]]:
    """What was built of a network, the unusable with the reason.

    Args:
        root: Folder that holds engines.
        source_sha256: Hash of the ONNX file.
        wants: Filter on manifests.
    """
    parent = root / source_sha256[:16]
    found: list[tuple[Path, Manifest | EngineError]] = []
    for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
        if folder.name.startswith(PARTIAL) or not folder.is_dir():
            continue
        try:
            manifest = read_manifest(folder)
            if not wants(manifest):
                continue
            check_binding(folder, manifest)
        except EngineError as error:
            found.append((folder, error))
            continue
        if manifest.source_sha256 == source_sha256:
            found.append((folder, manifest))
    return found


def _remove_stale(parent: Path) -> None:
    """Clear what killed builds left."""
    for path in parent.glob(f"{PARTIAL}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_S:
                shutil.rmtree(path, ignore_errors=True)
