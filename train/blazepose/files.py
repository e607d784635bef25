"""The observation model on disk: arrays as safetensors, rates and sizes as JSON beside them."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from train.blazepose.events import SWAPS, EventRates
from train.blazepose.model import ObservationModel
from train.blazepose.network import MeanNetwork
from train.blazepose.noise import N_PARTS, ErrorClock, ResidualNoise
from train.errors import TrainError

NETWORKS = ("region", "sight", "place", "spread")
NOISES = tuple(f"{name}_noise" for name in ("region", "sight", "place"))
ARRAYS = ("place_variance", "unseen_logit")
FORMAT = 3


def save_model(model: ObservationModel, path: Path) -> None:
    """Write a model, the arrays first.

    Args:
        model: Model to save.
        path: Ends in `.safetensors`; the JSON goes beside it.

    Raises:
        TrainError: the files cannot be written.
    """
    tensors = {name: torch.from_numpy(np.array(getattr(model, name))) for name in ARRAYS}
    for name in NETWORKS:
        state = getattr(model, name).state_dict()
        tensors |= {f"{name}.{key}": value.contiguous() for key, value in state.items()}
    for name in NOISES:
        noise = getattr(model, name)
        for field in fields(ResidualNoise):
            tensors[f"{name}.{field.name}"] = torch.from_numpy(np.array(getattr(noise, field.name)))
    spec = {
        "format": FORMAT,
        "depth_scale": model.depth_scale,
        "clock": asdict(model.clock),
        "events": {f.name: _plain(getattr(model.events, f.name)) for f in fields(EventRates)},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path)
        path.with_suffix(".json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise TrainError(f"{path}: cannot be written ({error.strerror})") from error


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value


def load_model(path: Path) -> ObservationModel:
    """Read a model that `save_model` wrote.

    Raises:
        TrainError: a file is missing, damaged, or of another format.
    """
    try:
        tensors = load_file(path)
        spec = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if spec["format"] != FORMAT:
            raise TrainError(f"{path}: format {spec['format']}; accepted: {FORMAT}; fit it anew: {_AGAIN}")
        parts: dict[str, Any] = {name: _network(tensors, name) for name in NETWORKS}
        parts |= {name: _noise(tensors, name) for name in NOISES}
        parts |= {name: tensors[name].numpy() for name in ARRAYS}
        return ObservationModel(
            **parts,
            depth_scale=float(spec["depth_scale"]),
            clock=_clock(spec["clock"]),
            events=_events(spec["events"]),
        )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise TrainError(f"{path}: not an observation model ({error}); make one: {_AGAIN}") from error


_AGAIN = "kinecast train observe DIR... --out FILE.safetensors"


def _network(tensors: dict[str, Tensor], name: str) -> MeanNetwork:
    state = {
        key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")
    }
    width, n_in = state["stem.0.weight"].shape
    network = MeanNetwork(n_in, len(state["head.bias"]), width=width)
    network.load_state_dict(state)
    return network.eval()


def _noise(tensors: dict[str, Tensor], name: str) -> ResidualNoise:
    return ResidualNoise(**{f.name: tensors[f"{name}.{f.name}"].numpy() for f in fields(ResidualNoise)})


def _clock(spec: dict[str, Any]) -> ErrorClock:
    bursts = tuple(map(float, spec["bursts"]))
    if len(bursts) != N_PARTS:
        raise ValueError(f"{len(bursts)} bursts")
    return ErrorClock(float(spec["at_rest"]), float(spec["per_m_s"]), bursts)


def _events(spec: dict[str, Any]) -> EventRates:
    arrays = {name: np.array(spec[name], dtype=np.float64) for name in ("swaps_hz", "losses_hz")}
    if arrays["swaps_hz"].shape != (len(SWAPS), 2) or arrays["losses_hz"].shape != (3,):
        raise ValueError(f"rates of shapes {[a.shape for a in arrays.values()]}")
    return EventRates(
        swaps_s=tuple(tuple(map(float, kind)) for kind in spec["swaps_s"]),
        losses_s=tuple(map(float, spec["losses_s"])),
        starts_s=tuple(map(float, spec["starts_s"])),
        least_share=float(spec["least_share"]),
        **arrays,
    )
