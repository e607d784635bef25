"""Packages of the extra `data`, imported when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from realtime.errors import RecordingError


def need(module: str, what: str) -> Any:
    """A module of the extra `data`.

    Args:
        module: Name of the module.
        what: What it is needed for, at the start of a sentence.

    Raises:
        RecordingError: it is not installed; the text names the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise RecordingError(
            f"{what} needs {module.partition('.')[0]}, which cannot be imported ({error}): "
            "pip install 'kinecast[data]'"
        ) from error
