"""Choose what runs a network: the fastest engine that was built of it here and proved right."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from engines.building.folder import LoadedEngine, default_engines_dir, found_engines, load_engine, open_file
from engines.building.manifest import Manifest, read_manifest
from engines.errors import EngineError
from engines.runtimes.available import Precision, Runtime
from engines.spec import ModelSpec, load_spec

logger = logging.getLogger(__name__)

UNBUILT = (Runtime.OPENVINO, Runtime.ONNXRUNTIME)
"""What runs ONNX files as they are, in single precision."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engines may be taken; None leaves it to their speed."""

    runtime: Runtime | None = None
    precision: Precision | None = None
    root: Path | None = None
    """Where engines are kept; None: in the user's cache."""

    def allows(self, manifest: Manifest) -> bool:
        """Whether an engine is among them."""
        return self.runtime in (None, manifest.runtime) and self.precision in (None, manifest.precision)

    @property
    def options(self) -> str:
        """As on the command line."""
        parts = [f"--runtime {self.runtime.value}"] if self.runtime else []
        parts += [f"--precision {self.precision.value}"] if self.precision else []
        return " ".join(parts)


FASTEST = EngineChoice()


def open_network(path: Path, choice: EngineChoice = FASTEST, *, n_threads: int | None = None) -> LoadedEngine:
    """Open a network with the runtime that is to run it.

    Args:
        path: ONNX file with its spec beside it, or the folder of one engine.
        choice: Among the engines built of the file. Without any, OpenVINO runs the file as it is, or the
            runtime that was asked for.
        n_threads: CPU threads, where the file is run as it is; None leaves the choice to the runtime.

    Raises:
        EngineError: the file or engine cannot be used, or nothing that was built is allowed.
    """
    if path.is_dir():
        if not choice.allows(read_manifest(path)):
            raise EngineError(
                f"{path}: this engine is not {choice.options}; leave these options out",
                name="model_path", value=path,
            )  # fmt: skip
        return load_engine(path)
    spec = load_spec(path)
    usable: list[tuple[Path, Manifest]] = []
    for folder, manifest in found_engines(choice.root or default_engines_dir(), spec.sha256, choice.allows):
        if isinstance(manifest, EngineError):
            logger.warning("not used: %s", manifest)
        else:
            usable.append((folder, manifest))
    for folder, _ in sorted(usable, key=lambda item: item[1].speed.p50_ms):
        try:
            return load_engine(folder)
        except EngineError as error:
            logger.warning("not used: %s", error)
    return _as_it_is(path, spec, choice, n_threads)


def _as_it_is(path: Path, spec: ModelSpec, choice: EngineChoice, n_threads: int | None) -> LoadedEngine:
    runtime = choice.runtime or Runtime.OPENVINO
    if runtime not in UNBUILT or choice.precision not in (None, Precision.FP32):
        raise EngineError(
            f"{path}: no usable engine for {choice.options}; build it: kinecast engines build {path} "
            f"{choice.options}",
            name="runtime" if choice.precision is None else "precision", value=choice.precision or runtime,
        )  # fmt: skip
    engine = open_file(path, spec, runtime, n_threads=n_threads)
    return LoadedEngine(engine, spec, f"{spec.name}, {engine.description}")
