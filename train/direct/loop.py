"""The loop around a network in training: progress, TensorBoard, checkpoints and throughput."""

from __future__ import annotations

import math
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from train.direct.checkpoint import DirectSpec
from train.direct.distributed import Rank
from train.direct.fit import FitOptions, rate_at
from train.errors import TrainError

LOG_EVERY = 20
"""Steps."""
REMEMBERED = 50
"""Steps over which the console's loss is averaged."""


class Training(Protocol):
    """What the loop trains."""

    spec: DirectSpec
    folder: Path
    rank: Rank
    options: FitOptions

    @property
    def steps_left(self) -> int:
        """Number of steps until the total number of images is reached."""

    def batches(self) -> Iterator[Any]:
        """The batches that are left; each has a method `to` that moves it to a device."""

    def step(self, batch: Any) -> dict[str, Tensor]:
        """Train on one batch and return the terms of its loss, `total` among them."""

    def save(self) -> None:
        """Write the checkpoint."""


TrainingT = TypeVar("TrainingT", bound=Training)
Measure = Callable[[TrainingT], dict[str, float]]


@dataclass(slots=True)
class Throughput:
    """Images of all processes, and seconds of this process."""

    images: int = 0
    total_s: float = 0.0
    waiting_s: float = 0.0
    """Time spent waiting for data."""

    @property
    def images_per_s(self) -> float:
        """Images per second, counted from the first batch, after the workers have started."""
        return self.images / max(self.total_s, 1e-9)

    @property
    def waiting_share(self) -> float:
        """Share of the time spent waiting for data."""
        return self.waiting_s / max(self.total_s, 1e-9)


class TrainingLog:
    """Progress on the console and in TensorBoard, from the first process only."""

    def __init__(self, fit: Training) -> None:
        self._fit = fit
        is_first = fit.rank.is_first
        self._writer = SummaryWriter(str(fit.folder)) if is_first else None
        hidden = None if is_first else True
        self._bar = tqdm(
            total=fit.spec.step + fit.steps_left, initial=fit.spec.step, unit="step", disable=hidden
        )
        self._recent: deque[float] = deque(maxlen=REMEMBERED)

    def step(self, terms: dict[str, Tensor], throughput: Throughput) -> None:
        """Log one step.

        Raises:
            TrainError: the loss is not a number any more.
        """
        fit = self._fit
        self._recent.append(float(terms["total"]))
        if not math.isfinite(self._recent[-1]):
            raise TrainError(
                f"step {fit.spec.step}: the loss is not a number; the checkpoint of an earlier step is kept: "
                "go on with a smaller --learning-rate"
            )
        self._bar.update()
        if fit.spec.step % LOG_EVERY:
            return
        loss = sum(self._recent) / len(self._recent)
        self._bar.set_postfix(loss=f"{loss:.3f}", img_s=f"{throughput.images_per_s:.0f}")
        self.figures({f"loss/{name}": float(value) for name, value in terms.items()})
        self.figures(
            {
                "learning_rate": rate_at(fit.spec.images, fit.options),
                "images_per_s": throughput.images_per_s,
                "waiting_share": throughput.waiting_share,
            }
        )
        if torch.cuda.is_available():
            self.figures({"gpu_memory_gb": torch.cuda.max_memory_allocated() / 1e9})

    def figures(self, values: dict[str, float]) -> None:
        """Log values over the number of training images."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, self._fit.spec.images)

    def close(self) -> None:
        """Close the progress bar and the TensorBoard file."""
        self._bar.close()
        if self._writer is not None:
            self._writer.close()


def run_fit(fit: TrainingT, measure: Measure[TrainingT] | None = None, measure_every: int = 0) -> Throughput:
    """Train until the total number of images is reached; Ctrl-C saves and ends.

    Args:
        fit: Training to run.
        measure: Function that scores the averaged network, for the log; called in the first process.
        measure_every: Number of steps between measurements; 0 for never.

    Raises:
        TrainError: the loss is not a number any more, or the checkpoint cannot be written.
    """
    throughput, log = Throughput(), TrainingLog(fit)
    try:
        with stop_on_interrupt() as stop:
            _loop(fit, throughput, log, stop, measure if fit.rank.is_first else None, measure_every)
    finally:
        log.close()
    fit.save()
    if stop and fit.rank.is_first:
        print(f"stopped at step {fit.spec.step}; the same command goes on")
    return throughput


@contextmanager
def stop_on_interrupt() -> Iterator[list[int]]:
    """Let Ctrl-C end a run between two steps: training could not resume exactly from half a step.

    Yields:
        A list that holds the signal after it arrived.
    """
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


def _loop(
    fit: TrainingT,
    throughput: Throughput,
    log: TrainingLog,
    stop: list[int],
    measure: Measure[TrainingT] | None,
    measure_every: int,
) -> None:
    if fit.steps_left == 0:
        return
    mark_s: float | None = None
    for batch in fit.batches():
        if mark_s is not None:
            throughput.waiting_s += time.perf_counter() - mark_s
        images_before = fit.spec.images
        terms = fit.step(batch.to(fit.rank.device))
        log.step(terms, throughput)
        if mark_s is not None:
            throughput.total_s += time.perf_counter() - mark_s
            throughput.images += fit.spec.images - images_before
        if fit.spec.step % fit.options.save_every == 0:
            fit.save()
        if measure is not None and measure_every and fit.spec.step % measure_every == 0:
            log.figures({f"held_out/{name}": value for name, value in measure(fit).items()})
        if stop:
            return
        mark_s = time.perf_counter()
