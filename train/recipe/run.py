"""Runs the recipe's steps, and keeps a manifest: commands, seeds, versions, hashes and figures."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import platform
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TextIO

import msgspec

from train.errors import TrainError
from train.recipe.steps import Step
from train.synth.folder import explain, locked

MANIFEST = "manifest.json"
LOGS = "logs"
VERSIONS_OF = (
    "kinecast",
    "numpy",
    "numba",
    "torch",
    "opencv-python",
    "openvino",
    "onnx",
    "onnxruntime",
    "anny",
)
RunCommand = Callable[[Sequence[str]], int]
"""Runs the words after `kinecast train`."""


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One finished step."""

    command: str
    """As it can be given again, with paths below the output folder."""
    sha256: dict[str, str]
    """Of each file that it made, or of all files of a folder together; without files that tell of times."""
    figures: tuple[str, ...]
    """What it said of accuracy."""


class Manifest(msgspec.Struct, kw_only=True):
    """What was made, from what, with what."""

    scale: str
    seed: int
    versions: dict[str, str]
    platform: str
    cores: int
    steps: dict[str, StepRecord] = {}


def run_steps(
    steps: Sequence[Step], out: Path, manifest: Manifest, run: RunCommand, ray: str | None
) -> Manifest:
    """Do what is missing, and write the manifest after each step.

    Args:
        steps: All steps in order.
        out: Folder of everything that is made.
        manifest: Without steps; compared with that of an earlier run in the folder.
        run: Runs a command.
        ray: Address of a Ray cluster for the steps that take one.

    Raises:
        TrainError: the folder holds another recipe's files, or a step fails.
    """
    with locked(out):
        manifest = _begun(out, manifest)
        for number, step in enumerate(steps, start=1):
            if step.name in manifest.steps and all(path.exists() for path in step.outputs):
                print(f"{number}/{len(steps)} {step.name}: done before", flush=True)
                continue
            print(f"{number}/{len(steps)} {step.name}: kinecast train {' '.join(step.words)}", flush=True)
            manifest.steps[step.name] = _done(step, out, run, ray)
            _write(out, manifest)
    return manifest


def new_manifest(scale: str, seed: int) -> Manifest:
    """A manifest without steps."""
    return Manifest(
        scale=scale, seed=seed, versions=_versions(), platform=platform.platform(), cores=os.cpu_count() or 1
    )


def _begun(out: Path, manifest: Manifest) -> Manifest:
    """The manifest of an earlier run, if it is of the same recipe.

    Raises:
        TrainError: it is of another, or damaged.
    """
    path = out / MANIFEST
    if not path.exists():
        return manifest
    try:
        there = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise TrainError(f"{path}: cannot be read ({error}); give another --out") from error
    for name in ("scale", "seed", "versions"):
        old, new = getattr(there, name), getattr(manifest, name)
        if old != new:
            raise TrainError(f"{out}: was begun with {name} {old!r}, not {new!r}; give another --out")
    return there


def _done(step: Step, out: Path, run: RunCommand, ray: str | None) -> StepRecord:
    said = _Both(sys.stdout)
    words = [*step.words, *(("--ray", ray) if ray is not None and step.on_cluster else ())]
    with contextlib.redirect_stdout(said):
        code = run(words)
    missing = [str(path) for path in step.outputs if not path.exists()]
    if code != 0 or missing:
        raise TrainError(f"{step.name}: ended with {code}, without {', '.join(missing) or 'a file missing'}")
    try:
        (out / LOGS).mkdir(exist_ok=True)
        (out / LOGS / f"{step.name}.txt").write_text(said.text.getvalue(), encoding="utf-8")
        hashes = {_below(path, out): _sha256(path) for path in step.outputs if path not in step.dated}
    except OSError as error:
        raise explain(error, out) from error
    command = " ".join(["kinecast train", *step.words]).replace(f"{out}{os.sep}", "")
    return StepRecord(command=command, sha256=hashes, figures=figures_of(said.text.getvalue()))


def figures_of(text: str) -> tuple[str, ...]:
    """Lines that state errors in degrees, mm or percent, without those about time."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    units = {"deg", "mm", "degrees", "percent"}
    return tuple(line for line in lines if units & set(line.split()) and "images/s" not in line)


class _Both(io.TextIOBase):
    """Shows what is written, and keeps it."""

    def __init__(self, shown: TextIO) -> None:
        self._shown = shown
        self.text = io.StringIO()

    def write(self, text: str) -> int:
        self._shown.write(text)
        return self.text.write(text)

    def flush(self) -> None:
        self._shown.flush()


def _below(path: Path, out: Path) -> str:
    return path.relative_to(out).as_posix()


def _sha256(path: Path) -> str:
    """Of a file, or of the names and contents of all files of a folder."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = [f"{_sha256(file)} {_below(file, path)}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _write(out: Path, manifest: Manifest) -> None:
    partial = out / f"{MANIFEST}.partial"
    try:
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        partial.replace(out / MANIFEST)
    except OSError as error:
        raise explain(error, out) from error


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in VERSIONS_OF:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
