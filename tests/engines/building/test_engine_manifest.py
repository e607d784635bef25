"""Manifests: what is written is read, and nothing else is taken for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.building.manifest import (
    FORMAT,
    FileFacts,
    Manifest,
    Speed,
    check_files,
    decode_manifest,
    encode_manifest,
    file_facts,
    read_manifest,
)
from engines.building.parity import Parity
from engines.errors import EngineError
from engines.runtimes.available import LIMIT_DEG, Precision, Runtime
from engines.spec import ModelSpec, TensorSpec

SPEC = ModelSpec("n", (TensorSpec("x", (3,)),), (TensorSpec("q", (2,)),), ("a", "b"), "5" * 64, "6" * 64)
text = st.text(max_size=20)
precisions = st.sampled_from(Precision)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    precision = draw(precisions)
    degrees = st.floats(0.0, LIMIT_DEG[precision])
    return Manifest(
        format=FORMAT,
        source=draw(text),
        source_sha256=draw(text),
        spec=SPEC,
        runtime=draw(st.sampled_from(Runtime)),
        unit=draw(text),
        runtime_version=draw(text),
        device=draw(text),
        precision=precision,
        n_threads=draw(st.none() | st.integers(1, 64)),
        method=draw(text),
        parity=Parity(
            what="angles",
            unit="deg",
            mean=draw(degrees),
            p99=draw(st.floats(0, 9)),
            max=draw(st.floats(0, 9)),
            n_inputs=draw(st.integers(1, 999)),
            inputs="i",
        ),
        speed=Speed(draw(st.floats(1e-3, 1e3)), draw(st.floats(0, 1e3)), draw(st.integers(1, 999))),
        files={"model.xml": FileFacts(draw(st.integers(0, 2**40)), draw(text))},
    )


@given(manifests())
def test_what_is_written_is_read(manifest: Manifest) -> None:
    assert decode_manifest(encode_manifest(manifest)) == manifest


@given(manifests(), st.data())
def test_a_cut_manifest_is_refused(manifest: Manifest, data: st.DataObject) -> None:
    content = encode_manifest(manifest).rstrip()
    with pytest.raises(EngineError):
        decode_manifest(content[: data.draw(st.integers(0, len(content) - 1))])


@given(manifests(), st.data())
def test_a_changed_byte_is_refused_or_harmless(manifest: Manifest, data: st.DataObject) -> None:
    content = bytearray(encode_manifest(manifest))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode_manifest(bytes(content))
    except EngineError:
        return
    assert 0.0 <= found.parity.mean <= LIMIT_DEG[found.precision]


@given(st.binary(max_size=300))
def test_bytes_are_no_manifest(content: bytes) -> None:
    with pytest.raises(EngineError):
        decode_manifest(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)


@given(manifests(), st.data())
def test_wrong_values_are_refused_not_crashed_on(manifest: Manifest, data: st.DataObject) -> None:
    content = json.loads(encode_manifest(manifest))
    key = data.draw(st.sampled_from(sorted(content)))
    content[key] = data.draw(json_values)
    try:
        found = decode_manifest(json.dumps(content).encode())
    except EngineError:
        return
    assert isinstance(found, Manifest)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 1, "format 1; this kinecast reads 2"),
        ("files", {}, "not names inside its folder"),
        ("files", {"../x": {"n_bytes": 1, "sha256": ""}}, "not names inside its folder"),
        ("precision", "fp8", "damaged manifest"),
        ("extra", 1, "damaged manifest"),
    ],
)
def test_refusals_say_why(key: str, value: object, message: str) -> None:
    content = json.loads(encode_manifest(example()))
    content[key] = value
    with pytest.raises(EngineError, match=message):
        decode_manifest(json.dumps(content).encode())


def test_an_engine_that_says_it_is_wrong_is_refused() -> None:
    content = json.loads(encode_manifest(example()))
    content["parity"]["mean"] = 0.31
    with pytest.raises(EngineError, match=r"int8 changes the angles by 0\.31 deg; accepted: up to 0\.3"):
        decode_manifest(json.dumps(content).encode())


def test_files_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    path.write_bytes(b"network")
    manifest = example(files={"model.xml": file_facts(path)})
    check_files(tmp_path, manifest)
    for content, message in ((b"networl", "has hash"), (b"net", "has 3 bytes instead of 7")):
        path.write_bytes(content)
        with pytest.raises(
            EngineError, match=rf"{message}.*kinecast engines build a\.onnx --runtime openvino"
        ):
            check_files(tmp_path, manifest)
    path.unlink()
    with pytest.raises(EngineError, match="cannot be read"):
        check_files(tmp_path, manifest)


def test_no_manifest_and_a_huge_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no engine .*kinecast engines build"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b" " * 2_000_000)
    with pytest.raises(EngineError, match="2000000 bytes"):
        read_manifest(tmp_path)


def example(files: dict[str, FileFacts] | None = None) -> Manifest:
    return Manifest(
        format=FORMAT, source="a.onnx", source_sha256="6" * 64, spec=SPEC, runtime=Runtime.OPENVINO,
        unit="cpu", runtime_version="1", device="d", precision=Precision.INT8, n_threads=2, method="m",
        parity=Parity(what="angles", unit="deg", mean=0.1, p99=0.2, max=0.3, n_inputs=500, inputs="i"),
        speed=Speed(1.0, 2.0, 100),
        files=files or {"model.xml": FileFacts(3, "x")},
    )  # fmt: skip
