"""Networks from images to feature maps, by name; all carry the same heads."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from torch import nn

from train.errors import TrainError

ENCODERS = {
    "resnext26_small": ("train.direct.encoders.resnet", "resnext26_small"),
    "resnet18": ("train.direct.encoders.resnet", "resnet18"),
    "resnext50_32x4d": ("train.direct.encoders.resnet", "resnext50_32x4d"),
    "resnext101_32x8d": ("train.direct.encoders.resnet", "resnext101_32x8d"),
    "hourglass": ("train.direct.encoders.hourglass", "StackedHourglass"),
    "blazepose": ("train.direct.encoders.blazepose", "BlazePoseMaps"),
}
"""Name -> module and what makes the encoder.

An encoder is a module from images to feature maps of one or more stages, the finest first, with
`n_channels` of each and `stride`, image pixels per cell of the last. It takes images normalised by
ImageNet's mean and deviation, or from 0 to 1 where `takes_plain_pictures` is set.
"""
INPUT_PX = {"resnext26_small": 192, "resnet18": 192}
"""Side of the images, where it is not 256."""


def make_encoder(name: str) -> nn.Module:
    """An encoder with random weights.

    Raises:
        TrainError: there is none of this name.
    """
    if name not in ENCODERS:
        raise TrainError(f"no encoder {name!r}; accepted: {', '.join(ENCODERS)}")
    module, maker = ENCODERS[name]
    return cast(Callable[[], nn.Module], getattr(import_module(module), maker))()


def input_px(name: str) -> int:
    """Side of the images that an encoder is meant for."""
    return INPUT_PX.get(name, 256)
