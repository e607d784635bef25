"""The exceptions of engines."""

from __future__ import annotations

from collections.abc import Iterable


class EngineError(Exception):
    """Base of every error that engines raises about a model, a runtime or an asset.

    Args:
        message: Text for people: what is wrong, what is accepted, what to do.
        name: Name of what is wrong, such as a field or an option; empty where it has none.
        value: Value that was refused, None where there is none.
        accepted: What would be accepted: names, or a range (lowest, highest); empty where unknown.
    """

    def __init__(
        self, message: str, *, name: str = "", value: object = None, accepted: Iterable[object] = ()
    ) -> None:
        super().__init__(message)
        self.name = name
        self.value = value
        self.accepted = tuple(accepted)


class AssetError(EngineError):
    """A model or clip that cannot be found, fetched or verified."""
