"""`kinecast engines bench`: time a network in every runtime and precision of this machine."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import msgspec

from realtime.commands.arguments import check_can_write, positive_int
from realtime.commands.engines.options import add_source_options, outcomes_of, source_of

HELP = "time a network in every runtime and precision of this machine, without keeping engines"
N_DEFAULT = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_source_options(parser)
    parser.add_argument(
        "--n", type=positive_int, default=N_DEFAULT, metavar="N", help="number of calls; default: %(default)s"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")


def run(args: argparse.Namespace) -> int:
    """Build engines in a temporary folder, then time them in turn."""
    from engines.benchmark import BenchResult, format_result, machine, time_in_turn
    from engines.building.folder import load_engine

    check_can_write(args.json)
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, {about['system']}")
    source = source_of(args)
    with tempfile.TemporaryDirectory() as folder:
        built = {o.name: o for o in outcomes_of(args, source, Path(folder)) if o.folder is not None}
        engines = {name: load_engine(o.folder).engine for name, o in built.items() if o.folder is not None}
        timings = time_in_turn({n: lambda _, e=e: e.infer() for n, e in engines.items()}, args.n)  # type: ignore[misc]
        del engines
    result = BenchResult(f"{source.spec.name}, by turns", timings)
    print(format_result(result))
    if args.json is not None:
        rows = [
            {"engine": o.name, **msgspec.structs.asdict(o.manifest.parity)}
            for o in built.values()
            if o.manifest is not None
        ]
        args.json.write_text(
            json.dumps({"machine": about, "results": [result.as_dict()], "parity": rows}, indent=2) + "\n"
        )
    return 0
