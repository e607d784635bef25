"""A small set of synthetic people for the tests of the direct network."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from train.direct.encoders.resnet import Bottleneck, ResNet
from train.synth.folder import SetDescription, begin
from train.synth.people import PeopleStream
from train.synth.recipe import Recipe, write_shard

SIZE_PX = 96


def recipe_of(bodies_path: Path, seed: int = 7) -> Recipe:
    return Recipe(seed, size_px=SIZE_PX, bodies=bodies_path)


def write_set(folder: Path, recipe: Recipe, people: PeopleStream, n: int) -> Path:
    """Images on disk, made in this process."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard in begin(folder, SetDescription.of(recipe, people, images=n, clips=0)):
        write_shard(people, shard, folder, lambda: None)
    return folder


def tiny_encoder() -> ResNet:
    """A few thousand weights, for tests that must learn in seconds."""
    stem = nn.Sequential(nn.Conv2d(3, 64, 8, 4, 2, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True))
    return ResNet(Bottleneck, (1, 1, 1, 1), groups=1, group_width=64, planes=16, stem=stem)
