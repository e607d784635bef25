"""Paths of the networks that ship with kinecast."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def shipped_lifter_path() -> Path:
    """The lifter: BlazePose's landmarks to coordinates."""
    return _path("lifter.onnx")


def shipped_patches_path() -> Path:
    """The patch network: joint centres and markers around limbs' ends and bends."""
    return _path("patches.onnx")


def shipped_direct_path() -> Path:
    """The direct network: a cropped frame to coordinates."""
    return _path("direct.onnx")


def shipped_temporal_path() -> Path:
    """The temporal network: coordinates of past frames to smoother ones."""
    return _path("temporal.onnx")


def _path(name: str) -> Path:
    return Path(str(files("engines") / "data" / name))
