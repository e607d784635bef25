"""ONNX networks in 8 bits where it pays: convolutions, with ranges measured on images."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from engines.building.half_precision import CONVOLUTIONS, read_onnx
from engines.building.network_inputs import NetworkInputs
from engines.errors import EngineError
from engines.spec import ModelSpec

PERCENTILE = 99.999
"""Of the activations that stay in range: a rare large one must not cost all others their steps."""


class _Reader:
    """Hands a part of the inputs at a time to the calibrator, batch by batch, as ONNX Runtime wants them.

    Args:
        spec: Spec of the network.
        inputs: Inputs to calibrate with.
        size: Number of inputs that the network takes at a time.
    """

    def __init__(self, spec: ModelSpec, inputs: NetworkInputs, size: int) -> None:
        self._names, self._inputs, self._size = [t.name for t in spec.inputs], inputs, size
        self.set_range(0, len(self))

    def __len__(self) -> int:
        return self._inputs.n_batches(self._size)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._k, self._end = start_index, end_index

    def get_next(self) -> dict[str, Any] | None:
        k = self._k
        self._k += 1
        if k >= self._end:
            return None
        return dict(zip(self._names, self._inputs.batch(k, self._size), strict=True))


def to_int8(
    content: bytes,
    spec: ModelSpec,
    inputs: NetworkInputs,
    *,
    symmetric: bool = False,
    seven_bit_weights: bool = False,
) -> bytes:
    """A network whose convolutions work on 8 bits, with the conversions written into it.

    Sums, pooling and everything behind the convolutions stay in floating point: in 8 bits they are no faster,
    and the angles change three times as much.

    Args:
        content: Content of an ONNX file.
        spec: Spec of the network.
        inputs: Inputs to calibrate with.
        symmetric: Whether 0 must stay 0 and biases must stay numbers, as TensorRT wants it; the angles change
            half as much again.
        seven_bit_weights: Whether weights keep to half their range, so that sums in 16 bits cannot saturate:
            what processors without VNNI need. The angles change two to three times as much.

    Raises:
        EngineError: ONNX Runtime is missing, the inputs are noise, or there are no convolutions.
    """
    if inputs.is_random:
        raise EngineError(
            f"8 bits need typical inputs of {spec.name} to calibrate with; name some: --inputs FILE.npz",
            name="inputs", value=inputs.source,
        )  # fmt: skip
    model = read_onnx(content)
    if spec.states or not any(node.op_type in CONVOLUTIONS for node in model.graph.node):
        raise EngineError(
            f"8 bits gain nothing on network {spec.name}, which has no convolutions; use fp32",
            name="precision", value="int8", accepted=("fp32",),
        )  # fmt: skip
    size = int(model.graph.input[0].type.tensor_type.shape.dim[0].dim_value)
    return _quantised(
        content, _Reader(spec, inputs, size), symmetric=symmetric, seven_bit_weights=seven_bit_weights
    )


def _quantised(content: bytes, reader: _Reader, *, symmetric: bool, seven_bit_weights: bool) -> bytes:
    quantization, quant_pre_process = _quantizers()
    kinds = quantization.QuantType
    with tempfile.TemporaryDirectory() as folder, _quiet():
        plain, prepared, done = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "int8"))
        plain.write_bytes(content)
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(done),
            reader,
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(CONVOLUTIONS),
            per_channel=True,
            reduce_range=seven_bit_weights,
            activation_type=kinds.QInt8 if symmetric else kinds.QUInt8,
            weight_type=kinds.QInt8,
            calibrate_method=quantization.CalibrationMethod.Percentile,
            extra_options={
                "CalibPercentile": PERCENTILE,
                # Or else all layers' outputs of all inputs are held at once: 20 GB for a ResNeXt-50.
                "CalibStridedMinMax": 1,
                "ActivationSymmetric": symmetric,
                "QuantizeBias": not symmetric,
            },
        )
        return done.read_bytes()


def _quantizers() -> tuple[Any, Any]:
    """ONNX Runtime's package for networks in 8 bits, and what prepares a network for it.

    Raises:
        EngineError: a package is missing.
    """
    try:
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise EngineError(
            f"8 bits need ONNX Runtime and onnx ({error}); install them: pip install 'kinecast[engines]'"
        ) from error
    return quantization, quant_pre_process


@contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime advises on the console what is done here, and prints how far it is."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
