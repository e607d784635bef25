"""TensorRT, whichever edition is installed: the main one or TensorRT for RTX; both have what is used here."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from engines.errors import EngineError

EDITIONS = ("tensorrt", "tensorrt_rtx")
"""The first that can be imported is taken: the main edition knows all NVIDIA GPUs."""
MIN_MAJOR = {"tensorrt": 10, "tensorrt_rtx": 1}


def load_tensorrt() -> ModuleType:
    """The installed edition's module.

    Raises:
        EngineError: none is installed, its libraries cannot be loaded, or it is too old.
    """
    problems = []
    for name in EDITIONS:
        try:
            module = import_module(name)
        except (ImportError, OSError) as error:
            problems.append(str(error))
            continue
        version = str(getattr(module, "__version__", ""))
        if not version:  # type stubs alone
            problems.append(f"{name} has no libraries")
            continue
        if int(version.partition(".")[0]) < MIN_MAJOR[name]:
            raise EngineError(f"{name} {version} is too old; accepted: from {MIN_MAJOR[name]}")
        return module
    raise EngineError(f"TensorRT cannot be loaded ({'; '.join(problems)})")


def is_for_rtx(edition: str) -> bool:
    """Whether kernels are compiled when an engine is loaded rather than when it is built."""
    return edition == "tensorrt_rtx"
