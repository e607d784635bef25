"""`kinecast bench`: how fast kinecast is on this machine."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

from engines.benchmark import BenchResult, format_result, machine
from realtime.commands.arguments import check_can_write
from realtime.errors import RealtimeError

HELP = "measure speed on this machine"

BENCHMARKS = {
    "skeleton": "realtime.bench_skeleton:measure",
    "landmarks": "realtime.bench_estimator:measure_landmarks",
    "lifted": "realtime.bench_estimator:measure_lifted",
    "stream": "realtime.bench_stream:measure",
    "synth": "train.bench_synth:measure",
}
"""Functions of `quick: bool` that give a BenchResult; imported only when they are asked for."""

ON_REQUEST = ("synth",)
"""Those that need more than what is always installed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "benchmark", nargs="*", metavar="|".join(BENCHMARKS), help=f"default: all but {', '.join(ON_REQUEST)}"
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")


def run(args: argparse.Namespace) -> int:
    """Run the benchmarks that were named."""
    unknown = [name for name in args.benchmark if name not in BENCHMARKS]
    if unknown:
        raise RealtimeError(f"no benchmark {unknown[0]!r}; accepted: {', '.join(BENCHMARKS)}")
    check_can_write(args.json)
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, {about['system']}")
    results: list[BenchResult] = []
    for name in args.benchmark or [name for name in BENCHMARKS if name not in ON_REQUEST]:
        module, function = BENCHMARKS[name].split(":")
        result = getattr(importlib.import_module(module), function)(args.quick)
        print(format_result(result), flush=True)
        results.append(result)
    if args.json is not None:
        content = {"machine": about, "results": [r.as_dict() for r in results]}
        try:
            args.json.write_text(json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise RealtimeError(f"{args.json}: cannot write the results ({error.strerror})") from error
    return 0
