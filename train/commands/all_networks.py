"""`kinecast train all`: all networks from nothing, by one command."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from train.commands.arguments import add_ray_argument

HELP = "make people, sets and all networks from nothing; goes on where an earlier run ended"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of everything")
    parser.add_argument(
        "--scale", choices=("small", "ship"), default="small",
        help="small: to see that it works; ship: as for the networks that ship, days; "
        "default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    add_ray_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do what is missing, and say what was made."""
    from train.recipe.run import MANIFEST, new_manifest, run_steps
    from train.recipe.scales import SCALES
    from train.recipe.steps import steps_of

    out, scale = args.out.expanduser().absolute(), SCALES[args.scale]
    steps = steps_of(scale, out, args.seed)
    with _torch_threads(scale.threads):
        manifest = run_steps(steps, out, new_manifest(args.scale, args.seed), run_command, args.ray)
    for name, record in manifest.steps.items():
        for line in record.figures:
            print(f"{name}: {line}")
    print(f"{out / MANIFEST}: commands, seeds, versions, hashes and figures")
    return 0


@contextmanager
def _torch_threads(n: int | None) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before if n is None else n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_command(words: Sequence[str]) -> int:
    """Run the words after `kinecast train` in this process."""
    from train import cli

    parser = argparse.ArgumentParser(prog="kinecast train", allow_abbrev=False)
    cli.add_arguments(parser)
    return cli.run(parser.parse_args(list(words)))
