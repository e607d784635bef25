"""The adults of this machine: their file in the user's cache, exported from Anny when it is absent."""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from train.bodies.anny_export import export_body_model
from train.bodies.bodies import BodyModel, save_body_model
from train.errors import TrainError
from train.files import made_once

_log = logging.getLogger(__name__)

N_ADULTS = 1536
N_COMPONENTS = 160


def default_body_model_path() -> Path:
    """Where the exported model is kept."""
    return user_cache_path("kinecast") / "bodies" / "anny_adults.npz"


def load_body_model(path: Path | None = None) -> BodyModel:
    """Load the exported bodies, exporting them first where the file is absent.

    Args:
        path: The `.npz` file; the user's cache if left out.

    Raises:
        TrainError: the file is not such an export, or Anny is needed and not installed.
    """
    path = default_body_model_path() if path is None else Path(path)

    def export() -> None:
        _log.info("exporting %d adult bodies to %s: a minute, once", N_ADULTS, path)
        save_body_model(export_body_model(N_ADULTS, N_COMPONENTS), path)

    made_once(path, export)
    try:
        with np.load(path, allow_pickle=False) as file:
            return BodyModel(**{field.name: file[field.name] for field in fields(BodyModel)})
    except (OSError, ValueError, KeyError) as error:
        raise TrainError(f"{path}: not an export of bodies ({error}); delete it to export anew") from error
