"""`kinecast doctor`: check what works on this computer, and how to install what does not."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HELP = "check what works on this computer and how to install what does not"

REQUIRED = ("numpy", "numba", "opencv-python", "openvino", "pyzmq", "msgspec")
EXTRAS = {
    "open3d": "viewer",
    "torch": "train",
    "opensim": "opensim",
    "onnx": "engines",
    "onnxruntime": "engines",
    "tensorrt": "tensorrt",
    "cuda-bindings": "tensorrt",
    "pandas": "data",
    "pyarrow": "data",
    "openpyxl": "data",
    "matplotlib": "data",
    "ezc3d": "data",
    "ray": "cluster",
    "fsspec": "cluster",
    "nicegui": "app",
    "pylsl": "bridges",
    "python-osc": "bridges",
    "websockets": "bridges",
    "pyvirtualcam": "camera",
    "av": "record",
}
"""Optional distribution -> extra that installs it."""
ALTERNATIVES = {
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python"),
    "open3d": ("open3d-cpu",),
}


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    NOTE = "--"
    PROBLEM = "!!"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Level
    subject: str
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options."""


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 if something prevents tracking."""
    problems = 0
    for check in CHECKS:
        for finding in check():
            problems += finding.level is Level.PROBLEM
            print(f"{finding.level.value}  {finding.subject:<14}{finding.text}", flush=True)
    print(
        "kinecast can track here."
        if not problems
        else f"{problems} problems to solve before kinecast can track."
    )
    return 1 if problems else 0


def check_python() -> Iterator[Finding]:
    """Check interpreter and operating system."""
    yield Finding(Level.OK, "Python", f"{platform.python_version()} on {platform.platform()}")


def check_config() -> Iterator[Finding]:
    """Check `kinecast.toml`, and show what it sets."""
    from realtime.cli import all_options, build_parser
    from realtime.config_file import ConfigError, check_file, config_files, config_paths
    from realtime.source_names import without_secrets

    try:
        files = config_files()
        parser = build_parser([]) if files else None
        for file in files:
            if parser is not None:
                check_file(file, parser, all_options(parser))
            for line in _settings(file.content):
                yield Finding(Level.OK, file.path.name, f"{without_secrets(line)} ({file.path})")
    except ConfigError as error:
        yield Finding(Level.PROBLEM, "kinecast.toml", str(error))
        return
    if not files:
        places = " or ".join(str(path) for path in config_paths())
        yield Finding(Level.NOTE, "kinecast.toml", f"none (optional); looked for {places}")


def _settings(table: dict[str, object], commands: str = "") -> Iterator[str]:
    """The lines of a file, each with its command."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _settings(value, f"{commands}{key} ")
        else:
            yield f"{commands}--{key} = {value!r}"


def check_processor() -> Iterator[Finding]:
    """Instruction set of the processor, and what it costs."""
    from engines.benchmark import processor_name
    from engines.instruction_set import instruction_set
    from engines.runtimes.available import n_threads

    found = instruction_set()
    cost = (
        "networks in int8 run at full speed and range"
        if found.sums_in_32_bits
        else "no VNNI: int8 networks get 7-bit weights and gain less; fp32, which kinecast runs by default, "
        "loses little"
    )
    yield Finding(Level.OK, "processor", f"{processor_name()}, {n_threads()} cores, {found.value}: {cost}")


def check_packages() -> Iterator[Finding]:
    """Check versions of required and optional packages."""
    for name in REQUIRED:
        found = installed_version(name)
        yield (
            Finding(Level.OK, name, found)
            if found
            else Finding(Level.PROBLEM, name, "not installed: pip install kinecast")
        )
    for name, extra in EXTRAS.items():
        found = installed_version(name)
        advice = f"not installed (optional): pip install 'kinecast[{extra}]'"
        yield Finding(Level.OK if found else Level.NOTE, name, found or advice)


def check_runtimes() -> Iterator[Finding]:
    """Check which runtimes can be used for networks, and why others cannot."""
    from engines.runtimes.available import Runtime, backends

    for backend in backends():
        if not backend.problem:
            precisions = ", ".join(p.value for p in backend.precisions)
            text = f"{backend.name}: {backend.version} on {backend.device} ({precisions})"
            yield Finding(Level.OK, "runtime", text)
        else:
            is_needed = backend.runtime is Runtime.OPENVINO
            level = Level.PROBLEM if is_needed else Level.NOTE
            yield Finding(level, "runtime", f"{backend.name}: not usable: {backend.problem}")


def check_direct() -> Iterator[Finding]:
    """Check which runtime the direct network would use."""
    from engines.shipped import shipped_direct_path

    path = shipped_direct_path()
    if path.exists():
        yield from _engines_of("direct", path)
    else:
        yield Finding(
            Level.NOTE, "direct", f"{path} is missing: reinstall kinecast, or give one with --model-path"
        )


def check_patches() -> Iterator[Finding]:
    """Check which runtime the patch network would use."""
    from engines.shipped import shipped_patches_path

    yield from _engines_of("patches", shipped_patches_path())


def _engines_of(name: str, path: Path) -> Iterator[Finding]:
    from engines.building.folder import default_engines_dir, describe, found_engines
    from engines.errors import EngineError
    from engines.spec import load_spec

    usable = []
    for _, manifest in found_engines(default_engines_dir(), load_spec(path).sha256):
        if isinstance(manifest, EngineError):
            yield Finding(Level.NOTE, name, f"not used: {manifest}")
        else:
            usable.append(manifest)
    if usable:
        fastest = min(usable, key=lambda manifest: manifest.speed.p50_ms)
        yield Finding(Level.OK, name, f"runs on {describe(fastest)}, {fastest.speed.p50_ms:.1f} ms")
    else:
        yield Finding(Level.OK, name, f"runs on OpenVINO in fp32; faster: kinecast engines build {path}")


def check_assets() -> Iterator[Finding]:
    """Check the networks of the default estimator."""
    from engines.assets import find
    from realtime.commands.assets import NEEDED

    for name in NEEDED:
        path = find(name)
        text = str(path) if path else f"downloaded when first needed, or now: kinecast assets fetch {name}"
        yield Finding(Level.OK if path else Level.NOTE, "asset", f"{name}: {text}")


def check_cameras() -> Iterator[Finding]:
    """Check the cameras of this computer."""
    from realtime.sources.cameras import list_cameras

    cameras = list_cameras()
    for index, name in cameras:
        yield Finding(Level.OK, "camera", f"{index}: {name} (kinecast live --source {index})")
    if not cameras:
        yield Finding(Level.NOTE, "camera", "none found; videos work: kinecast replay VIDEO --out DIR")


def check_display() -> Iterator[Finding]:
    """Check whether a window can be opened."""
    from realtime.overlay.window import display_problem

    problem = display_problem()
    text = f"{problem}; live runs without a window" if problem else "windows can be opened"
    yield Finding(Level.NOTE if problem else Level.OK, "display", text)


def installed_version(name: str) -> str:
    """Version of a distribution or of an alternative to it; empty if none is installed."""
    for candidate in (name, *ALTERNATIVES.get(name, ())):
        try:
            found = version(candidate)
        except PackageNotFoundError:
            continue
        return found if candidate == name else f"{found} ({candidate})"
    return ""


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_python,
    check_config,
    check_processor,
    check_packages,
    check_runtimes,
    check_direct,
    check_patches,
    check_assets,
    check_cameras,
    check_display,
)
