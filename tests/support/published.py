"""Networks and clips of others that tests need: fetched once, or the test is skipped with the reason."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from engines.assets import fetch
from engines.errors import AssetError
from tests.support.environment import missing


@cache
def _try_fetch(name: str) -> Path | AssetError:
    try:
        return fetch(name)
    except AssetError as error:
        return error


def published(name: str) -> Path:
    """The path of an asset; continuous integration must have it, others may be offline."""
    found = _try_fetch(name)
    if isinstance(found, Path):
        return found
    missing(str(found))
