"""Errors of a direct network on images with known labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from calib.coordinates import PELVIS_ROTATIONS, SCORED_COORDINATES
from calib.pelvis import pelvis_angles
from train.direct.examples import DirectBatch, DirectExamples
from train.direct.layout import DirectLayout
from train.direct.loader import loader
from train.direct.losses import KinematicLayer, rotation_angle
from train.direct.network import DirectModel

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AngleScore:
    """Means over images, of what every network that is compared gives."""

    pictures: int
    joint_angle_mae_deg: float
    """Mean over all output coordinates; the pelvis's are none of them."""
    mae_deg: dict[str, float]
    """Mean absolute error of each coordinate, wrapped at full turns."""


@dataclass(frozen=True, slots=True)
class DirectScore(AngleScore):
    """Means over images, of a direct network."""

    angle_mae_deg: float
    """Mean over all output coordinates and the root's three."""
    scored_mae_deg: float
    """Mean over the scored coordinates without pelvis rotation."""
    root_deg: float
    """Angle between pelvis rotations."""
    mpjpe_mm: float
    """Joint centres from the pelvis."""
    mpblpe_mm: float
    """Markers on bone, from the pelvis."""
    body_scale_mae: float
    """Per axis."""

    def headline(self) -> dict[str, float]:
        """The scores without those per coordinate."""
        return {
            "angle_mae_deg": self.angle_mae_deg, "scored_mae_deg": self.scored_mae_deg,
            "root_deg": self.root_deg, "mpjpe_mm": self.mpjpe_mm, "mpblpe_mm": self.mpblpe_mm,
            "body_scale_mae": self.body_scale_mae,
        }  # fmt: skip


@torch.no_grad()
def score(network: DirectModel, layout: DirectLayout, batches: Iterable[DirectBatch]) -> DirectScore:
    """Score a network on images of people.

    Args:
        network: Network in evaluation mode.
        layout: Layout of its outputs.
        batches: Images that show a person.
    """
    device = next(network.parameters()).device
    kinematic_layer = KinematicLayer(layout).to(device)
    bony = torch.from_numpy(layout.bony_markers)
    rows: dict[str, list[Array]] = {"angles": [], "root": [], "joints": [], "bony": [], "body": []}
    for cpu_batch in batches:
        batch = cpu_batch.to(device)
        output = network(batch.image.float() / 255.0, batch.log_reach)
        solved = kinematic_layer(output)
        found = {
            "root": rotation_angle(output.R_root, batch.R_root),
            "joints": (solved.joints_m - batch.joints_m).norm(dim=2).mean(1),
            "bony": (solved.markers_m - batch.markers_m)[:, bony].norm(dim=2).mean(1),
            "body": (output.scale_factors - batch.scale_factors).abs().mean((1, 2)),
        }
        for name, value in found.items():
            rows[name].append(value.cpu().double().numpy())
        rows["angles"].append(_angle_errors(output.R_root.cpu(), output.q.cpu(), cpu_batch, layout))
    mean = {name: np.concatenate(parts).mean(0) for name, parts in rows.items()}
    mae_deg = dict(
        zip((*PELVIS_ROTATIONS, *layout.coordinate_names), np.degrees(mean["angles"]).tolist(), strict=True)
    )
    return DirectScore(
        pictures=sum(len(part) for part in rows["root"]),
        joint_angle_mae_deg=float(np.mean([mae_deg[name] for name in layout.coordinate_names])),
        angle_mae_deg=float(np.mean(list(mae_deg.values()))),
        scored_mae_deg=float(np.mean([mae_deg[n] for n in SCORED_COORDINATES if n in mae_deg])),
        root_deg=float(np.degrees(mean["root"])),
        mpjpe_mm=1e3 * float(mean["joints"]),
        mpblpe_mm=1e3 * float(mean["bony"]),
        body_scale_mae=float(mean["body"]),
        mae_deg=mae_deg,
    )


def _angle_errors(R_root: torch.Tensor, q: torch.Tensor, batch: DirectBatch, layout: DirectLayout) -> Array:
    """Absolute errors of the root's three angles in ground and of the others, rad. Shape: (n, 3 + n_c)."""
    R_ground_pelvis = batch.R_ground_crop.double().numpy() @ R_root.double().numpy()
    skeleton = layout.skeleton
    truth = batch.q.double().numpy()
    root = pelvis_angles(R_ground_pelvis) - truth[:, [skeleton.coordinate_index(n) for n in PELVIS_ROTATIONS]]
    others = joint_angle_errors(q.double().numpy(), truth, layout)
    return np.concatenate([np.abs(_wrapped(root)), others], 1)


def joint_angle_errors(q: Array, truth: Array, layout: DirectLayout) -> Array:
    """Absolute errors of the output coordinates, wrapped at full turns.

    Args:
        q: Output coordinates. Shape: (n, n_c).
        truth: All coordinates. Shape: (n, n_q).
        layout: Layout of the outputs.

    Returns:
        Shape: (n, n_c).
    """
    apart = q - truth[:, layout.coordinates]
    is_angle = layout.skeleton.is_rotational[layout.coordinates]
    return np.abs(np.where(is_angle, _wrapped(apart), apart))


def _wrapped(difference: Array) -> Array:
    return (difference + np.pi) % (2.0 * np.pi) - np.pi


def score_examples(
    network: DirectModel,
    layout: DirectLayout,
    examples: DirectExamples,
    *,
    n: int | None = None,
    workers: int = 0,
) -> DirectScore:
    """Score the first `n` images, or all."""
    numbers = range(len(examples) if n is None else min(n, len(examples)))
    return score(network, layout, loader(examples, numbers, workers=workers))


def format_score(result: DirectScore) -> str:
    """Format a table for the console."""
    lines = [f"{'coordinate':<22}{'mean abs error':>15}   (deg)"]
    lines += [f"{name:<22}{value:>15.1f}" for name, value in result.mae_deg.items()]
    lines += [
        f"{result.pictures} images: all angles {result.angle_mae_deg:.2f} deg, the scored "
        f"{result.scored_mae_deg:.2f} deg, pelvis rotation {result.root_deg:.1f} deg",
        f"joint centres {result.mpjpe_mm:.0f} mm, bony markers {result.mpblpe_mm:.0f} mm, "
        f"scale factors {result.body_scale_mae:.3f}",
    ]
    return "\n".join(lines)
