"""`kinecast evaluate`: the causal pipeline on a video, against a reference recording."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from calib.coordinates import SCORED_COORDINATES
from calib.skeleton import Skeleton
from calib.tables.storage import read_mot
from realtime.bench.accuracy import Evaluation, Trajectory, compare, jitter_deg
from realtime.commands.arguments import check_can_write
from realtime.commands.options import add_estimator_options, camera_options, estimator_options
from realtime.errors import RealtimeError
from realtime.estimators.build import make_camera, make_estimator
from realtime.sample import Estimator, PoseSample, Status
from realtime.sources.source import FrameSource, parse_source

HELP = "measure an estimator against reference coordinates"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--video", required=True, metavar="V", help="video that starts with the reference")
    parser.add_argument(
        "--reference", required=True, type=Path, metavar="R.mot", help="reference coordinates"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the result here")
    add_estimator_options(parser)


def run(args: argparse.Namespace) -> int:
    """Track the video, compare, print a table and write the JSON."""
    check_can_write(args.json)
    reference = read_reference(args.reference)
    source = parse_source(args.video)
    source.open()
    try:
        camera = make_camera(camera_options(args), source.width_px, source.height_px)
        estimator = make_estimator(estimator_options(args), camera)
        samples, durations_ns = track(source, estimator)
    finally:
        source.close()
    evaluation = evaluate(estimator, samples, durations_ns, reference)
    print(format_evaluation(evaluation))
    if args.json is not None:
        try:
            args.json.write_text(json.dumps(evaluation.as_dict(), indent=2) + "\n")
        except OSError as error:
            raise RealtimeError(f"{args.json}: cannot write the result ({error.strerror})") from error
    return 0


def read_reference(path: Path) -> Trajectory:
    """Read a `.mot` whose rotations are in degrees (or radians, as its header says)."""
    table = read_mot(path)
    values = table.values if table.in_degrees else np.degrees(table.values)
    keep = [k for k, name in enumerate(table.names) if not name.endswith(("_tx", "_ty", "_tz"))]
    return Trajectory(tuple(table.names[k] for k in keep), table.time_s, values[:, keep])


def track(source: FrameSource, estimator: Estimator) -> tuple[list[PoseSample], list[int]]:
    """Step through every frame of a source; also how long each step took."""
    samples, durations_ns = [], []
    with tqdm(desc=estimator.name, unit="frame", leave=False, disable=None) as progress:
        while (frame := source.read()) is not None:
            start_ns = time.perf_counter_ns()
            samples.append(estimator.step(frame))
            durations_ns.append(time.perf_counter_ns() - start_ns)
            progress.update()
    if not samples:
        raise RealtimeError(f"{source.description}: no frame could be read")
    return samples, durations_ns


def estimated_trajectory(samples: list[PoseSample], skeleton: Skeleton) -> Trajectory:
    """The rotational coordinates of tracked frames; NaN in lost ones. Time starts at the first frame."""
    rotational = np.flatnonzero(skeleton.is_rotational)
    stamps_ns = np.array([s.t_capture_ns for s in samples])
    angles_deg = np.degrees(np.array([s.q[rotational] for s in samples]))
    lost = np.array([s.status is Status.LOST for s in samples])
    angles_deg[lost] = np.nan
    names = tuple(skeleton.coordinate_names[k] for k in rotational)
    return Trajectory(names, (stamps_ns - stamps_ns[0]) * 1e-9, angles_deg)


def evaluate(
    estimator: Estimator, samples: list[PoseSample], durations_ns: list[int], reference: Trajectory
) -> Evaluation:
    """Score tracked samples against a reference that starts with the first frame."""
    trajectory = estimated_trajectory(samples, estimator.skeleton)
    lag_s, differences = compare(trajectory, reference)
    mae_deg = {name: float(np.nanmean(np.abs(d))) for name, d in differences.items()}
    scored = [n for n in SCORED_COORDINATES if n in mae_deg] or list(mae_deg)
    percentiles = np.percentile(np.array(durations_ns) * 1e-6, (50, 95, 99))
    return Evaluation(
        estimator=estimator.name,
        frames=len(samples),
        lag_s=lag_s,
        mean_mae_deg=float(np.mean([mae_deg[n] for n in scored])),
        mae_deg=mae_deg,
        bias_deg={name: float(np.nanmean(d)) for name, d in differences.items()},
        fps=len(durations_ns) / (sum(durations_ns) * 1e-9),
        latency_ms=dict(zip(("p50", "p95", "p99"), map(float, percentiles), strict=True)),
        jitter_deg=jitter_deg(trajectory),
        lost_frames=sum(s.status is Status.LOST for s in samples),
    )


def format_evaluation(evaluation: Evaluation) -> str:
    """A table for the console."""
    lines = [f"{'coordinate':<22}{'mean abs error':>15}{'bias':>9}   (deg)"]
    for name, value in evaluation.mae_deg.items():
        mark = " " if name in SCORED_COORDINATES else "  (not scored)"
        lines.append(f"{name:<22}{value:>15.1f}{evaluation.bias_deg[name]:>+9.1f}{mark}".rstrip())
    lines.append(f"{'mean of the scored':<22}{evaluation.mean_mae_deg:>15.2f}")
    latency = ", ".join(f"{k} {v:.1f}" for k, v in evaluation.latency_ms.items())
    lines.append(
        f"{evaluation.estimator}: {evaluation.frames} frames, {evaluation.lost_frames} lost, lag "
        f"{evaluation.lag_s * 1e3:.0f} ms, jitter {evaluation.jitter_deg:.2f} deg, step {latency} ms"
    )
    return "\n".join(lines)
