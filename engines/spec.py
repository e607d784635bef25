"""What a network expects and gives: kept beside its weights, checked before it is used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from engines.errors import EngineError

MAX_NAMES_IN_MESSAGE = 6
NEXT = "_next"
"""A state's output is named like its input, with this behind it."""


def _some(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > MAX_NAMES_IN_MESSAGE else ""
    return ", ".join(names[:MAX_NAMES_IN_MESSAGE]) + more


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output."""

    name: str
    shape: tuple[int, ...]
    """Without the batch."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything about a network that its weights do not say."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    coordinate_names: tuple[str, ...]
    """Coordinates that the network gives, in its order."""
    skeleton_sha: str
    """Content hash of the skeleton that it was trained with."""
    sha256: str = ""
    """Of the network's file; empty before it is written."""
    states: tuple[TensorSpec, ...] = ()
    """What it remembers from frame to frame: inputs, and outputs named with `NEXT`; zeros at first."""
    error_correlation: tuple[tuple[float, ...], ...] = ()
    """Correlation of the errors of its coordinates, each relative to the deviation that it gives; empty where
    it was not measured. Shape: (n, n) for n `coordinate_names`."""

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    def check_skeleton(self, coordinate_names: Sequence[str], skeleton_sha: str) -> None:
        """Refuse a skeleton that the network was not trained with.

        Raises:
            EngineError: with both hashes and the names that differ.
        """
        if skeleton_sha == self.skeleton_sha:
            return
        raise EngineError(
            f"network {self.name} was trained with skeleton {self.skeleton_sha[:12]}, this one is "
            f"{skeleton_sha[:12]}{self._differences(coordinate_names)}. Leave out --skeleton, or use "
            "--estimator landmarks, which takes any skeleton",
            name="skeleton", value=skeleton_sha, accepted=(self.skeleton_sha,),
        )  # fmt: skip

    def _differences(self, coordinate_names: Sequence[str]) -> str:
        """How the coordinates of another skeleton differ; empty for networks that give none."""
        if not self.coordinate_names:
            return ""
        missing = [n for n in self.coordinate_names if n not in coordinate_names]
        added = [n for n in coordinate_names if n not in self.coordinate_names]
        differences = [
            f"{what} {_some(names)}"
            for what, names in (("it lacks", missing), ("the network does not give", added))
            if names
        ]
        return f": {'; '.join(differences) or 'same coordinates, other geometry'}"


def load_spec(model_path: Path) -> ModelSpec:
    """Read the spec beside a network, `x.json` for `x.onnx`, and check that they belong together.

    Raises:
        EngineError: either is missing or damaged, or the network is another one.
    """
    path = model_path.with_suffix(".json")
    try:
        data = {"states": (), "error_correlation": (), **json.loads(path.read_text())}
        tensors = {
            key: tuple(TensorSpec(t["name"], tuple(int(n) for n in t["shape"])) for t in data[key])
            for key in ("inputs", "outputs", "states")
        }
        spec = ModelSpec(
            name=str(data["name"]),
            **tensors,
            coordinate_names=tuple(str(n) for n in data["coordinate_names"]),
            skeleton_sha=str(data["skeleton_sha"]),
            sha256=str(data["sha256"]),
            error_correlation=tuple(tuple(float(x) for x in row) for row in data["error_correlation"]),
        )
        n = len(spec.coordinate_names)
        if spec.error_correlation and [len(row) for row in spec.error_correlation] != [n] * n:
            raise ValueError(f"error_correlation is not {n} x {n}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"{path}: not a model spec ({error!r}); export the network again", name="spec", value=path
        ) from error
    actual = file_sha256(model_path)
    if actual != spec.sha256:
        raise EngineError(
            f"{model_path}: its hash is {actual[:12]}, but {path.name} describes {spec.sha256[:12]}; "
            "they do not belong together, export the network again",
            name="sha256", value=actual, accepted=(spec.sha256,),
        )  # fmt: skip
    return spec


def file_sha256(path: Path) -> str:
    """Hash of a file's content.

    Raises:
        EngineError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise EngineError(
            f"{path}: cannot be read ({error.strerror})", name="model_path", value=path
        ) from error
