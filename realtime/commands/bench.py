"""`kinecast bench`: measure the speed of kinecast on this machine."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from engines.benchmark import BenchResult, format_result, machine
from realtime.commands.arguments import check_can_write, positive_float, positive_int
from realtime.errors import RealtimeError

if TYPE_CHECKING:
    from realtime.bench.engines import EngineLoad
    from realtime.bench.stream import StreamLoad

HELP = "measure speed on this machine"

BENCHMARKS = {
    "skeleton": "realtime.bench.skeleton:measure",
    "landmarks": "realtime.bench.estimator:measure_landmarks",
    "lifted": "realtime.bench.estimator:measure_lifted",
    "direct": "realtime.bench.estimator:measure_direct",
    "views": "realtime.bench.views:measure",
    "stream": "realtime.bench.stream:measure",
    "engines": "realtime.bench.engines:measure",
    "synth": "train.synth.bench:measure",
    "temporal": "train.temporal.bench:measure",
}
"""Functions of `quick: bool` that return a BenchResult; imported only when requested."""

ON_REQUEST = ("direct", "engines", "synth", "temporal")
"""Benchmarks that need optional packages or files."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "benchmark", nargs="*", metavar="|".join(BENCHMARKS), help=f"default: all but {', '.join(ON_REQUEST)}"
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    stream = parser.add_argument_group("stream")
    stream.add_argument("--seconds", type=positive_float, metavar="S", help="default: 20, with --quick 3")
    stream.add_argument("--subscribers", type=positive_int, default=1, metavar="N", help="default: 1")
    stream.add_argument(
        "--crowd",
        type=positive_int,
        default=0,
        metavar="N",
        help="further subscribers that come and go every ten seconds",
    )
    stream.add_argument(
        "--stuck", type=positive_int, default=0, metavar="N", help="number of the crowd that never read"
    )
    engines = parser.add_argument_group("engines")
    engines.add_argument(
        "--model",
        type=Path,
        metavar="FILE.onnx",
        help="network, such as from kinecast train export --untrained resnext50_32x4d",
    )
    engines.add_argument("--small", type=Path, metavar="FILE.onnx", help="a second, smaller network")
    engines.add_argument(
        "--mediapipe-python", type=Path, metavar="FILE", help="a Python with MediaPipe for comparison"
    )


def engine_load(args: argparse.Namespace) -> EngineLoad:
    """Options of the benchmark of the engines.

    Raises:
        RealtimeError: no network is given.
    """
    from realtime.bench.engines import EngineLoad

    if args.model is None:
        raise RealtimeError(
            "bench engines needs a network: --model FILE.onnx; make an untrained one with: kinecast train "
            "export --untrained resnext50_32x4d --out FILE.onnx"
        )
    return EngineLoad(args.model, args.small, args.mediapipe_python)


def stream_load(args: argparse.Namespace) -> StreamLoad:
    """Options of the benchmark of the stream.

    Raises:
        RealtimeError: more subscribers are stuck than the crowd has.
    """
    from realtime.bench.stream import StreamLoad

    if args.stuck > args.crowd:
        raise RealtimeError(
            f"--stuck {args.stuck} of a --crowd of {args.crowd}; accepted: no more than the crowd"
        )
    seconds = args.seconds or (3.0 if args.quick else 20.0)
    return StreamLoad(seconds, args.subscribers, args.crowd, args.stuck)


def run(args: argparse.Namespace) -> int:
    """Run the chosen benchmarks."""
    unknown = [name for name in args.benchmark if name not in BENCHMARKS]
    if unknown:
        raise RealtimeError(f"no benchmark {unknown[0]!r}; accepted: {', '.join(BENCHMARKS)}")
    check_can_write(args.json)
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, {about['system']}")
    results: list[BenchResult] = []
    for name in args.benchmark or [name for name in BENCHMARKS if name not in ON_REQUEST]:
        module, function = BENCHMARKS[name].split(":")
        measure = getattr(importlib.import_module(module), function)
        loads = {"stream": stream_load, "engines": engine_load}
        result = measure(args.quick, loads[name](args)) if name in loads else measure(args.quick)
        print(format_result(result), flush=True)
        results.append(result)
    if args.json is not None:
        content = {"machine": about, "results": [r.as_dict() for r in results]}
        try:
            args.json.write_text(json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise RealtimeError(f"{args.json}: cannot write the results ({error.strerror})") from error
    return 0
