"""Synthetic people from nothing to shards on disk: images a second, and where the time goes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from engines.benchmark import BenchResult, Figure, Timing
from train.motion.library import MotionLibrary
from train.scene import studio as render
from train.scene.studio import Studio
from train.synth import people, recipe
from train.synth.people import BLOCK_SIZE
from train.synth.recipe import Recipe, Shard, write_shard
from train.synth.shards import Kind, ShardWriter
from train.synth.stream import make_shards
from train.synth.workers import Workers

RECIPE = Recipe(seed=0)
WORKERS = (1, 2)

STAGES: dict[str, tuple[Any, str]] = {
    "outfits": (people, "dress"),
    "motion": (MotionLibrary, "sample"),
    "cameras and furniture": (Studio, "sample_scene"),
    "visibility": (render, "rasterise"),
    "shadow": (render, "shadow_map"),
    "ambient occlusion": (render, "screen_occlusion"),
    "shading": (render, "shade"),
    "background": (Studio, "_paint_background"),
    "webcam": (render, "expose"),
    "labels and JPEG": (recipe, "coded"),
    "writing": (ShardWriter, "add_image"),
}
"""Where each stage is called from; none calls another."""


def measure(quick: bool) -> BenchResult:
    """Make shards in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        blocks, shares = _stages(folder, 8 if quick else 40)
        rates = tuple(_rate(folder, workers, 8 if quick else 40) for workers in WORKERS)
    note = f"{RECIPE.size_px} px, procedural backgrounds and motion, {BLOCK_SIZE} images of each person"
    return BenchResult("synth", (blocks,), (), (note,), rates + shares)


def _rate(folder: Path, workers: int, blocks: int) -> Figure:
    """Images a second of warm workers, from drawing to complete shards."""
    n = 4 * BLOCK_SIZE
    shards = [Shard(Kind.IMAGES, k, k * n, n) for k in range(workers * blocks // 4)]
    with Workers(RECIPE, workers) as pool:
        for _ in make_shards(pool, shards[: 2 * workers], folder):
            pass
        start_s = time.perf_counter()
        for _ in make_shards(pool, shards, folder):
            pass
        took_s = time.perf_counter() - start_s
    name = f"{workers} worker{'s' if workers > 1 else ''}, everything included"
    return Figure(name, len(shards) * n / took_s, "images/s")


def _stages(folder: Path, blocks: int) -> tuple[Timing, tuple[Figure, ...]]:
    """How long one block takes in this process, and the share of each stage."""
    stream = RECIPE.open()
    write_shard(stream, Shard(Kind.IMAGES, 0, 0, BLOCK_SIZE), folder, _go_on)
    durations_ns = []
    with watched(STAGES) as spent_ns:
        for k in range(blocks):
            start_ns = time.perf_counter_ns()
            write_shard(stream, Shard(Kind.IMAGES, k, k * BLOCK_SIZE, BLOCK_SIZE), folder, _go_on)
            durations_ns.append(time.perf_counter_ns() - start_ns)
    total_ns = sum(durations_ns)
    spent_ns["the rest"] = total_ns - sum(spent_ns.values())
    shares = tuple(Figure(name, 100.0 * ns / total_ns, "% of the time") for name, ns in spent_ns.items())
    return Timing.from_ns(f"one person, {BLOCK_SIZE} images", durations_ns), shares


@contextmanager
def watched(stages: dict[str, tuple[Any, str]]) -> Iterator[dict[str, int]]:
    """Add up the time that functions take, in ns, by the names of their stages."""
    spent_ns = dict.fromkeys(stages, 0)
    originals = {stage: getattr(owner, name) for stage, (owner, name) in stages.items()}

    def watch(stage: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def timed(*arguments: Any, **options: Any) -> Any:
            start_ns = time.perf_counter_ns()
            try:
                return original(*arguments, **options)
            finally:
                spent_ns[stage] += time.perf_counter_ns() - start_ns

        return timed

    try:
        for stage, (owner, name) in stages.items():
            setattr(owner, name, watch(stage, originals[stage]))
        yield spent_ns
    finally:
        for stage, (owner, name) in stages.items():
            setattr(owner, name, originals[stage])


def _go_on() -> None:
    pass
