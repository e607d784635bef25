"""Compile ONNX networks with TensorRT, for the GPU and version at hand and no other."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from engines.errors import EngineError
from engines.runtimes.available import Runtime
from engines.runtimes.tensorrt_api import is_for_rtx, load_tensorrt

if TYPE_CHECKING:
    import tensorrt as trt  # for types only: test_engine_tensorrt_types.py

_OTHERS = tuple(runtime for runtime in Runtime if runtime is not Runtime.TENSORRT)
_ELSEWHERE = f"accepted by other runtimes: kinecast engines build --runtime {' or '.join(_OTHERS)}"


def build_plan(network: bytes, timing_cache: Path | None = None) -> bytes:
    """Compile a network in the precisions that its file says.

    Args:
        network: Content of an ONNX file.
        timing_cache: Where to keep what was measured of kernels, so that the next build is quick. The
            edition for RTX measures nothing when it builds, and leaves the file alone.

    Returns:
        The serialised engine.

    Raises:
        EngineError: TensorRT does not take the network.
    """
    if not TYPE_CHECKING:
        trt = load_tensorrt()
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    # Version 11 knows no other networks and ignores the flag.
    typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    definition = builder.create_network(typed)
    parser = trt.OnnxParser(definition, logger)
    if not parser.parse(network):
        reasons = "; ".join(str(parser.get_error(k).desc()) for k in range(parser.num_errors))
        raise EngineError(
            f"TensorRT {trt.__version__} cannot read the network: {reasons or 'it does not say why'}; "
            f"{_ELSEWHERE}",
            name="runtime", value=Runtime.TENSORRT, accepted=_OTHERS,
        )  # fmt: skip
    config = builder.create_builder_config()
    # Single precision is to mean 24 bits, as on every other runtime.
    config.clear_flag(trt.BuilderFlag.TF32)
    keeps_timings = timing_cache is not None and not is_for_rtx(trt.__name__)
    if keeps_timings and timing_cache is not None:
        _take_timings(config, timing_cache)
    plan = builder.build_serialized_network(definition, config)
    if plan is None:
        raise EngineError(
            f"TensorRT {trt.__version__} cannot compile the network; see its messages above; {_ELSEWHERE}",
            name="runtime", value=Runtime.TENSORRT, accepted=_OTHERS,
        )  # fmt: skip
    if keeps_timings and timing_cache is not None:
        _keep_timings(config, timing_cache)
    return bytes(plan)


def _take_timings(config: trt.IBuilderConfig, path: Path) -> None:
    """Start from what was measured before; what another GPU or version measured is left out."""
    content = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(content)
    if not config.set_timing_cache(cache, ignore_mismatch=False):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)


def _keep_timings(config: trt.IBuilderConfig, path: Path) -> None:
    """Write what is known now, whole or not at all."""
    content = bytes(config.get_timing_cache().serialize())
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(partial, path)
