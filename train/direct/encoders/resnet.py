"""ResNet and ResNeXt, with torchvision's names in the state dict so that its ImageNet weights load.

Source: He et al., "Deep residual learning for image recognition", 2016; Xie et al., "Aggregated residual
transformations for deep neural networks", 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from train.errors import TrainError

N_GIVEN = 3
"""Last stages, which are given: of an 8th, a 16th and a 32nd of the image's side."""


def _conv(n_in: int, n_out: int, size: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, size, stride, size // 2, groups=groups, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    expansion: ClassVar[int] = 1

    def __init__(
        self, n_in: int, planes: int, stride: int, shortcut: nn.Module | None, groups: int, group_width: int
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(n_in, planes, 3, stride), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = _conv(planes, planes, 3), nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (n, channels, rows, columns)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, grouped 3x3 and 1x1 convolutions beside a shortcut; the stride is the 3x3's."""

    expansion: ClassVar[int] = 4

    def __init__(
        self, n_in: int, planes: int, stride: int, shortcut: nn.Module | None, groups: int, group_width: int
    ) -> None:
        super().__init__()
        width = planes * group_width // 64 * groups
        n_out = planes * self.expansion
        self.conv1, self.bn1 = _conv(n_in, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3, stride, groups), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _conv(width, n_out, 1), nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (n, channels, rows, columns)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Images to feature maps.

    Args:
        block: Block that the stages consist of.
        depths: Blocks of each of the four stages.
        groups: Number of groups of the 3x3 convolutions of bottlenecks.
        group_width: Channels of a group in the first stage, for 64 planes.
        planes: Planes of the first stage; each stage doubles them.
        stem: First convolution and what shrinks after it; torchvision's if left out.
    """

    stride = 32

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        depths: Sequence[int],
        *,
        groups: int = 1,
        group_width: int = 64,
        planes: int = 64,
        stem: nn.Module | None = None,
    ) -> None:
        super().__init__()
        n_stem = 64
        if stem is None:
            self.conv1 = nn.Conv2d(3, n_stem, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(n_stem)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.stem = stem
        n_in, n_of_stages = n_stem, []
        for k, depth in enumerate(depths):
            stage, n_in = _stage(block, n_in, planes << k, depth, 1 if k == 0 else 2, groups, group_width)
            self.add_module(f"layer{k + 1}", stage)
            n_of_stages.append(n_in)
        self.n_stages = len(depths)
        self.n_channels = tuple(n_of_stages[-N_GIVEN:])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps.

        Args:
            x: Normalised images. Shape: (n, 3, side, side).

        Returns:
            Of the last stages, the finest first. Shapes: (n, channels, side / 8, side / 8) to side / 32.
        """
        x = self.maxpool(self.relu(self.bn1(self.conv1(x)))) if self.stem is None else self.stem(x)
        stages = []
        for k in range(self.n_stages):
            x = self.get_submodule(f"layer{k + 1}")(x)
            stages.append(x)
        return tuple(stages[-N_GIVEN:])


def _stage(
    block: type[BasicBlock | Bottleneck],
    n_in: int,
    planes: int,
    depth: int,
    stride: int,
    groups: int,
    group_width: int,
) -> tuple[nn.Sequential, int]:
    n_out = planes * block.expansion
    blocks: list[nn.Module] = []
    for k in range(depth):
        shortcut: nn.Module | None = None
        if k == 0 and (stride != 1 or n_in != n_out):
            shortcut = nn.Sequential(_conv(n_in, n_out, 1, stride), nn.BatchNorm2d(n_out))
        blocks.append(block(n_in, planes, stride if k == 0 else 1, shortcut, groups, group_width))
        n_in = n_out
    return nn.Sequential(*blocks), n_out


def resnet18() -> ResNet:
    """ResNet-18."""
    return ResNet(BasicBlock, (2, 2, 2, 2))


def resnext50_32x4d() -> ResNet:
    """ResNeXt-50, 32 groups of 4: D3KE's backbone."""
    return ResNet(Bottleneck, (3, 4, 6, 3), groups=32, group_width=4)


def resnext101_32x8d() -> ResNet:
    """ResNeXt-101, 32 groups of 8."""
    return ResNet(Bottleneck, (3, 4, 23, 3), groups=32, group_width=8)


def resnext26_small() -> ResNet:
    """A ResNeXt of 26 layers for two CPU cores: narrow, few wide groups, a stem of strided 3x3 convolutions.

    Many narrow groups cost little arithmetic, but CPUs are slow at them, above all backwards.
    """
    stem = nn.Sequential(
        _conv(3, 24, 3, 2), nn.BatchNorm2d(24), nn.ReLU(inplace=True),
        _conv(24, 64, 3, 2), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
    )  # fmt: skip
    return ResNet(Bottleneck, (2, 2, 2, 2), groups=4, group_width=24, planes=32, stem=stem)


def load_imagenet_weights(encoder: ResNet, path: Path) -> None:
    """Load the weights of torchvision's classifier of the same name, without its last layer.

    Args:
        encoder: Encoder with torchvision's stem.
        path: A `.pth` or `.safetensors` file.

    Raises:
        TrainError: the file cannot be read or is of another network.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            weights = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise all kinds for damaged files
        raise TrainError(f"{path}: no weights can be read from it ({error})") from error
    weights = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    own = encoder.state_dict()
    wrong = sorted(set(own) ^ set(weights)) or [n for n in own if own[n].shape != weights[n].shape]
    if wrong:
        raise TrainError(
            f"{path}: weights of another network; {len(wrong)} tensors differ, the first is {wrong[0]}"
        )
    encoder.load_state_dict(weights)
