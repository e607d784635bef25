"""What tests need from the machine: where it is missing they skip and name what helps; in CI they fail."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, NoReturn

import pytest

IS_CI = os.environ.get("CI", "").lower() in ("1", "true")
SYSTEM_PACKAGES = "as root: .ci/system_packages test"


def missing(reason: str) -> NoReturn:
    """Skip for a reason, which in continuous integration is a failure."""
    if IS_CI:
        pytest.fail(reason)
    pytest.skip(reason)


def import_or_skip(name: str, advice: str) -> Any:
    """A module that tests compare with, or a skipped test; call it in a test or a fixture, not at import.

    Args:
        name: Name of the module.
        advice: What installs it, or the system libraries that it loads.
    """
    try:
        return import_module(name)
    except (ImportError, OSError) as error:  # OSError: it is there, but lacks a system library
        missing(f"{name} cannot be loaded ({' '.join(str(error).split())}); {advice}")
