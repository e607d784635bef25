"""What a processor's instructions mean for 8 bits: found as OpenCV does, right with and without VNNI."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from engines import instruction_set as module
from engines.instruction_set import InstructionSet, has_bfloat16, instruction_set

ROOT = Path(__file__).resolve().parents[2]
BUILD = """
import sys
from pathlib import Path
from engines.building import build
from engines.building.network_inputs import run_network
from engines.building.parity import angle_changes_deg
from engines.building.quantise import to_int8
from engines.runtimes.available import Precision, Runtime, find_backend
from engines.runtimes.openvino_engine import OpenvinoEngine
from tests.support.engine_networks import pictures, write_picture_network

build.TIMED_S = 0.01
folder = Path(sys.argv[1])
spec = write_picture_network(folder / "a.onnx")
source = build.Source(folder / "a.onnx", spec, *pictures(90).split(False))
_, manifest = build.build_engine(source, find_backend(Runtime.OPENVINO, "cpu"), Precision.INT8, folder / "e")
(folder / "full.onnx").write_bytes(to_int8(source.content, spec, source.calibration))
found = run_network(OpenvinoEngine(folder / "full.onnx"), source.comparison)
print(manifest.parity.mean, angle_changes_deg(spec, source.reference, found).mean(), manifest.method)
"""
CV_CPU_AVX2, CV_CPU_AVX_512BW, CV_CPU_AVX_512VNNI = 11, 14, 23  # of cvdef.h; the Python module lacks names
X86 = platform.machine().lower() in ("x86_64", "amd64")


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.skipif(not (X86 and sys.platform == "linux"), reason="only Linux on x86-64 tells")
def test_flags_are_those_that_opencv_finds():
    flags = module.processor_flags()
    assert ("avx512_vnni" in flags) == cv2.checkHardwareSupport(CV_CPU_AVX_512VNNI)
    assert ("avx512bw" in flags) == cv2.checkHardwareSupport(CV_CPU_AVX_512BW)
    assert ("avx2" in flags) == cv2.checkHardwareSupport(CV_CPU_AVX2)


@pytest.mark.parametrize(
    ("flags", "limit", "wanted"),
    [
        ("sse4_1 avx avx2", "", InstructionSet.AVX2),
        ("sse4_1 avx avx2 avx_vnni", "", InstructionSet.AVX_VNNI),
        ("sse4_1 avx avx2 avx512bw", "", InstructionSet.AVX512),
        ("sse4_1 avx avx2 avx512bw avx512_vnni", "", InstructionSet.AVX512_VNNI),
        ("sse4_1 avx avx2 avx512bw avx512_vnni", "ALL", InstructionSet.AVX512_VNNI),
        ("sse4_1 avx avx2 avx512bw avx512_vnni", "avx512_core", InstructionSet.AVX512),
        ("sse4_1 avx avx2 avx512bw avx512_vnni avx_vnni", "AVX2_VNNI", InstructionSet.AVX_VNNI),
        ("sse4_1 avx avx2 avx512bw avx512_vnni avx_vnni", "AVX2", InstructionSet.AVX2),
        ("sse4_1 avx avx2 avx512bw avx512_vnni avx_vnni", "SSE41", InstructionSet.SSE4),
        ("", "", InstructionSet.UNKNOWN),
    ],
)
def test_the_best_that_is_not_switched_off(
    unlimited: pytest.MonkeyPatch, flags: str, limit: str, wanted: InstructionSet
):
    unlimited.setattr(module, "processor_flags", lambda: frozenset(flags.split()))
    unlimited.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert instruction_set() is wanted
    assert wanted.sums_in_32_bits == ("vnni" in wanted.value.lower())


def test_bfloat16_is_switched_off_with_the_rest(unlimited: pytest.MonkeyPatch):
    unlimited.setattr(module, "processor_flags", lambda: frozenset({"avx512_bf16"}))
    assert has_bfloat16()
    unlimited.setenv("DNNL_MAX_CPU_ISA", "AVX512_CORE_VNNI")
    assert not has_bfloat16()


@pytest.mark.parametrize("limit", ["AVX2", ""])
def test_angles_hold_in_8_bits_with_and_without_vnni(
    unlimited: pytest.MonkeyPatch, tmp_path: Path, limit: str
):
    pytest.importorskip("onnxruntime", reason="engines are built with the extra engines")
    pytest.importorskip("onnx", reason="engines are built with the extra engines")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **({"ONEDNN_MAX_CPU_ISA": limit} if limit else {})}
    result = subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    assert result.returncode == 0, result.stderr
    built_deg, full_range_deg, method = result.stdout.strip().split(maxsplit=2)
    assert float(built_deg) < 0.3
    unlimited.setenv("ONEDNN_MAX_CPU_ISA", limit)
    has_vnni = instruction_set().sums_in_32_bits
    assert ("7-bit weights" in method) != has_vnni
    if X86:  # elsewhere nothing is known of sums, and half the range costs only a little
        # Weights of 8 bits saturate without VNNI, and are the better ones with it.
        assert (float(full_range_deg) < 2.0 * float(built_deg)) == has_vnni
