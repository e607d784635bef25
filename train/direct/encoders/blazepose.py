"""BlazePose's frozen landmark network as an encoder: the only one here that was trained on real people."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from engines.runtimes.openvino_engine import OpenvinoEngine

INPUT_PX = 256
MAPS = ((2, 288), (4, 288))
"""Side and number of channels of the deepest maps, which are used."""


class BlazePoseMaps(nn.Module):
    """The 2x2 and the 4x4 map of 288 channels, read through OpenVINO; it has no trainable weights.

    The network is opened at the first image, so that a module can be made and copied without it.
    """

    stride: ClassVar[int] = 64
    takes_plain_pictures: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.n_channels = (sum(n for _, n in MAPS),)
        self._engine: OpenvinoEngine | None = None

    def __getstate__(self) -> dict[str, Any]:
        """The state without the compiled network, which cannot be copied."""
        return {**self.__dict__, "_engine": None}

    @torch.no_grad()
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps.

        Args:
            x: Images from 0 to 1. Shape: (n, 3, side, side).

        Returns:
            One. Shape: (n, 576, 4, 4).

        Raises:
            AssetError: the network is neither in the cache nor to be had.
        """
        if self._engine is None:
            self._engine = _open_maps()
        size = (INPUT_PX, INPUT_PX)
        pictures = functional.interpolate(x.float(), size=size, mode="bilinear", align_corners=False)
        rows = [_maps(self._engine, picture) for picture in pictures.permute(0, 2, 3, 1).cpu().numpy()]
        return (torch.from_numpy(np.stack(rows)).to(x.device),)


def _open_maps() -> OpenvinoEngine:
    from engines.assets import fetch
    from engines.blazepose.maps import deep_maps

    return OpenvinoEngine(deep_maps(fetch("pose_landmark_full"), MAPS))


def _maps(engine: OpenvinoEngine, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    small, large = engine.infer(picture[None])
    return np.concatenate([small[0].repeat(2, 1).repeat(2, 2), large[0]])
