"""The TensorRT adapter against what is published of TensorRT: its type stubs, and the edition for RTX.

The stubs come as a package that names the whole of TensorRT as a requirement, so that they are installed
without: pip install --no-deps tensorrt-stubs. Some of their lines are no Python, and are left out.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest

from engines.errors import EngineError
from engines.runtimes import cuda
from engines.shipped import shipped_patches_path
from engines.spec import load_spec
from tests.support.engine_networks import patches_of, pictures, write_picture_network

ROOT = Path(__file__).resolve().parents[3]
MODULES = ("building/tensorrt_build.py", "runtimes/tensorrt_engine.py")


def readable(text: str) -> str:
    """A stub file without the functions that do not parse."""
    lines = text.splitlines()
    while True:
        try:
            ast.parse("\n".join(lines))
        except SyntaxError as error:
            assert error.lineno is not None
            name = re.match(r"(\s*)def (\w+)\(", lines[error.lineno - 1])
            assert name is not None, lines[error.lineno - 1]
            lines[error.lineno - 1] = f"{name[1]}def {name[2]}(self, *args, **kwargs) -> object:"
        else:
            return "\n".join(lines)


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        found = [f for f in files("tensorrt-stubs") or () if f.suffix == ".pyi"]
    except PackageNotFoundError:
        pytest.skip("tensorrt-stubs is not installed: pip install --no-deps tensorrt-stubs")
    folder = tmp_path_factory.mktemp("stubs")
    for file in found:
        path = folder / str(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(readable(Path(str(file.locate())).read_text()))
    return folder


def complaints(folder: Path, stubs: Path) -> list[str]:
    """What mypy says of the adapter's modules in a folder."""
    result = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--config-file", "", "--strict", "--allow-untyped-calls",
            "--ignore-missing-imports", "--cache-dir", str(stubs / "cache"),
            *(str(folder / name) for name in MODULES),
        ],
        capture_output=True, text=True, cwd=ROOT, env={"MYPYPATH": f"{stubs}:{ROOT}"}, check=False,
    )  # fmt: skip
    assert result.returncode in (0, 1), result.stderr
    return [line for line in result.stdout.splitlines() if any(f"{name}:" in line for name in MODULES)]


def test_the_adapter_keeps_to_the_published_types(stubs: Path, tmp_path: Path) -> None:
    assert complaints(ROOT / "engines", stubs) == []
    for name in MODULES:
        text = (ROOT / "engines" / name).read_text()
        for right, wrong in (
            ("execute_async_v3", "execute_v9"),
            ("BuilderFlag.TF32", "BuilderFlag.TF33"),
            ("build_serialized_network(definition, config)", "build_serialized_network(config)"),
        ):
            text = text.replace(right, wrong)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    said = "\n".join(complaints(tmp_path, stubs))
    assert "execute_v9" in said
    assert "TF33" in said
    assert "build_serialized_network" in said


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("network", ["picture", "patches"])
def test_the_edition_for_rtx_compiles_without_a_gpu(
    tmp_path: Path, network: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    pytest.importorskip("onnxruntime")
    from engines.building.half_precision import bytes_to_float_first, to_half_precision
    from engines.building.quantise import to_int8
    from engines.building.tensorrt_build import build_plan

    monkeypatch.setitem(sys.modules, "tensorrt", None)
    path, inputs = tmp_path / "a.onnx", pictures(8)
    if network == "picture":
        write_picture_network(path)
    else:
        path, inputs = shipped_patches_path(), patches_of(2)
    spec, content = load_spec(path), path.read_bytes()
    if precision == "fp16":
        content = to_half_precision(content)
    elif precision == "int8":
        content = to_int8(content, spec, inputs, symmetric=True)
    assert len(build_plan(bytes_to_float_first(content))) > 1000


def test_cuda_says_what_is_missing() -> None:
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    try:
        name = cuda.device_name()
    except EngineError as error:
        assert re.search(r"CUDA failed: cudaError\w+|CUDA cannot be used|no NVIDIA GPU", str(error))
    else:
        assert re.search(r"compute \d+\.\d+, driver ", name)
