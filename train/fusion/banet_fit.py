"""Train BANet's networks on clips of two views with the options, and the data, of a direct network.

A batch is one clip. As for a direct network, a step depends only on its number, the options and the
checkpoint, so a killed run resumes exactly.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

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
from train.direct.examples import DirectExamples
from train.direct.fit import (
    LARGEST_GRADIENT,
    FitOptions,
    check_network,
    encoder_dtype,
    make_optimiser,
    rate_at,
    update_average,
)
from train.direct.layout import DirectLayout
from train.direct.loader import loader
from train.direct.network import NetworkConfig
from train.fusion.banet import ENCODER, ClipBatch, TwoViewNetwork
from train.fusion.pictures import N_VIEWS, ViewsPictures

NAME = "banet-2-views"
"""Name of the head in checkpoints, and of the variant in `kinecast train compare`."""
SMALLEST_DEVIATION_RAD = float(np.radians(2.0))


class TwoViewFit:
    """BANet's networks in training, to be run by `train.direct.loop.run_fit`.

    Args:
        input_px: Side of the images; 0 for the encoder's own.
        layout: Layout of the outputs.
        source: Clips to train on.
        options: Training options; no image is mirrored, since that would have to be done to all views.
        folder: Folder of the checkpoint; training resumes from one that exists.
        rank: This process and its device.

    Raises:
        TrainError: the folder holds another network, or one for another skeleton.
    """

    def __init__(
        self,
        input_px: int,
        layout: DirectLayout,
        source: ViewsPictures,
        options: FitOptions,
        folder: Path,
        rank: Rank,
    ) -> None:
        self.layout, self.source, self.folder, self.rank = layout, source, folder, rank
        self.options = replace(options, augmentation=replace(options.augmentation, flip=0.0))
        config = NetworkConfig(ENCODER, NAME, input_px)
        torch.manual_seed(options.seed)
        q = torch.from_numpy(source.q()[:, layout.coordinates]).float()
        deviation = q.std(0, correction=0).clamp_min(SMALLEST_DEVIATION_RAD)
        self.network = TwoViewNetwork(q.mean(0), deviation).to(rank.device)
        self.network.encoder_dtype = encoder_dtype(options.precision, rank.device)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.named = list(self.network.named_parameters())
        self.optimiser = make_optimiser(self.named, options)
        self.spec = DirectSpec.of(config, layout)
        if (folder / CHECKPOINT).exists():
            self._resume(config)
        described = msgspec.json.encode({"fit": asdict(self.options)}).decode()
        self.spec = replace(self.spec, options=described, data=source.identity)
        self._start_s, self._hours_before = time.perf_counter(), self.spec.hours

    def _resume(self, config: NetworkConfig) -> None:
        tensors, spec = load_checkpoint(self.folder)
        spec.check_skeleton(self.layout.skeleton, self.folder)
        check_network(self.folder, spec.network, config)
        fill(self.network, ENCODER, with_prefix(tensors, "network."), self.folder)
        fill(self.average, ENCODER, with_prefix(tensors, AVERAGED), self.folder)
        restore_optimiser(self.optimiser, self._names(), with_prefix(tensors, "optimiser."))
        self.spec = replace(spec, network=config)

    def _names(self) -> list[str]:
        """Names of the parameters, in the optimiser's order."""
        names = {id(p): name for name, p in self.named}
        return [names[id(p)] for group in self.optimiser.param_groups for p in group["params"]]

    def _clips_left(self) -> Iterator[int]:
        """Clips until the total number of images is reached, in an order that depends on the seed."""
        images, step, n = self.spec.images, self.spec.step, self.source.n_clips
        while True:
            epoch, position = divmod(step, n)
            clip = int(np.random.default_rng([self.options.seed, epoch]).permutation(n)[position])
            images += self.source.moments(clip).size
            if images > self.options.images:
                return
            yield clip
            step += 1

    @property
    def steps_left(self) -> int:
        """Number of steps until the total number of images is reached."""
        return sum(1 for _ in self._clips_left())

    def batches(self) -> Iterator[ClipBatch]:
        """The batches that are left."""
        side_px, options = self.spec.network.side_px, self.options
        examples = DirectExamples(self.source, self.layout, side_px, options.seed, options.augmentation)
        clips, order, draw = list(self._clips_left()), [], self.spec.images
        for clip in clips:
            numbers = self.source.moments(clip).ravel().tolist()
            order.append([(draw + k, number) for k, number in enumerate(numbers)])
            draw += len(numbers)
        for clip, images in zip(clips, loader(examples, order, workers=options.workers), strict=True):
            yield ClipBatch(images, torch.from_numpy(self.source.dt_s(clip)).float())

    def step(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Train both heads on one clip and return the terms of the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.spec.images, self.options)
        self.network.train()
        found = self.network(batch.images.image.float() / 255.0, batch.dt_s)
        truth = batch.images.q[::N_VIEWS, self.layout.coordinates]
        deviation = self.network.deviation
        losses = [nn.functional.smooth_l1_loss(q / deviation, truth / deviation) for q in found]
        terms = {"moment": losses[0], "sequence": losses[1], "total": losses[0] + losses[1]}
        self.optimiser.zero_grad(set_to_none=True)
        terms["total"].backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        update_average(self.average, self.network, self.spec.step, self.options)
        hours = self._hours_before + (time.perf_counter() - self._start_s) / 3600.0
        images = self.spec.images + len(batch.images)
        self.spec = advanced(self.spec, step=self.spec.step + 1, images=images, hours=hours)
        return {name: value.detach() for name, value in terms.items()}

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = prefixed("network.", self.network.state_dict())
        tensors |= prefixed(AVERAGED, self.average.state_dict())
        tensors |= prefixed("optimiser.", optimiser_tensors(self.optimiser, self._names()))
        save_checkpoint(self.folder, tensors, self.spec)
