"""Checkpoints of the direct network: one file with weights, optimiser, data position, metadata.

Names of coordinates, bodies and markers and the skeleton's hash travel with the weights; the skeleton's
geometry does not, so that weights never bring a foreign skeleton along.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from calib.skeleton import Skeleton
from train.direct.layout import DirectLayout
from train.direct.network import DirectModel, NetworkConfig
from train.errors import TrainError

CHECKPOINT, SPEC = "checkpoint.safetensors", "spec.json"
_KEY = "kinecast"
AVERAGED = "average."
MAX_NAMES = 6


@dataclass(frozen=True, slots=True)
class DirectSpec:
    """Metadata of a network that its weights do not hold."""

    network: NetworkConfig
    coordinate_names: tuple[str, ...]
    """Names of the outputs, in order."""
    body_names: tuple[str, ...]
    marker_names: tuple[str, ...]
    skeleton_sha: str
    step: int = 0
    """Batches seen."""
    images: int = 0
    """Images seen."""
    hours: float = 0.0
    """Training time."""
    options: str = ""
    """Options of the last run, for people to read."""
    data: str = ""
    """Identity of the images."""

    @classmethod
    def of(cls, network: NetworkConfig, layout: DirectLayout) -> DirectSpec:
        """The spec of a network before training."""
        skeleton = layout.skeleton
        return cls(network, layout.coordinate_names, skeleton.body_names, skeleton.marker_names, skeleton.sha)

    def check_skeleton(self, skeleton: Skeleton, path: Path) -> None:
        """Refuse weights for another skeleton.

        Raises:
            TrainError: with both hashes and the names that differ.
        """
        if skeleton.sha == self.skeleton_sha:
            return
        layout = DirectLayout.of(skeleton)
        pairs = {
            "coordinates": (self.coordinate_names, layout.coordinate_names),
            "bodies": (self.body_names, skeleton.body_names),
            "markers": (self.marker_names, skeleton.marker_names),
        }
        differences = [text for what, pair in pairs.items() if (text := _difference(what, *pair))]
        raise TrainError(
            f"{path}: trained with skeleton {self.skeleton_sha[:12]}, this one is {skeleton.sha[:12]}: "
            f"{'; '.join(differences) or 'the same names, other geometry'}. Use the skeleton that it was "
            "trained with, or train anew: kinecast train spatial --out DIR"
        )


def _difference(what: str, theirs: Sequence[str], ours: Sequence[str]) -> str:
    """Describe how two lists of names differ; empty if they do not."""
    parts = [
        f"{word} {', '.join(names[:MAX_NAMES])}{', ...' if len(names) > MAX_NAMES else ''}"
        for word, names in (
            ("it lacks", [n for n in ours if n not in theirs]),
            ("it alone has", [n for n in theirs if n not in ours]),
        )
        if names
    ]
    if not parts and tuple(theirs) != tuple(ours):
        parts = ["another order"]
    return f"{what}: {', '.join(parts)}" if parts else ""


def save_checkpoint(folder: Path, tensors: dict[str, Tensor], spec: DirectSpec) -> None:
    """Write a checkpoint atomically, and its description beside it.

    Raises:
        TrainError: the folder cannot be written to.
    """
    text = msgspec.json.format(msgspec.json.encode(asdict(spec)), indent=2)
    partial = folder / f"{CHECKPOINT}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: value.detach().contiguous() for name, value in tensors.items()},
            partial,
            {_KEY: text.decode()},
        )
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, folder / CHECKPOINT)
        (folder / SPEC).write_bytes(text + b"\n")
    except (OSError, SafetensorError) as error:
        raise TrainError(f"{folder}: the checkpoint cannot be written ({error})") from error


def save_weights(path: Path, network: DirectModel, spec: DirectSpec) -> None:
    """Write the averaged weights in half precision, for `load_network` and as initial weights.

    The file is for publication, so it does not name the folders of the images.

    Raises:
        TrainError: the file cannot be written.
    """
    tensors = {
        name: value.half() if value.is_floating_point() else value
        for name, value in prefixed(AVERAGED, network.state_dict()).items()
    }
    try:
        save_file(tensors, path, {_KEY: msgspec.json.encode(asdict(replace(spec, data=""))).decode()})
    except (OSError, SafetensorError) as error:
        raise TrainError(f"{path}: the weights cannot be written ({error})") from error


def is_checkpoint(path: Path) -> bool:
    """Whether the header of a file marks it as a checkpoint, even if the rest is damaged."""
    try:
        with safe_open(path, "pt") as file:
            return _KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], DirectSpec]:
    """Read a checkpoint.

    Raises:
        TrainError: there is none, or it is damaged.
    """
    path = folder / CHECKPOINT if folder.is_dir() else folder
    if not path.is_file():
        raise TrainError(f"{path}: no checkpoint; train one: kinecast train spatial --out {folder}")
    try:
        with safe_open(path, "pt") as file:
            spec = msgspec.json.decode((file.metadata() or {})[_KEY], type=DirectSpec)
            return {name: file.get_tensor(name) for name in file.keys()}, spec
    except (SafetensorError, OSError, KeyError, msgspec.DecodeError) as error:
        raise TrainError(f"{path}: not a checkpoint of this program ({error})") from error


def load_network(folder: Path, skeleton: Skeleton) -> tuple[DirectModel, DirectSpec]:
    """Load the averaged network of a checkpoint, in evaluation mode.

    Raises:
        TrainError: there is none, it is damaged, or it belongs to another skeleton.
    """
    tensors, spec = load_checkpoint(folder)
    spec.check_skeleton(skeleton, folder)
    network = DirectModel(spec.network, DirectLayout.of(skeleton))
    fill(network, spec.network.encoder, with_prefix(tensors, AVERAGED), folder)
    return network.eval(), spec


def fill(network: nn.Module, encoder: str, tensors: dict[str, Tensor], path: Path) -> None:
    """Load weights into a network with an encoder of this name.

    Raises:
        TrainError: the weights are of another architecture.
    """
    own = network.state_dict()
    wrong = sorted(own.keys() ^ tensors.keys()) or [n for n in own if own[n].shape != tensors[n].shape]
    if wrong:
        raise TrainError(
            f"{path}: its {encoder} is built otherwise than this version's; "
            f"{len(wrong)} tensors differ, first {wrong[0]}; fit anew: kinecast train spatial --out DIR"
        )
    network.load_state_dict(tensors)


def with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Select the tensors under a prefix and remove the prefix."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put a prefix before all names."""
    return {prefix + name: value for name, value in tensors.items()}


def optimiser_tensors(optimiser: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """State of an optimiser by parameter; `names` are in the order of its parameters."""
    state = optimiser.state_dict()["state"]
    return {
        f"{names[k]}.{what}": torch.as_tensor(value)
        for k, memory in state.items()
        for what, value in memory.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]) -> None:
    """Restore the state that `optimiser_tensors` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    index = {name: k for k, name in enumerate(names)}
    for key, value in tensors.items():
        name, _, what = key.rpartition(".")
        state.setdefault(index[name], {})[what] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def advanced(spec: DirectSpec, *, step: int, images: int, hours: float) -> DirectSpec:
    """The spec after more training."""
    return replace(spec, step=step, images=images, hours=hours)
