"""Train the direct network: options, the state that a checkpoint keeps, and one step.

A step depends only on its number, the options and that state, so a killed run resumes exactly.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from train.direct.augment import Augmentation
from train.direct.checkpoint import (
    AVERAGED,
    CHECKPOINT,
    DirectSpec,
    advanced,
    fill,
    load_checkpoint,
    optimiser_tensors,
    prefixed,
    restore_optimiser,
    save_checkpoint,
    with_prefix,
)
from train.direct.distributed import Rank
from train.direct.examples import DirectBatch, DirectExamples
from train.direct.heads import OutputStatistics
from train.direct.layout import DirectLayout
from train.direct.loader import Order, loader
from train.direct.losses import PRESETS, DirectLoss, LossWeights
from train.direct.network import DirectModel, NetworkConfig
from train.direct.sources import PictureSource
from train.errors import TrainError

STATISTICS_FROM = 2048
"""Number of images whose labels set the initial output statistics."""
LARGEST_GRADIENT = 5.0


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Training options."""

    images: int = 1_000_000
    """Total number of training images, earlier runs included."""
    batch_size: int = 32
    """Batch size of one process."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warm_up: int = 16_000
    """Images over which the learning rate rises."""
    cool_down: float = 0.2
    """Last share of all images, over which the learning rate falls to 0."""
    averaging: float = 0.999
    """Decay per step of the averaged weights, which are measured and exported."""
    precision: str = "auto"
    """Precision of the encoder: `fp32`, `bf16`, or `auto` for bf16 where the processor supports it."""
    workers: int = 1
    """Number of processes that make batches; 0 makes them between the steps."""
    save_every: int = 500
    """Steps."""
    seed: int = 0
    real_share: float = 0.1
    """Share of images of real people, if there are any."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    def shortened(self) -> FitOptions:
        """Options for a short run: the warm-up takes at most a tenth of the images."""
        return replace(self, warm_up=min(self.warm_up, self.images // 10))


def rate_at(images: int, options: FitOptions) -> float:
    """The learning rate: up, level, and down at the end (Hu et al., 2024, "warm-up, stable, decay").

    Level in between, so that a longer run can go on from a checkpoint of a shorter one; and over images,
    not steps, so that the number of processes may change.
    """
    up = min(1.0, (images + options.batch_size) / max(1, options.warm_up))
    down = min(1.0, (options.images - images) / max(1.0, options.cool_down * options.images))
    return options.learning_rate * min(up, down)


def encoder_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """Data type for the encoder in training; None for float32.

    Raises:
        TrainError: there is no such precision.
    """
    if precision not in ("auto", "fp32", "bf16"):
        raise TrainError(f"precision {precision!r}; accepted: auto, fp32, bf16")
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported()
    else:
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)
        has_bf16 = bool(supported())
    return torch.bfloat16 if precision == "bf16" or (precision == "auto" and has_bf16) else None


def statistics_of(source: PictureSource, layout: DirectLayout) -> OutputStatistics:
    """Means and spreads of the labels of some images, evenly chosen."""
    n = min(len(source), STATISTICS_FROM if source.is_random_access else 256)
    chosen = [k * len(source) // n for k in range(n)] if source.is_random_access else range(n)
    labels = [source.picture(k).labels for k in chosen]
    q = torch.tensor([[float(row.q[k]) for k in layout.coordinates] for row in labels])
    scale = torch.tensor([layout.group_scale_factors(row.scale_factors).tolist() for row in labels])
    return OutputStatistics(
        q.mean(0), q.std(0, correction=0).clamp_min(math.radians(2.0)), torch.log(scale).mean(0)
    )


class Fit:
    """A network in training: everything that a checkpoint keeps.

    Args:
        network: Encoder and head.
        layout: Layout of the outputs.
        source: Source of the training images.
        options: Training options.
        weights: Loss weights; None for those of the head's preset.
        folder: Folder of the checkpoint; training resumes from one that exists.
        rank: Rank of this process in a distributed run.
        real: Source of images of real people to mix in; None for none.

    Raises:
        TrainError: the folder holds a network of another architecture or for another skeleton.
    """

    def __init__(
        self,
        network: NetworkConfig,
        layout: DirectLayout,
        source: PictureSource,
        options: FitOptions,
        weights: LossWeights | None,
        folder: Path,
        rank: Rank,
        real: PictureSource | None = None,
    ) -> None:
        self.real = real
        self.layout, self.source, self.options, self.folder, self.rank = (
            layout,
            source,
            options,
            folder,
            rank,
        )
        torch.manual_seed(options.seed)
        there = load_checkpoint(folder) if (folder / CHECKPOINT).exists() else None
        if there is not None:
            there[1].check_skeleton(layout.skeleton, folder)
            check_network(folder, there[1].network, network)
        statistics = None if there else statistics_of(source, layout)
        self.network = DirectModel(network, layout, statistics)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.spec = DirectSpec.of(network, layout)
        if there is not None:
            fill(self.network, network.encoder, with_prefix(there[0], "network."), folder)
            fill(self.average, network.encoder, with_prefix(there[0], AVERAGED), folder)
            self.spec = replace(there[1], network=network)
        self._to_device(rank)
        self.named = [(n, p) for n, p in self.network.named_parameters() if p.requires_grad]
        self.optimiser = make_optimiser(self.named, options)
        if there is not None:
            restore_optimiser(self.optimiser, self._names(), with_prefix(there[0], "optimiser."))
        spread = self.spread()
        self.loss = DirectLoss(layout, weights or PRESETS[network.head], spread).to(rank.device)
        described = msgspec.json.encode({"fit": asdict(options), "loss": self.loss.weights}).decode()
        data = source.identity if real is None else f"{source.identity} and {real.identity}"
        self.spec = replace(self.spec, options=described, data=data)
        self.start_s, self.hours_before = time.perf_counter(), self.spec.hours

    def _to_device(self, rank: Rank) -> None:
        self.network.encoder_dtype = encoder_dtype(self.options.precision, rank.device)
        for network in (self.network, self.average):
            network.to(rank.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.forward: nn.Module = self.network
        if rank.count > 1:
            devices = [rank.device] if rank.device.type == "cuda" else None
            self.forward = DistributedDataParallel(self.network, devices)

    def _names(self) -> list[str]:
        """Names of the parameters, in the optimiser's order."""
        order = [p for group in self.optimiser.param_groups for p in group["params"]]
        names = {id(p): n for n, p in self.named}
        return [names[id(p)] for p in order]

    def spread(self) -> Tensor:
        """Standard deviation of each coordinate in the initial output statistics. Shape: (n_c,)."""
        head = self.network.head
        if hasattr(head, "spread"):
            return head.spread[: len(self.layout.coordinates)].detach().cpu()
        return torch.full((len(self.layout.coordinates),), math.radians(20.0))

    @property
    def step_images(self) -> int:
        """Number of images per step over all processes."""
        return self.options.batch_size * self.rank.count

    @property
    def steps_left(self) -> int:
        """Number of steps until the total number of images is reached."""
        return max(0, (self.options.images - self.spec.images) // self.step_images)

    def batches(self) -> Iterator[DirectBatch]:
        """The batches that are left."""
        examples = DirectExamples(
            self.source, self.layout, self.spec.network.side_px, self.options.seed,
            self.options.augmentation, real=self.real, real_share=self.options.real_share,
        )  # fmt: skip
        order = Order(
            self.source, self.options.batch_size, first_draw=self.spec.images, seed=self.options.seed,
            rank=self.rank.index, n_ranks=self.rank.count, n_batches=self.steps_left,
        )  # fmt: skip
        on_gpu = self.rank.device.type == "cuda"
        yield from loader(examples, order, workers=self.options.workers, pin=on_gpu)

    def step(self, batch: DirectBatch) -> dict[str, Tensor]:
        """Train on one batch and return the terms of its loss."""
        rate = rate_at(self.spec.images, self.options)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        image = batch.image.to(memory_format=torch.channels_last).float().div_(255.0)
        terms: dict[str, Tensor] = self.loss(self.forward(image, batch.log_reach), batch)
        self.optimiser.zero_grad(set_to_none=True)
        terms["total"].backward()
        nn.utils.clip_grad_norm_([p for _, p in self.named], LARGEST_GRADIENT)
        self.optimiser.step()
        update_average(self.average, self.network, self.spec.step, self.options)
        hours = self.hours_before + (time.perf_counter() - self.start_s) / 3600.0
        images = self.spec.images + self.step_images
        self.spec = advanced(self.spec, step=self.spec.step + 1, images=images, hours=hours)
        return {name: value.detach() for name, value in terms.items()}

    def save(self) -> None:
        """Write the checkpoint, from the first process."""
        if not self.rank.is_first:
            return
        tensors = prefixed("network.", self.network.state_dict())
        tensors |= prefixed(AVERAGED, self.average.state_dict())
        tensors |= prefixed("optimiser.", optimiser_tensors(self.optimiser, self._names()))
        save_checkpoint(self.folder, tensors, self.spec)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, step: int, options: FitOptions) -> None:
    """Move averaged weights towards those of a network after a step; early ones are soon forgotten."""
    keep = min(options.averaging, (1 + step) / (10 + step))
    for averaged, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if value.is_floating_point():
            averaged.lerp_(value, 1.0 - keep)
        else:  # batches counted
            averaged.copy_(value)


def check_network(folder: Path, there: NetworkConfig, asked: NetworkConfig) -> None:
    """Refuse weights of another architecture.

    The input size may change: training on small images first is faster.

    Raises:
        TrainError: the encoder or the head differs.
    """
    if (there.encoder, there.head) != (asked.encoder, asked.head):
        raise TrainError(
            f"{folder}: holds {there.encoder} with head {there.head}, not {asked.encoder} with {asked.head}; "
            "ask for the same to go on with it, or give another --out"
        )


def make_optimiser(named: list[tuple[str, nn.Parameter]], options: FitOptions) -> torch.optim.AdamW:
    """AdamW; biases and normalisation layers have no weight decay."""
    decays = [p for _, p in named if p.ndim > 1]
    others = [p for _, p in named if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decays, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, options.learning_rate)
