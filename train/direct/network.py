"""The direct network: an image in; coordinates, scale factors and points out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.direct.encoders.make import input_px, make_encoder
from train.direct.heads import HEADS, DirectOutput, OutputStatistics
from train.direct.layout import DirectLayout
from train.errors import TrainError

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Encoder, head and input size of a network."""

    encoder: str = "resnext26_small"
    head: str = "kinecast"
    input_px: int = 0
    """Side of the images; 0 for the encoder's own."""

    @property
    def side_px(self) -> int:
        """Side of the images."""
        return self.input_px or input_px(self.encoder)


class DirectModel(nn.Module):
    """An encoder and a head.

    Args:
        config: Encoder, head and input size.
        layout: Layout of the outputs.
        statistics: Initial output statistics; `plain_statistics` by default.

    Raises:
        TrainError: there is no such encoder or head, or the side does not suit the encoder.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, config: NetworkConfig, layout: DirectLayout, statistics: OutputStatistics | None = None
    ) -> None:
        super().__init__()
        if config.head not in HEADS:
            raise TrainError(f"no head {config.head!r}; accepted: {', '.join(HEADS)}")
        self.config = config
        self.encoder_dtype: torch.dtype | None = None
        """Data type of encoder and neck in training; the rest is always in single precision."""
        self.encoder = make_encoder(config.encoder)
        stride = int(self.encoder.stride)  # type: ignore[arg-type]
        if config.side_px % stride or config.side_px < 2 * stride:
            raise TrainError(
                f"images of {config.side_px} px; {config.encoder} takes multiples of {stride}, "
                f"from {2 * stride}"
            )
        plain = bool(getattr(self.encoder, "takes_plain_pictures", False))
        self.register_buffer("mean", _channels((0.0,) * 3 if plain else IMAGENET_MEAN), persistent=False)
        self.register_buffer(
            "deviation", _channels((1.0,) * 3 if plain else IMAGENET_DEVIATION), persistent=False
        )
        n_channels: Sequence[int] = self.encoder.n_channels  # type: ignore[assignment]
        self.head = HEADS[config.head](n_channels, layout, statistics or plain_statistics(layout))

    def forward(self, image: Tensor, log_reach: Tensor) -> DirectOutput:
        """Estimate from n images.

        Args:
            image: Red green blue from 0 to 1. Shape: (n, 3, side, side).
            log_reach: See `engines.features.crop_rays.log_reach`. Shape: (n, 1).
        """
        x = (image - self.mean) / self.deviation
        if self.encoder_dtype is None:
            coarse, fine = self._maps(x)
        else:
            with torch.autocast(x.device.type, self.encoder_dtype):
                coarse, fine = self._maps(x)
        output: DirectOutput = self.head(coarse.float(), fine.float(), log_reach)
        return output

    def _maps(self, x: Tensor) -> tuple[Tensor, Tensor]:
        stages = self.encoder(x)
        return stages[-1], self.head.neck(stages)


def _channels(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).reshape(1, 3, 1, 1)


def plain_statistics(layout: DirectLayout) -> OutputStatistics:
    """Statistics without data: uniform within the limits, the model's own size."""
    lower, upper = torch.from_numpy(layout.lower).float(), torch.from_numpy(layout.upper).float()
    spread = ((upper - lower) / math.sqrt(12.0)).clamp_max(math.pi)
    return OutputStatistics((0.5 * (lower + upper)), spread, torch.zeros(layout.n_scale_groups, 3))
