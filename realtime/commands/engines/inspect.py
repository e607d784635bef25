"""`kinecast engines inspect`: describe an engine and check whether it can be used here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.building.manifest import Manifest

HELP = "describe an engine, or all engines of a network, and check whether they can be used here"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("path", type=Path, metavar="DIR|MODEL.onnx", help="folder of an engine, or a network")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder with engines of the network")
    parser.add_argument("--json", action="store_true", help="print the manifests")


def run(args: argparse.Namespace) -> int:
    """Print the description of an engine or of all engines of a network.

    Raises:
        EngineError: the engine cannot be used, or there is none.
    """
    from engines.building.folder import check_binding, default_engines_dir, found_engines
    from engines.building.manifest import check_files, encode_manifest, read_manifest
    from engines.errors import EngineError
    from engines.spec import load_spec

    if args.path.is_dir():
        manifest = read_manifest(args.path)
        print(encode_manifest(manifest).decode() if args.json else _text(args.path, manifest))
        check_binding(args.path, manifest)
        check_files(args.path, manifest)
        return 0
    found = found_engines(args.out or default_engines_dir(), load_spec(args.path).sha256)
    if not found:
        raise EngineError(
            f"{args.path}: no engines; build some with: kinecast engines build {args.path}",
            name="path", value=args.path,
        )  # fmt: skip
    for folder, result in found:
        if isinstance(result, EngineError):
            print(f"{folder}\n    not usable: {result}")
        else:
            print(encode_manifest(result).decode() if args.json else _text(folder, result))
    return 0


def _text(folder: Path, manifest: Manifest) -> str:
    parity, speed, spec = manifest.parity, manifest.speed, manifest.spec
    n_mb = sum(facts.n_bytes for facts in manifest.files.values()) / 1e6
    gives = f"{len(spec.coordinate_names)} coordinates" if spec.coordinate_names else parity.what
    rows = (
        ("network", f"{spec.name}, {gives}, skeleton {spec.skeleton_sha[:12]}"),
        ("source", f"{manifest.source}, hash {manifest.source_sha256[:12]}"),
        ("runtime", f"{manifest.runtime.value} {manifest.runtime_version} on {manifest.unit}"),
        ("device", manifest.device),
        ("precision", f"{manifest.precision.value}: {manifest.method}"),
        (
            parity.what,
            f"change by {parity.mean:.3g} {parity.unit} on average, 99 % below {parity.p99:.3g}, at most "
            f"{parity.max:.3g}, over {parity.n_inputs} inputs ({parity.inputs})",
        ),
        ("speed", f"{speed.p50_ms:.3f} ms a call, 95 % below {speed.p95_ms:.3f}, over {speed.n_calls} calls"),
        ("files", f"{', '.join(manifest.files)}: {n_mb:.1f} MB"),
    )
    return "\n".join([str(folder), *(f"    {name:<11}{text}" for name, text in rows)])
