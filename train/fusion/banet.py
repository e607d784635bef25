"""BANet's networks on two views: a stacked hourglass over the images, a temporal U-Net over the moments.

For comparison, with a small budget: both heads are trained together on the images of `train.blazepose.views`,
each cut to BlazePose's region. Views share the encoder and are pooled. The pelvis is left out, since the
images do not tell how the cameras are turned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calib.coordinates import PELVIS_ROTATIONS
from calib.skeleton import Skeleton
from engines.preprocess import Roi, crop
from train.blazepose.pictures import read_images
from train.direct.encoders.hourglass import StackedHourglass
from train.fusion.fit import GROUPS, SETTLED
from train.lift.network import lifted_coordinates
from train.temporal.unet import UnetCore

Array = NDArray[np.float64]
Report = Callable[[int, float], None]
"""Called with the number of images so far and the last loss."""

SIDE_PX = 64
N_VIEWS = 2
WIDTH = 48
LEARNING_RATE = 5e-4
MEAN, DEVIATION = 0.45, 0.25
"""Of pixels, from 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewsPictures:
    """The moments of one clip."""

    images: Tensor
    """Shape: (n, N_VIEWS, 3, SIDE_PX, SIDE_PX)."""
    dt_s: Tensor
    """Time since the moment before; 0 for the first. Shape: (n,)."""
    truth: Tensor
    """Joint angles in rad. Shape: (n, n_angles)."""


def joint_angles(skeleton: Skeleton) -> tuple[str, ...]:
    """What is estimated: the lifter's coordinates without the pelvis."""
    return tuple(name for name in lifted_coordinates(skeleton) if name not in PELVIS_ROTATIONS)


def read_pictures(path: Path, skeleton: Skeleton) -> ViewsPictures:
    """The first views of a clip, cut to BlazePose's region; black where it found nobody.

    Args:
        path: File of a clip.
        skeleton: Skeleton of its coordinates.

    Raises:
        TrainError: its images are missing.
    """
    clip, images = np.load(path), read_images(path)
    n = len(clip["t_s"])
    cut = np.zeros((N_VIEWS, n, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    for view in range(N_VIEWS):
        for frame, image in zip(range(n), images, strict=False):
            if np.isfinite(clip["roi"][view, frame]).all():
                cut[view, frame] = crop(image, Roi(*clip["roi"][view, frame].tolist()), SIDE_PX)
    pixels = torch.from_numpy(cut[..., ::-1].copy()).float() / 255.0
    index = [skeleton.coordinate_index(name) for name in joint_angles(skeleton)]
    return ViewsPictures(
        ((pixels - MEAN) / DEVIATION).permute(1, 0, 4, 2, 3).contiguous(),
        torch.from_numpy(np.diff(clip["t_s"], prepend=clip["t_s"][:1])).float(),
        torch.from_numpy(clip["q"][:, index]).float(),
    )


class TwoViewNetwork(nn.Module):
    """Images of two views to joint angles, moment by moment and with the moments before."""

    def __init__(self, n_angles: int) -> None:
        super().__init__()
        self.encoder = StackedHourglass()
        self.embed = nn.Sequential(nn.Linear(self.encoder.n_channels[-1], WIDTH), nn.GELU())
        self.sequence = UnetCore(WIDTH, 0.0)
        self.of_moment, self.of_sequence = nn.Linear(WIDTH, n_angles), nn.Linear(WIDTH, n_angles)
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(n_angles))
        self.register_buffer("deviation", torch.ones(n_angles))

    def forward(self, images: Tensor, dt_s: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate the moments of a clip.

        Args:
            images: Shape: (n, N_VIEWS, 3, SIDE_PX, SIDE_PX).
            dt_s: Time since the moment before. Shape: (n,).

        Returns:
            Angles of each moment alone, and with the moments before. Shapes: (n, n_angles).
        """
        maps = self.encoder(images.flatten(0, 1))[-1].mean((2, 3))
        h = self.embed(maps.unflatten(0, images.shape[:2]).mean(1))
        before = self.sequence(h[None], dt_s[None], torch.ones_like(dt_s, dtype=torch.bool)[None])[0]
        return tuple(self.mean + self.deviation * x for x in (self.of_moment(h), self.of_sequence(before)))


def fit_two_views(
    paths: Sequence[Path], n_images: int, skeleton: Skeleton, report: Report | None = None, seed: int = 0
) -> TwoViewNetwork:
    """Train on a number of images, clip by clip.

    Args:
        paths: Files of clips.
        n_images: Budget.
        skeleton: Skeleton of the coordinates.
        report: Progress callback, after each clip.
        seed: Seed of weights and order.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = TwoViewNetwork(len(joint_angles(skeleton)))
    index = [skeleton.coordinate_index(name) for name in joint_angles(skeleton)]
    q = torch.from_numpy(np.concatenate([np.load(path)["q"][:, index] for path in paths])).float()
    model.mean.copy_(q.mean(0))
    model.deviation.copy_(q.std(0).clamp_min(1e-2))
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE)
    done = 0
    for path in _endless(paths, rng):
        clip = read_pictures(path, skeleton)
        found = model(clip.images, clip.dt_s)
        loss = torch.stack(
            [
                torch.nn.functional.smooth_l1_loss(one / model.deviation, clip.truth / model.deviation)
                for one in found
            ]
        ).sum()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        done += N_VIEWS * len(clip.truth)
        if report is not None:
            report(done, float(loss.detach()))
        if done >= n_images:
            break
    return model.eval()


def _endless(paths: Sequence[Path], rng: np.random.Generator) -> Iterator[Path]:
    while True:
        for k in rng.permutation(len(paths)).tolist():
            yield paths[k]


def format_two_views(errors_deg: dict[str, Array], skeleton: Skeleton) -> str:
    """Format a Markdown table of `two_view_errors_deg`."""
    names = joint_angles(skeleton)
    groups = [[names.index(name) for name in group if name in names] for group in GROUPS.values()]
    lines = [f"| degrees, without the pelvis | {' | '.join(GROUPS)} |", f"|---|{'---|' * len(GROUPS)}"]
    for name, errors in errors_deg.items():
        lines.append(f"| {name} | {' | '.join(f'{errors[group].mean():.2f}' for group in groups)} |")
    return "\n".join(lines)


@torch.no_grad()
def two_view_errors_deg(model: TwoViewNetwork, paths: Sequence[Path], skeleton: Skeleton) -> dict[str, Array]:
    """Mean absolute errors of the mean pose, the hourglass, and the hourglass with the U-Net.

    Args:
        model: Trained network.
        paths: Files of clips of other people.
        skeleton: Skeleton of the coordinates.

    Returns:
        Name of the row -> errors in degrees. Shapes: (n_angles,).
    """
    errors: dict[str, list[Array]] = {}
    for path in paths:
        clip = read_pictures(path, skeleton)
        of_moment, of_sequence = model(clip.images, clip.dt_s)
        rows = {
            "mean pose": model.mean.expand_as(clip.truth),
            "hourglass": of_moment,
            "hourglass and U-Net": of_sequence,
        }
        for name, found in rows.items():
            apart = torch.rad2deg((found - clip.truth).abs())[SETTLED:].mean(0)
            errors.setdefault(name, []).append(apart.numpy().astype(np.float64))
    return {name: np.mean(values, axis=0) for name, values in errors.items()}
