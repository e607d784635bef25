"""The loop around `Fit`: progress, TensorBoard, checkpoints, and where the time goes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from train.errors import TrainError
from train.fit_spatial import Fit, rate_at

LOG_EVERY = 20
"""Steps."""
REMEMBERED = 50
"""Steps over which the console's loss is averaged."""


@dataclass(slots=True)
class Throughput:
    """Pictures and seconds of a run, this process's."""

    images: int = 0
    total_s: float = 0.0
    waiting_s: float = 0.0
    """For data."""

    @property
    def images_per_s(self) -> float:
        """Without what happened before the first batch."""
        return self.images / max(self.total_s, 1e-9)

    @property
    def waiting_share(self) -> float:
        """Part of the time that was lost to data."""
        return self.waiting_s / max(self.total_s, 1e-9)


def run_fit(fit: Fit, measure: Callable[[Fit], dict[str, float]] | None = None, measure_every: int = 0) -> Throughput:
    """Fit until all pictures are seen; Ctrl-C saves and ends.

    Args:
        fit: What to fit.
        measure: Gives figures to log, of the averaged network.
        measure_every: Steps; 0 for never.

    Raises:
        TrainError: the loss is not a number any more.
    """
    place, throughput = fit.place, Throughput()
    writer = SummaryWriter(str(fit.folder)) if place.is_first else None
    left = fit.n_steps - fit.spec.step
    recent: deque[float] = deque(maxlen=REMEMBERED)
    try:
        with tqdm(total=fit.n_steps, initial=fit.spec.step, unit="step", disable=None if place.is_first else True) as bar:
            mark_s: float | None = None
            for batch in fit.batches() if left > 0 else ():
                ready_s = time.perf_counter()
                if mark_s is not None:
                    throughput.waiting_s += ready_s - mark_s
                terms = fit.step(batch.to(place.device))
                recent.append(float(terms["total"]))
                _check(recent[-1], fit)
                if mark_s is not None:  # the first batch waits for processes to start
                    throughput.total_s += time.perf_counter() - mark_s
                    throughput.images += len(batch)
                mark_s = time.perf_counter()
                bar.update()
                if fit.spec.step % LOG_EVERY == 0:
                    bar.set_postfix(loss=f"{sum(recent) / len(recent):.3f}", img_s=f"{throughput.images_per_s:.0f}")
                    if writer is not None:
                        _log(writer, fit, terms, throughput)
                if fit.spec.step % fit.options.save_every == 0:
                    fit.save()
                if measure is not None and measure_every and fit.spec.step % measure_every == 0 and writer is not None:
                    for name, value in measure(fit).items():
                        writer.add_scalar(f"held_out/{name}", value, fit.spec.images)
                    mark_s = time.perf_counter()
    except KeyboardInterrupt:
        if place.is_first:
            print(f"stopped at step {fit.spec.step}; the same command goes on")
    finally:
        if writer is not None:
            writer.close()
    fit.save()
    return throughput


def _check(loss: float, fit: Fit) -> None:
    if loss != loss:
        raise TrainError(
            f"step {fit.spec.step}: the loss is not a number; the checkpoint of an earlier step is kept: "
            "go on with a smaller --learning-rate"
        )


def _log(writer: SummaryWriter, fit: Fit, terms: dict[str, Tensor], throughput: Throughput) -> None:
    for name, value in terms.items():
        writer.add_scalar(f"loss/{name}", float(value), fit.spec.images)
    writer.add_scalar("learning_rate", rate_at(fit.spec.step, fit.n_steps, fit.options), fit.spec.images)
    writer.add_scalar("images_per_s", throughput.images_per_s, fit.spec.images)
    writer.add_scalar("waiting_share", throughput.waiting_share, fit.spec.images)
    if torch.cuda.is_available():
        writer.add_scalar("gpu_memory_gb", torch.cuda.max_memory_allocated() / 1e9, fit.spec.images)
