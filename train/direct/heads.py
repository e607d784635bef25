"""Heads from feature maps to coordinates, scale factors and points: D3KE's and kinecast's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from train.direct.layout import DirectLayout
from train.direct.neck import Coarsest, TopDown

MIN_LOG_SIGMA, MAX_LOG_SIGMA = -4.0, 1.5
SOFTNESS = 8
"""Exponent of the bound: nearly linear up to 0.8 of the way to a limit, never beyond it."""
MAX_START = 0.97
FACING_CAMERA = (0.0, 0.0, -1.0, 0.0, -1.0, 0.0)
"""First two columns of the pelvis's rotation: its X towards the camera, its Y up in the image."""
SCALE_STEP = 0.1
"""Change of a scale factor's logarithm per unit of output: about its standard deviation among adults."""
D3KE_SCALE_AMPLITUDE = 0.35


class DirectOutput(NamedTuple):
    """Outputs for n images; directions are in the camera that looks at the crop."""

    R_root: Tensor
    """Pelvis to that camera. Shape: (n, 3, 3)."""
    q: Tensor
    """Coordinates in rad and m, in the order of the layout. Shape: (n, n_c)."""
    scale_factors: Tensor
    """Shape: (n, n_bodies, 3)."""
    pressure: Tensor
    """Coordinates before the bound, in units of the limits: 1 is at a limit. Shape: (n, n_c)."""
    sigma: Tensor | None = None
    """Standard deviations, the root's angle last. Shape: (n, n_c + 1)."""
    joints_m: Tensor | None = None
    """Joint centres from the pelvis, as the maps show them. Shape: (n, n_bodies, 3)."""
    markers_m: Tensor | None = None
    """Shape: (n, n_markers, 3)."""
    joints_uv: Tensor | None = None
    """Joint centres in the crop, whose corners are at -1 and 1. Shape: (n, n_bodies, 2)."""
    looking: Tensor | None = None
    """Attention of the maps for each joint: shares that sum to 1. Shape: (n, n_bodies, rows, columns)."""
    presence: Tensor | None = None
    """Log odds that the crop shows a person. Shape: (n,)."""


class CoordinateRange(nn.Module):
    """Maps unbounded outputs to coordinates within their limits; full turns to a circle.

    Args:
        layout: Layout of the outputs.
        mean: Coordinates for an output of 0. Shape: (n_c,).
        spread: Approximate change of the coordinates for an output of 1. Shape: (n_c,).
    """

    middle: Tensor
    amplitude: Tensor
    start: Tensor
    gain: Tensor

    def __init__(self, layout: DirectLayout, mean: Tensor, spread: Tensor) -> None:
        super().__init__()
        lower, upper = torch.from_numpy(layout.lower).float(), torch.from_numpy(layout.upper).float()
        middle, amplitude = 0.5 * (lower + upper), 0.5 * (upper - lower)
        at = ((mean - middle) / amplitude).clamp(-MAX_START, MAX_START)
        self.register_buffer("middle", middle)
        self.register_buffer("amplitude", amplitude)
        self.register_buffer("start", at / (1.0 - at**SOFTNESS) ** (1.0 / SOFTNESS))
        self.register_buffer("gain", spread / amplitude)
        self.wraps = np.flatnonzero(layout.wraps).tolist()
        self.n_inputs = len(layout.coordinates) + len(self.wraps)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates, and their values before the bound. Shapes: (n, n_c) twice."""
        n = self.middle.shape[0]
        pressure = self.start + self.gain * x[:, :n]
        bounded = pressure.clamp(-4.0, 4.0)
        bounded = bounded / (1.0 + bounded**SOFTNESS) ** (1.0 / SOFTNESS)
        q = self.middle + self.amplitude * bounded
        if self.wraps:
            columns, free = list(q.unbind(1)), list(pressure.unbind(1))
            for k, which in enumerate(self.wraps):
                columns[which] = torch.atan2(x[:, which], 1.0 + x[:, n + k])
                free[which] = torch.zeros_like(free[which])
            q, pressure = torch.stack(columns, 1), torch.stack(free, 1)
        return q, pressure


def rotation_from_6d(x: Tensor) -> Tensor:
    """Gram-Schmidt on two columns (Zhou et al., 2019). Shapes: (n, 6) to (n, 3, 3)."""
    first = nn.functional.normalize(x[:, :3], dim=1, eps=1e-6)
    second = x[:, 3:] - (first * x[:, 3:]).sum(1, keepdim=True) * first
    second = nn.functional.normalize(second, dim=1, eps=1e-6)
    return torch.stack([first, second, torch.linalg.cross(first, second)], 2)


class PointMaps(nn.Module):
    """Points from feature maps: each point has an attention map and maps of its local estimate.

    A weighted mean over all cells gives each point, so that points outside the crop can be inferred from
    the inside.

    Args:
        n_channels: Number of channels of the feature maps.
        n_joints: Number of points with a position in the crop besides that in space.
        n_markers: Number of points with a position in space only.
    """

    def __init__(self, n_channels: int, n_joints: int, n_markers: int) -> None:
        super().__init__()
        self.n_joints, self.n_markers = n_joints, n_markers
        self.looking = nn.Conv2d(n_channels, n_joints + n_markers, 1)
        self.finding = nn.Conv2d(n_channels, 5 * n_joints + 3 * n_markers, 1)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Joints and markers in m from the pelvis, joints in the crop from -1 to 1, where they are sought.

        Shapes: (n, n_joints, 3), (n, n_markers, 3), (n, n_joints, 2), (n, n_joints, rows, columns).
        """
        n, rows, columns = maps.shape[0], int(maps.shape[2]), int(maps.shape[3])
        weight = torch.softmax(self.looking(maps).reshape(n, -1, rows * columns), -1)
        found = self.finding(maps).reshape(n, -1, rows * columns)
        weight_joints, weight_markers = weight[:, : self.n_joints], weight[:, self.n_joints :]
        joints = found[:, : 5 * self.n_joints].reshape(n, self.n_joints, 5, -1)
        joints = (joints * weight_joints.unsqueeze(2)).sum(-1)
        markers = found[:, 5 * self.n_joints :].reshape(n, self.n_markers, 3, -1)
        markers = (markers * weight_markers.unsqueeze(2)).sum(-1)
        cells = weight_joints @ _cell_centres(rows, columns, maps.device)
        looking = weight_joints.reshape(n, self.n_joints, rows, columns)
        return joints[..., :3], markers, cells + joints[..., 3:], looking


def _cell_centres(rows: int, columns: int, device: torch.device) -> Tensor:
    """Across and down, from -1 to 1. Shape: (rows * columns, 2)."""
    v = (torch.arange(rows, device=device, dtype=torch.float32) + 0.5) * (2.0 / rows) - 1.0
    u = (torch.arange(columns, device=device, dtype=torch.float32) + 0.5) * (2.0 / columns) - 1.0
    return torch.stack([u.repeat(rows), v.repeat_interleave(columns)], 1)


class KinecastHead(nn.Module):
    """Points from the maps first; then coordinates from the points, the pooled maps and the reach.

    Args:
        n_channels: Number of channels of each encoder stage, the finest first.
        layout: Layout of the outputs.
        statistics: Statistics of the expected coordinates and scale factors.
        n_hidden: Width of the hidden layers between maps and outputs.
    """

    log_scale_mean: Tensor
    spread: Tensor
    scale_group: Tensor

    def __init__(
        self,
        n_channels: Sequence[int],
        layout: DirectLayout,
        statistics: OutputStatistics,
        n_hidden: int = 512,
    ) -> None:
        super().__init__()
        n_joints, n_markers = layout.skeleton.n_bodies, layout.skeleton.n_markers
        self.range = CoordinateRange(layout, statistics.mean, statistics.spread)
        self.n_c, self.n_scales = len(layout.coordinates), 3 * layout.n_scale_groups
        self.register_buffer("log_scale_mean", statistics.log_scale.reshape(-1))
        self.register_buffer("spread", torch.cat([statistics.spread, torch.tensor([math.radians(60.0)])]))
        self.register_buffer("scale_group", torch.from_numpy(layout.scale_group), persistent=False)
        self.neck = TopDown(n_channels, n_hidden // 2)
        self.points = PointMaps(n_hidden // 2, n_joints, n_markers)
        n_features = n_channels[-1] + 5 * n_joints + 3 * n_markers + 1
        self.first = nn.Sequential(nn.Linear(n_features, n_hidden), nn.LayerNorm(n_hidden), nn.GELU())
        self.second = nn.Sequential(nn.Linear(n_hidden, n_hidden), nn.LayerNorm(n_hidden), nn.GELU())
        sizes = (6, self.range.n_inputs, self.n_c + 1, self.n_scales, 1)
        self.sizes = list(sizes)
        self.last = nn.Linear(n_hidden, sum(sizes))
        nn.init.normal_(self.last.weight, std=0.01)
        nn.init.zeros_(self.last.bias)
        with torch.no_grad():
            self.last.bias[:6] = torch.tensor(FACING_CAMERA)

    def forward(self, coarse: Tensor, fine: Tensor, log_reach: Tensor) -> DirectOutput:
        """Compute the outputs in single precision.

        Args:
            coarse: The encoder's last maps. Shape: (n, n_channels[-1], rows, columns).
            fine: Maps of the neck. Shape: (n, channels, more rows, more columns).
            log_reach: See `engines.features.crop_rays.log_reach`. Shape: (n, 1).
        """
        joints_m, markers_m, joints_uv, looking = self.points(fine)
        seen = [coarse.mean((2, 3)), joints_m.flatten(1), markers_m.flatten(1), joints_uv.flatten(1)]
        x = self.first(torch.cat([*seen, log_reach], 1))
        x = self.last(x + self.second(x))
        root, raw_q, raw_sigma, raw_scale, presence = x.split(self.sizes, 1)
        q, pressure = self.range(raw_q)
        scale = torch.exp(self.log_scale_mean + SCALE_STEP * raw_scale).reshape(x.shape[0], -1, 3)
        sigma = self.spread * torch.exp(raw_sigma.clamp(MIN_LOG_SIGMA, MAX_LOG_SIGMA))
        return DirectOutput(
            R_root=rotation_from_6d(root), q=q, scale_factors=scale[:, self.scale_group],
            pressure=pressure, sigma=sigma, joints_m=joints_m, markers_m=markers_m, joints_uv=joints_uv,
            looking=looking, presence=presence.squeeze(1),
        )  # fmt: skip


class D3keHead(nn.Module):
    """The head of Bittner et al., "Towards single camera human 3D-kinematics", 2023.

    One 1x1 convolution; the root's 6 numbers are means over the cells, every other number is squashed in each
    cell before the mean, and scaled to its range.
    """

    middle: Tensor
    amplitude: Tensor
    scale_mean: Tensor
    scale_group: Tensor

    def __init__(self, n_channels: Sequence[int], layout: DirectLayout, statistics: OutputStatistics) -> None:
        super().__init__()
        lower, upper = torch.from_numpy(layout.lower).float(), torch.from_numpy(layout.upper).float()
        self.register_buffer("middle", 0.5 * (lower + upper))
        self.register_buffer("amplitude", 0.5 * (upper - lower))
        self.register_buffer("scale_mean", torch.exp(statistics.log_scale).reshape(-1))
        self.register_buffer("scale_group", torch.from_numpy(layout.scale_group), persistent=False)
        self.n_c, self.n_scales = len(lower), 3 * layout.n_scale_groups
        self.neck = Coarsest()
        self.convolution = nn.Conv2d(n_channels[-1], 6 + self.n_c + self.n_scales, 1)

    def forward(self, coarse: Tensor, fine: Tensor, log_reach: Tensor) -> DirectOutput:
        """See `KinecastHead.forward`; finer maps and the reach are not used."""
        x = self.convolution(coarse).flatten(2)
        bounded = (2.0 * torch.sigmoid(x[:, 6:]) - 1.0).mean(2)
        scale = self.scale_mean + D3KE_SCALE_AMPLITUDE * bounded[:, self.n_c :]
        return DirectOutput(
            R_root=rotation_from_6d(x[:, :6].mean(2)),
            q=self.middle + self.amplitude * bounded[:, : self.n_c],
            scale_factors=scale.reshape(x.shape[0], -1, 3)[:, self.scale_group],
            pressure=bounded[:, : self.n_c],
        )


class OutputStatistics(NamedTuple):
    """Statistics of people's coordinates and sizes, which initialise a network."""

    mean: Tensor
    """Shape: (n_c,)."""
    spread: Tensor
    """Shape: (n_c,)."""
    log_scale: Tensor
    """Shape: (n_groups, 3)."""


HEADS = {"kinecast": KinecastHead, "d3ke": D3keHead}
