"""Compare encoders, heads and loss terms under one budget: the same images, and the same number of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from train.direct.distributed import Rank
from train.direct.encoders.make import ENCODERS, make_encoder
from train.direct.examples import DirectExamples
from train.direct.fit import Fit, FitOptions
from train.direct.layout import DirectLayout
from train.direct.loop import run_fit
from train.direct.losses import PRESETS, preset
from train.direct.metrics import AngleScore, DirectScore, score_examples
from train.direct.network import DirectModel, NetworkConfig
from train.direct.sources import PictureSource
from train.errors import TrainError

FLIP = "flip"
TIMED_RUNS = 10


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of the table: an encoder, a preset, and the loss terms left out."""

    encoder: str
    preset: str = "kinecast"
    without: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Variant:
        """Read `ENCODER`, `ENCODER:PRESET`, with `-TERM` for each term of the loss, or flip, to leave out.

        Raises:
            TrainError: there is no such encoder, preset or term.
        """
        encoder, _, rest = text.partition(":")
        name, *without = (rest or "kinecast").split("-")
        if encoder not in ENCODERS:
            raise TrainError(f"no encoder {encoder!r}; accepted: {', '.join(ENCODERS)}")
        if name not in PRESETS:
            raise TrainError(f"no preset {name!r}; accepted: {', '.join(PRESETS)}")
        preset(name, [term for term in without if term != FLIP])
        return cls(encoder, name, tuple(without))

    @property
    def folder_name(self) -> str:
        """The name without characters that some file systems refuse."""
        return str(self).replace(":", "_")

    def __str__(self) -> str:
        return "-".join([f"{self.encoder}:{self.preset}", *self.without])


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """Result of one variant."""

    variant: str
    side_px: int
    parameters: int
    learnt_parameters: int
    ms_per_picture: float
    """One image through the network in torch, on this machine."""
    hours: float
    score: AngleScore

    def as_dict(self) -> dict[str, object]:
        """The result as JSON-compatible values."""
        return asdict(self)


def compare(
    variants: list[Variant],
    layout: DirectLayout,
    source: PictureSource,
    held_out: PictureSource,
    folder: Path,
    options: FitOptions,
    input_px: int = 0,
) -> Iterator[ComparisonRow]:
    """Train each variant, or resume its training, and score it.

    Args:
        variants: Variants to compare.
        layout: Layout of the outputs.
        source: Source of the training images.
        held_out: Source of the held-out images.
        folder: Parent of the folder of each variant.
        options: Training options, the same for all variants.
        input_px: Side of the images, for encoders that can take it; 0 for each encoder's own.

    Raises:
        TrainError: a folder holds another network.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for variant in variants:
        how = options
        if FLIP in variant.without:
            how = replace(options, augmentation=replace(options.augmentation, flip=0.0))
        weights = preset(variant.preset, [term for term in variant.without if term != FLIP])
        config = _config(variant, input_px)
        fit = Fit(config, layout, source, how, weights, folder / variant.folder_name, Rank(0, 1, device))
        run_fit(fit)
        network = fit.average
        yield ComparisonRow(
            variant=str(variant),
            side_px=config.side_px,
            parameters=sum(p.numel() for p in network.parameters()),
            learnt_parameters=sum(p.numel() for _, p in fit.named),
            ms_per_picture=_time_ms(network, config.side_px),
            hours=fit.spec.hours,
            score=score_examples(network, layout, DirectExamples(held_out, layout, config.side_px)),
        )


def _config(variant: Variant, input_px: int) -> NetworkConfig:
    return NetworkConfig(variant.encoder, variant.preset, suiting_px(variant.encoder, input_px))


def suiting_px(encoder: str, input_px: int) -> int:
    """The requested side of images, or 0 for the encoder's own if that does not fit its stride."""
    stride = int(make_encoder(encoder).stride)  # type: ignore[arg-type]
    return input_px if input_px % stride == 0 and input_px >= 2 * stride else 0


def _time_ms(network: DirectModel, side_px: int) -> float:
    device = next(network.parameters()).device
    picture, log_reach = torch.rand(1, 3, side_px, side_px, device=device), torch.ones(1, 1, device=device)
    return fastest_ms(lambda: network(picture, log_reach), device)


@torch.no_grad()
def fastest_ms(run: Callable[[], object], device: torch.device) -> float:
    """Time of the fastest of several runs: other load only ever adds time."""
    times_s = []
    for _ in range(TIMED_RUNS):
        start_s = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times_s.append(time.perf_counter() - start_s)
    return 1e3 * min(times_s)


def format_rows(lines: list[ComparisonRow], images: int) -> str:
    """Format a Markdown table; networks that give joint angles alone have no other errors."""
    rows = [
        f"After {images} images, on held-out people; errors in deg and mm. Joint angles are all angles but "
        "the pelvis's.",
        "",
        "| encoder:heads and loss | px | M parameters | ms an image | hours | joint angles | all angles | "
        "scored 15 | pelvis | MPJPE | MPBLPE | body scale |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        cells = [
            f"`{line.variant}`", f"{line.side_px}", f"{line.parameters / 1e6:.1f}",
            f"{line.ms_per_picture:.1f}", f"{line.hours:.2f}", f"{line.score.joint_angle_mae_deg:.2f}",
            *_direct_cells(line.score),
        ]  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _direct_cells(s: AngleScore) -> list[str]:
    """What only direct networks have."""
    if not isinstance(s, DirectScore):
        return ["-"] * 6
    return [
        f"{s.angle_mae_deg:.2f}", f"{s.scored_mae_deg:.2f}", f"{s.root_deg:.1f}", f"{s.mpjpe_mm:.0f}",
        f"{s.mpblpe_mm:.0f}", f"{s.body_scale_mae:.3f}",
    ]  # fmt: skip
