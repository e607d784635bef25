"""Exceptions of train."""


class TrainError(Exception):
    """Base of every error that train raises about data, networks and checkpoints."""
