"""Assets are fetched with the real pip from a folder of wheels made here, never from a network."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
import stat
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from engines import assets
from engines.assets import ASSETS, Asset, fetch, find
from engines.errors import AssetError

CONTENT = b"not really a network" * 1000


def make_asset(**changes: str) -> Asset:
    asset = Asset(
        name="toy",
        registry="pypi",
        package="toy-models",
        version="1.2",
        path="toy/models/toy.tflite",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="MIT",
        source="the tests",
    )
    return dataclasses.replace(asset, **changes)


def write_wheel(folder: Path) -> Path:
    path = folder / "toy_models-1.2-py3-none-any.whl"
    info = "toy_models-1.2.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("toy/models/toy.tflite", CONTENT)
        wheel.writestr("toy/models/other.tflite", CONTENT[::-1])
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-models\nVersion: 1.2\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all pip may look at; it holds the toy wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    write_wheel(folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Asset:
    asset = make_asset()
    monkeypatch.setattr(assets, "ASSETS", {"toy": asset})
    return asset


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_fetched_file_is_the_one_in_the_wheel(index: Path, toy: Asset, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    path = fetch("toy", cache_dir=cache)
    assert path.read_bytes() == CONTENT
    assert files_below(cache) == [path], "nothing but the asset stays behind"


def test_cached_file_needs_no_network(index: Path, toy: Asset, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    path = fetch("toy", cache_dir=cache)
    (index / "toy_models-1.2-py3-none-any.whl").unlink()
    assert fetch("toy", cache_dir=cache) == path
    assert fetch("toy", cache_dir=cache, offline=True) == path


def test_one_download_serves_the_whole_package(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_asset(
        name="other", path="toy/models/other.tflite", sha256=hashlib.sha256(CONTENT[::-1]).hexdigest()
    )
    monkeypatch.setattr(assets, "ASSETS", {"toy": make_asset(), "other": other})
    fetch("toy", cache_dir=tmp_path / "cache")
    assert fetch("other", cache_dir=tmp_path / "cache", offline=True).read_bytes() == CONTENT[::-1]


def test_offline_and_missing_says_what_to_run(toy: Asset, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"missing.*kinecast assets fetch toy"):
        fetch("toy", cache_dir=tmp_path, offline=True)
    assert find("toy", cache_dir=tmp_path) is None


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], CONTENT + b"\0"])
def test_damaged_cache_is_fetched_again(index: Path, toy: Asset, tmp_path: Path, damage: bytes) -> None:
    cache = tmp_path / "cache"
    path = fetch("toy", cache_dir=cache)
    path.write_bytes(damage)
    with pytest.raises(AssetError, match="damaged"):
        fetch("toy", cache_dir=cache, offline=True)
    assert fetch("toy", cache_dir=cache).read_bytes() == CONTENT


def test_file_with_another_hash_is_not_kept(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "ASSETS", {"toy": make_asset(sha256="0" * 64)})
    with pytest.raises(AssetError, match=f"expected {'0' * 64}"):
        fetch("toy", cache_dir=tmp_path / "cache")
    assert files_below(tmp_path / "cache") == []


def test_package_without_the_file(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "ASSETS", {"toy": make_asset(path="toy/moved.tflite")})
    with pytest.raises(AssetError, match=re.escape("toy/moved.tflite")):
        fetch("toy", cache_dir=tmp_path / "cache")


def test_truncated_wheel(index: Path, toy: Asset, tmp_path: Path) -> None:
    wheel = index / "toy_models-1.2-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:200])
    with pytest.raises(AssetError, match=r"toy-models==1\.2"):
        fetch("toy", cache_dir=tmp_path / "cache")


def test_package_that_cannot_be_had(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "ASSETS", {"toy": make_asset(version="9.9")})
    with pytest.raises(AssetError, match=r"cannot download toy-models==9\.9 .*assets fetch toy"):
        fetch("toy", cache_dir=tmp_path / "cache")


def test_unknown_name_lists_the_known_ones(toy: Asset) -> None:
    with pytest.raises(AssetError, match="accepted: toy"):
        fetch("tot")


def test_cache_that_cannot_be_written(index: Path, toy: Asset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AssetError, match="cannot store toy"):
        fetch("toy", cache_dir=tmp_path / "file")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a script as executable")
def test_python_without_pip(toy: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(AssetError, match="ensurepip"):
        fetch("toy", cache_dir=tmp_path / "cache")


def test_fetching_at_once(index: Path, toy: Asset, tmp_path: Path) -> None:
    results: list[bytes] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(fetch("toy", cache_dir=tmp_path / "cache").read_bytes())
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [CONTENT] * 3
    assert len(files_below(tmp_path / "cache")) == 1


def write_npm(folder: Path) -> None:
    """An `npm` that packs what the real one would have downloaded."""
    tarball = folder / "toy-models-1.2.tgz"
    with tarfile.open(tarball, "w:gz") as tar:
        entry = tarfile.TarInfo("package/toy.tflite")
        entry.size = len(CONTENT)
        tar.addfile(entry, io.BytesIO(CONTENT))
    npm = folder / "npm"
    npm.write_text(f'#!/bin/sh\n[ "$6" = "@toy/models@1.2" ] || exit 1\n/bin/cp {tarball} "$5"\n')
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a script as executable")
def test_npm_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asset = make_asset(registry="npm", package="@toy/models", path="package/toy.tflite")
    monkeypatch.setattr(assets, "ASSETS", {"toy": asset})
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(AssetError, match="npm, which is not installed"):
        fetch("toy", cache_dir=tmp_path / "cache")
    write_npm(tmp_path / "bin")
    assert fetch("toy", cache_dir=tmp_path / "cache").read_bytes() == CONTENT


def test_table_is_complete() -> None:
    assert {"pose_detection", "pose_landmark_full", "demo_clip"} <= set(ASSETS)
    for name, asset in ASSETS.items():
        assert name == asset.name
        assert re.fullmatch("[0-9a-f]{64}", asset.sha256)
        assert asset.registry in assets._DOWNLOADERS
        assert asset.licence in {"Apache-2.0", "BSD-3-Clause"}
    assert len({assets._cached_path(asset, None) for asset in ASSETS.values()}) == len(ASSETS)
