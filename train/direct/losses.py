"""Loss terms of the direct network; a weight of 0 switches a term off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from train.direct.examples import DirectBatch
from train.direct.heads import DirectOutput
from train.direct.layout import DirectLayout
from train.direct.torch_kinematics import TorchKinematics
from train.errors import TrainError

KNEE_RAD = math.radians(5.0)
"""Angle error beyond which the loss is linear."""
D3KE_KNEE = 0.1
"""The same for D3KE's angle term, in ranges of the coordinate."""
TINY = 1e-9
FREE_PRESSURE = 1.2
"""Value before the bound beyond which a coordinate's gradient would vanish."""


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weight of each loss term; 0 switches it off.

    The first four are D3KE's (Bittner et al., 2023), in m, m, parts and deg.
    """

    joints: float = 1.0
    markers: float = 2.0
    body: float = 0.1
    angles: float = 0.06
    root: float = 0.0
    """Weight of the angle between pelvis rotations, in rad."""
    coordinates: float = 0.0
    """Weight of coordinate errors, in units of each coordinate's standard deviation among people."""
    proportions: float = 0.0
    """Weight of errors of the logarithms of scale factors."""
    points: float = 0.0
    """Weight of errors of the points from the maps, in m."""
    joints_2d: float = 0.0
    """Weight of errors of joints in the crop, in half sides."""
    looking: float = 0.0
    """Weight of the divergence between the maps' attention and the true joint positions, in nats."""
    limits: float = 0.0
    surprise: float = 0.0
    """Weight of the negative log-likelihood of the errors under the predicted uncertainty."""
    presence: float = 0.0


PRESETS = {
    "d3ke": LossWeights(),
    "kinecast": LossWeights(
        joints=2.0, markers=2.0, body=0.0, angles=0.0, root=1.0, coordinates=1.0, proportions=0.3,
        points=4.0, joints_2d=1.0, looking=1.0, limits=0.1, surprise=0.05, presence=0.1,
    ),
}  # fmt: skip


def preset(name: str, without: Sequence[str] = ()) -> LossWeights:
    """Loss weights of a preset with some terms switched off.

    Raises:
        TrainError: there is no such term.
    """
    terms = [field.name for field in fields(LossWeights)]
    unknown = [term for term in without if term not in terms]
    if unknown:
        raise TrainError(f"no term {unknown[0]!r} in the loss; accepted: {', '.join(terms)}")
    return replace(PRESETS[name], **dict.fromkeys(without, 0.0))


class PosedSkeleton(NamedTuple):
    """Skeleton posed by a network's coordinates, in the camera that looks at the crop."""

    joints_m: Tensor
    """Joint centres from the pelvis. Shape: (n, n_bodies, 3)."""
    markers_m: Tensor
    """Shape: (n, n_markers, 3)."""


class KinematicLayer(nn.Module):
    """Forward kinematics of a network's output; it has no parameters and is not stored with weights."""

    def __init__(self, layout: DirectLayout) -> None:
        super().__init__()
        skeleton = layout.skeleton
        self.kinematics = TorchKinematics(skeleton).float()
        self.coordinates = layout.coordinates.tolist()
        self.pelvis = skeleton.body_index("pelvis")
        self.n_q = skeleton.n_q

    def forward(self, output: DirectOutput) -> PosedSkeleton:
        """Positions of joints and markers."""
        q = output.q.new_zeros(len(output.q), self.n_q)
        q[:, self.coordinates] = output.q
        T = self.kinematics(q, output.scale_factors)
        joints = self.kinematics.joint_centres(T, output.scale_factors)
        markers = self.kinematics.marker_positions(T, output.scale_factors)
        R_pelvis, origin = T[:, self.pelvis, :3, :3], T[:, self.pelvis, :3, 3].unsqueeze(1)
        R = output.R_root @ R_pelvis.transpose(1, 2)
        return PosedSkeleton((joints - origin) @ R.transpose(1, 2), (markers - origin) @ R.transpose(1, 2))


class DirectLoss(nn.Module):
    """Loss terms of a batch and their weighted sum.

    Args:
        layout: Layout of the outputs.
        weights: Loss weights.
        spread: Standard deviation of each coordinate among people. Shape: (n_c,).
    """

    marker_weight: Tensor
    knee: Tensor
    emphasis: Tensor
    spread: Tensor
    is_wrapped: Tensor

    def __init__(self, layout: DirectLayout, weights: LossWeights, spread: Tensor) -> None:
        super().__init__()
        self.weights = {name: value for name, value in asdict(weights).items() if value}
        self.kinematic_layer = KinematicLayer(layout)
        self.coordinates = layout.coordinates.tolist()
        width = torch.from_numpy(np.minimum(layout.upper - layout.lower, 2.0 * math.pi)).float()
        self.register_buffer("marker_weight", torch.from_numpy(layout.marker_weight).float())
        self.register_buffer("knee", D3KE_KNEE * width)
        # D3KE weighs coordinates from 1 to 2, rising exponentially with their range.
        self.register_buffer("emphasis", 2.0 ** (width / width.max()))
        self.register_buffer("spread", spread.clamp(math.radians(2.0), math.radians(20.0)))
        self.register_buffer("is_wrapped", torch.from_numpy(layout.wraps))

    def forward(self, output: DirectOutput, truth: DirectBatch) -> dict[str, Tensor]:
        """Each term with a weight, unweighted, and their weighted sum `total`."""
        terms = self._pose_terms(output, truth) | self._image_terms(output, truth)
        terms = {name: terms[name] for name in self.weights if name in terms}
        terms["total"] = torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()
        return terms

    def _pose_terms(self, output: DirectOutput, truth: DirectBatch) -> dict[str, Tensor]:
        present = truth.present
        error = wrapped(output.q - truth.q[:, self.coordinates], self.is_wrapped)
        trust = truth.q_weight[:, self.coordinates] * present.unsqueeze(1)
        turn = rotation_angle(output.R_root, truth.R_root)
        # The same knee whatever a coordinate's range: errors and ranges in units of the knee.
        d3ke = _smooth(error / self.knee) * torch.rad2deg(self.knee) * self.emphasis
        normalised = _smooth(error / KNEE_RAD) * (KNEE_RAD / self.spread)
        terms = {
            "angles": _mean(d3ke, trust),
            "coordinates": _mean(normalised, trust),
            "root": _mean(turn, present),
            "body": _mean((output.scale_factors - truth.scale_factors).abs().sum(2).mean(1), present),
            "proportions": _mean(
                torch.log(output.scale_factors / truth.scale_factors).abs().mean((1, 2)), present
            ),
            "limits": _mean((output.pressure.abs() - FREE_PRESSURE).relu().square().mean(1), present),
        }
        if {"joints", "markers"} & self.weights.keys():
            solved = self.kinematic_layer(output)
            terms["joints"] = _mean(_l1(solved.joints_m, truth.joints_m).mean(1), present)
            distance = _l1(solved.markers_m, truth.markers_m) * self.marker_weight
            terms["markers"] = _mean(distance.mean(1), present)
        if output.sigma is not None:
            # Negative log-likelihood of Laplace's distribution. The error is detached, so that a large
            # uncertainty never makes up for a large error.
            missed = torch.cat([error.abs(), turn.unsqueeze(1)], 1).detach()
            surprise = missed / output.sigma + torch.log(output.sigma)
            terms["surprise"] = _mean(surprise, torch.cat([trust, present.unsqueeze(1)], 1))
        return terms

    def _image_terms(self, output: DirectOutput, truth: DirectBatch) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        present = truth.present
        if output.joints_m is not None and output.markers_m is not None:
            joints, markers = _l1(output.joints_m, truth.joints_m), _l1(output.markers_m, truth.markers_m)
            terms["points"] = _mean(0.5 * (joints.mean(1) + markers.mean(1)), present)
        if output.joints_uv is not None:
            asked = truth.joints_uv_weight * present.unsqueeze(1)
            terms["joints_2d"] = _mean(_l1(output.joints_uv, truth.joints_uv), asked)
        if output.looking is not None:
            is_inside = (truth.joints_uv.abs() < 1.0).all(2) * present.unsqueeze(1)
            terms["looking"] = _mean(_attention_divergence(output.looking, truth.joints_uv), is_inside)
        if output.presence is not None:
            terms["presence"] = binary_cross_entropy_with_logits(output.presence, present)
        return terms


def _attention_divergence(looking: Tensor, uv: Tensor) -> Tensor:
    """Kullback-Leibler divergence of attention maps from the bilinear weights of the true points.

    A weighted mean can be right with attention anywhere; supervised attention trains faster (Nibali et al.,
    2018).

    Args:
        looking: Attention maps that sum to 1. Shape: (n, k, rows, columns).
        uv: Points in the crop, from -1 to 1. Shape: (n, k, 2).

    Returns:
        Shape: (n, k).
    """
    across, down = (_shares(uv[..., axis], int(looking.shape[3 - axis])) for axis in (0, 1))
    target = down.unsqueeze(3) * across.unsqueeze(2)
    return (target * (torch.log(target.clamp_min(TINY)) - torch.log(looking.clamp_min(TINY)))).sum((2, 3))


def _shares(u: Tensor, n_cells: int) -> Tensor:
    """Weight of each cell of a row, linear between two centres. Shapes: (n, k) to (n, k, n_cells)."""
    cell = ((u + 1.0) * (0.5 * n_cells) - 0.5).clamp(0.0, n_cells - 1.0)
    cells = torch.arange(n_cells, device=u.device, dtype=u.dtype)
    return (1.0 - (cell.unsqueeze(2) - cells).abs()).relu()


def wrapped(difference: Tensor, is_wrapped: Tensor) -> Tensor:
    """Wrap differences of angles to the range -pi to pi. Shape: (n, n_c)."""
    return torch.where(is_wrapped, torch.remainder(difference + math.pi, 2.0 * math.pi) - math.pi, difference)


def rotation_angle(a: Tensor, b: Tensor) -> Tensor:
    """Angle between rotations in rad, from the chord, which keeps gradients finite at 0 and at half a turn.

    Shape: (n,).
    """
    chord = torch.sqrt((a - b).square().sum((1, 2)) + 1e-12) / math.sqrt(8.0)
    return 2.0 * torch.asin(chord.clamp_max(1.0 - 1e-6))


def _smooth(x: Tensor) -> Tensor:
    return smooth_l1_loss(x, torch.zeros_like(x), reduction="none")


def _l1(a: Tensor, b: Tensor) -> Tensor:
    """Sum of absolute differences over the axes, as in D3KE. Shape: (n, k)."""
    return (a - b).abs().sum(2)


def _mean(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / weight.sum().clamp_min(1.0)
