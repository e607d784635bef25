"""The exceptions of engines."""


class EngineError(Exception):
    """Base of every error that engines raises about a model, a runtime or an asset."""


class AssetError(EngineError):
    """A model or clip that cannot be found, fetched or verified."""
