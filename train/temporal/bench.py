"""Benchmark of all kinds of causal networks: time per live frame and training steps per second."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from calib.skeleton import load_skeleton
from engines.benchmark import BenchResult, Figure, time_in_turn
from engines.features.temporal import N_PELVIS, OutputLayout, n_temporal_features
from engines.stateful import StatefulEngine
from train.lift.network import lifted_coordinates
from train.temporal.export import export_temporal
from train.temporal.fit import TemporalClip, TemporalOptions, fit_temporal
from train.temporal.kinds import NETWORKS, make_network

FITTED = ("tcn", "gru", "transformer")
"""Kinds whose training is timed; the U-Net reads a whole window per frame and would take minutes."""
SECONDS = 30
FPS = 30.0


def measure(quick: bool) -> BenchResult:
    """Time untrained networks with the input and output sizes of live use."""
    n = len(lifted_coordinates(load_skeleton()))
    n_in, n_out, lines = n_temporal_features(n), OutputLayout(n - N_PELVIS).size, range(N_PELVIS, n)
    x = np.random.default_rng(0).normal(size=(256, n_in)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        engines = {}
        for kind in NETWORKS:
            path = Path(folder) / f"{kind}.onnx"
            export_temporal(make_network(kind, n_in, n_out, lines=lines), path, kind)
            engines[kind] = StatefulEngine(path)
        tasks = {
            f"{kind}, a frame": lambda k, engine=engine: engine.step(x[k % len(x)], 1.0 / FPS, True)
            for kind, engine in engines.items()
        }
        timings = time_in_turn(tasks, 400 if quick else 4000)
    figures = tuple(_fitting_rate(kind, n_in, n_out, lines, 3 if quick else 10) for kind in FITTED)
    note = f"{n_in} numbers in, {n_out} out; live on one thread"
    return BenchResult("temporal", timings, (), (note,), figures)


def _fitting_rate(kind: str, n_in: int, n_out: int, lines: range, n_steps: int) -> Figure:
    rng = np.random.default_rng(0)
    n = int(SECONDS * FPS)
    clips = [
        TemporalClip(
            rng.normal(size=(n, n_in)).astype(np.float32),
            np.full(n, 1.0 / FPS, np.float32),
            np.ones(n, np.bool_),
            rng.normal(size=(n, n_out)).astype(np.float32),
            np.ones(n, np.float32),
        )
        for _ in range(8)
    ]
    options = TemporalOptions(epochs=1, steps_per_epoch=n_steps, max_history=TemporalOptions().n_frames)
    network = make_network(kind, n_in, n_out, lines=lines)
    start_s = time.perf_counter()
    fit_temporal(network, lambda _: clips, lambda batch, y: (y - batch.target).square().mean(), options)
    rate = n_steps / (time.perf_counter() - start_s)
    return Figure(f"{kind}, fitted {options.batch_size} x {options.n_frames} frames", rate, "steps/s")
