"""Options that the subcommands of `kinecast engines` share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.building.build import Outcome, Source
    from engines.selection import EngineChoice

RUNTIMES = ("openvino", "onnxruntime", "tensorrt")
PRECISIONS = ("fp32", "fp16", "int8")
UNITS = ("cpu", "gpu", "cuda")


def add_choice_options(parser: argparse._ActionsContainer) -> None:
    """Declare options that select engines."""
    parser.add_argument("--runtime", choices=RUNTIMES, help="default: all usable runtimes")
    parser.add_argument("--precision", choices=PRECISIONS, help="default: all useful precisions")
    parser.add_argument(
        "--unit", choices=UNITS, help="cpu, gpu (Intel's, through OpenVINO) or cuda; default: all available"
    )


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Declare options for the network and the inputs on which it is verified."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx", help="the network, with its spec beside it")
    parser.add_argument(
        "--inputs",
        nargs="+",
        default=(),
        metavar="FILE",
        help="inputs for int8 calibration and for the comparison of answers: .npz of kinecast train inputs, "
        "a video or a folder of images; default: the demonstration clip",
    )
    parser.add_argument("--offline", action="store_true", help="do not download anything")
    add_choice_options(parser)


def choice_from_options(args: argparse.Namespace) -> EngineChoice:
    """The choice of engines by `--runtime` and `--precision`."""
    from engines.runtimes.available import Precision, Runtime
    from engines.selection import EngineChoice

    return EngineChoice(
        None if args.runtime is None else Runtime(args.runtime),
        None if args.precision is None else Precision(args.precision),
    )


def source_of(args: argparse.Namespace) -> Source:
    """The network and the inputs that the options give.

    Raises:
        EngineError: the network or an input cannot be read.
    """
    from engines.building.build import Source
    from engines.spec import load_spec
    from realtime.bench.engine_inputs import gather_inputs

    spec = load_spec(args.model)
    inputs = gather_inputs(args.inputs, spec, offline=args.offline)
    calibration, comparison = inputs.split(bool(spec.states))
    print(f"{spec.name}: {len(comparison)} inputs to compare on, {len(calibration)} to calibrate with "
          f"({inputs.source})", flush=True)  # fmt: skip
    return Source(args.model, spec, calibration, comparison)


def outcomes_of(args: argparse.Namespace, source: Source, root: Path) -> list[Outcome]:
    """Build the chosen engines, and print each result.

    Raises:
        EngineError: nothing could be built.
    """
    from engines.building.build import build_all
    from engines.errors import EngineError

    choice = choice_from_options(args)
    outcomes = []
    for outcome in build_all(
        source, root, runtime=choice.runtime, unit=args.unit, precision=choice.precision
    ):
        print(format_outcome(outcome), flush=True)
        outcomes.append(outcome)
    if not any(outcome.manifest for outcome in outcomes):
        reasons = "; ".join(f"{o.name}: {o.problem}" for o in outcomes) or "no such runtime on this machine"
        raise EngineError(
            f"no engine was built of {args.model} ({reasons}); see kinecast doctor",
            name="model",
            value=args.model,
        )
    return outcomes


def format_outcome(outcome: Outcome) -> str:
    """One line about an outcome."""
    if outcome.manifest is None:
        return f"--  {outcome.name:<26}{outcome.problem}"
    speed, parity = outcome.manifest.speed, outcome.manifest.parity
    return f"ok  {outcome.name:<26}{speed.p50_ms:9.3f} ms (95 %: {speed.p95_ms:.3f})   {parity.text}"
