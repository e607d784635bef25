"""What an engine folder says about itself: from what, by what and for what it was built, and how it did."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from engines.building.parity import Parity, measure_of
from engines.errors import EngineError
from engines.runtimes.available import Precision, Runtime
from engines.spec import ModelSpec

MANIFEST_NAME = "manifest.json"
FORMAT = 2
MAX_BYTES = 1_000_000
"""A manifest is a few kB; anything larger is something else."""


class Speed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one call, copies to and from a GPU included, as measured when it was built."""

    p50_ms: float
    p95_ms: float
    n_calls: int


class FileFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of the folder must be."""

    n_bytes: int
    sha256: str


class _Format(msgspec.Struct, frozen=True):
    """What manifests of every version have."""

    format: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything about one engine."""

    format: int
    source: str
    """Name of the ONNX file."""
    source_sha256: str
    spec: ModelSpec
    runtime: Runtime
    unit: str
    runtime_version: str
    device: str
    """The processor, or the GPU with its driver."""
    precision: Precision
    n_threads: int | None
    """CPU threads."""
    method: str
    """How the precision was reached."""
    parity: Parity
    speed: Speed
    files: dict[str, FileFacts]

    @property
    def rebuild(self) -> str:
        """The command that makes it again."""
        return (
            f"kinecast engines build {self.source} --runtime {self.runtime.value} --unit {self.unit} "
            f"--precision {self.precision.value}"
        )


def read_manifest(folder: Path) -> Manifest:
    """Read and check a folder's manifest; its files are checked by `check_files`.

    Raises:
        EngineError: it is missing or damaged, or of another version of kinecast.
    """
    path = folder / MANIFEST_NAME
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{folder}: no engine ({error}); {_again()}", name="folder", value=folder
        ) from error
    try:
        return decode_manifest(content)
    except EngineError as error:
        raise EngineError(
            f"{path}: {error}; {_again()}", name=error.name, value=error.value, accepted=error.accepted
        ) from error


def decode_manifest(content: bytes) -> Manifest:
    """A manifest from its text.

    Raises:
        EngineError: it is damaged, of another format, or says of itself that it must not be used.
    """
    try:
        version = msgspec.json.decode(content, type=_Format).format
        manifest = msgspec.json.decode(content, type=Manifest) if version == FORMAT else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EngineError(f"damaged manifest ({error})", name="manifest") from error
    if manifest is None:
        raise EngineError(
            f"a manifest of format {version}; this kinecast reads {FORMAT}",
            name="format", value=version, accepted=(FORMAT,),
        )  # fmt: skip
    if not manifest.files or any(Path(name).name != name or name in (".", "..") for name in manifest.files):
        raise EngineError(
            "its files are not names inside its folder", name="files", value=tuple(manifest.files)
        )
    _check_parity(manifest)
    if not manifest.speed.p50_ms > 0.0:
        raise EngineError(
            f"a call took {manifest.speed.p50_ms} ms", name="p50_ms", value=manifest.speed.p50_ms
        )
    return manifest


def _check_parity(manifest: Manifest) -> None:
    """Refuse what the build would have refused."""
    measure, parity = measure_of(manifest.spec), manifest.parity
    if (parity.what, parity.unit) != (measure.what, measure.unit):
        raise EngineError(
            f"it compares {parity.what} in {parity.unit}; accepted: {measure.what} in {measure.unit}",
            name="parity", value=parity.what, accepted=(measure.what,),
        )  # fmt: skip
    limit = measure.limit[manifest.precision]
    if not 0.0 <= parity.mean <= limit:
        raise EngineError(
            f"{manifest.precision.value} changes the {parity.what} by {parity.mean:.3g} {parity.unit}; "
            f"accepted: up to {limit:g}",
            name="parity", value=parity.mean, accepted=(0.0, limit),
        )  # fmt: skip


def encode_manifest(manifest: Manifest) -> bytes:
    """The text of a manifest."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def file_facts(path: Path) -> FileFacts:
    """Size and hash of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileFacts(path.stat().st_size, digest)


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare a folder's files with what its manifest says.

    Raises:
        EngineError: one is missing, cut off or changed.
    """
    for name, facts in manifest.files.items():
        path = folder / name
        try:
            found = file_facts(path)
        except OSError as error:
            raise EngineError(
                f"{path}: cannot be read ({error.strerror}); build it again: {manifest.rebuild}",
                name=name, value=path,
            ) from error  # fmt: skip
        if found != facts:
            what = (
                f"has {found.n_bytes} bytes instead of {facts.n_bytes}"
                if found.n_bytes != facts.n_bytes
                else f"has hash {found.sha256[:12]} instead of {facts.sha256[:12]}"
            )
            raise EngineError(
                f"{path}: {what}; build it again: {manifest.rebuild}",
                name=name,
                value=found,
                accepted=(facts,),
            )


def _again() -> str:
    return "build it again: kinecast engines build MODEL.onnx"
