"""Run a network through TensorRT: pinned buffers, a stream of its own, everything in one CUDA graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError
from engines.runtimes.cuda import Buffer, Stream
from engines.runtimes.engine import Buffers, check_names, fill, not_fixed
from engines.runtimes.tensorrt_api import load_tensorrt
from engines.spec import NEXT

if TYPE_CHECKING:
    import tensorrt as trt  # for types only: test_engine_tensorrt_types.py


class TensorrtEngine:
    """A network on the GPU. One call is one graph: copies in, network, states, copies out.

    Not safe to share between threads.

    Args:
        plan: Plan that `engines.building.tensorrt_build.build_plan` made on this machine.
        outputs: Names of the output tensors, in this order.
        states: Inputs that the network's own output, named with `NEXT`, feeds on the next call; they never
            leave the GPU.

    Raises:
        EngineError: TensorRT does not take the plan, or a tensor is missing.
    """

    def __init__(self, plan: bytes, *, outputs: Sequence[str], states: Sequence[str] = ()) -> None:
        if not TYPE_CHECKING:
            trt = load_tensorrt()
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        engine: trt.ICudaEngine | None = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EngineError("TensorRT does not take this plan: another version or GPU made it")
        self._engine = engine  # the context needs it as long as it lives
        context: trt.IExecutionContext | None = engine.create_execution_context()
        if context is None:
            raise EngineError("TensorRT cannot make an execution context; is the GPU's memory full?")
        self._context = context
        self._stream = Stream()
        tensors = _tensors(engine)
        check_names((*outputs, *states, *(state + NEXT for state in states)), tensors)
        inner = {name for state in states for name in (state, state + NEXT)}
        self._buffers = {
            name: Buffer(shape, dtype, has_host=name not in inner)
            for name, (shape, dtype, _) in tensors.items()
        }
        for name, buffer in self._buffers.items():
            if not context.set_tensor_address(name, buffer.pointer):
                raise EngineError(f"TensorRT refuses the buffer of {name!r}")
        given = [name for name, (_, _, is_input) in tensors.items() if is_input and name not in inner]
        self._uploads = [self._buffers[name] for name in given]
        self._downloads = [self._buffers[name] for name in outputs]
        self._states = [(self._buffers[name], self._buffers[name + NEXT]) for name in states]
        self._inputs = tuple(buffer.host for buffer in self._uploads)
        self._outputs = tuple(buffer.host for buffer in self._downloads)
        self.reset_state()
        self._start()  # the first run allocates, which must not happen while a graph is recorded
        self._stream.synchronise()
        self._graph = self._stream.capture(self._start)
        self.reset_state()
        self.description = f"{trt.__name__.replace('_', '-')} {trt.__version__}"

    @property
    def inputs(self) -> Buffers:
        """The input buffers, to fill in place before `infer()` without arguments."""
        return self._inputs

    def infer(self, *arrays: NDArray[Any]) -> Buffers:
        """Run the network once; see `engines.runtimes.engine.Engine`."""
        fill(self._inputs, arrays)
        self._graph.launch()
        self._stream.synchronise()
        return self._outputs

    def reset_state(self) -> None:
        """Make a network that remembers forget."""
        for state, _ in self._states:
            state.clear(self._stream)
        self._stream.synchronise()

    def _start(self) -> None:
        for buffer in self._uploads:
            buffer.upload(self._stream)
        if not self._context.execute_async_v3(int(self._stream.handle)):
            raise EngineError("TensorRT failed to run the network; see its messages on the console")
        for state, following in self._states:
            state.copy_from(following, self._stream)
        for buffer in self._downloads:
            buffer.download(self._stream)


def _tensors(engine: trt.ICudaEngine) -> dict[str, tuple[tuple[int, ...], np.dtype[Any], bool]]:
    """Shape, type and whether it is an input, of each tensor by name."""
    if not TYPE_CHECKING:
        trt = load_tensorrt()
    found = {}
    for k in range(engine.num_io_tensors):
        name = engine.get_tensor_name(k)
        dimensions = engine.get_tensor_shape(name)
        shape = tuple(int(dimensions[axis]) for axis in range(len(dimensions)))
        if min(shape, default=0) < 0:
            raise not_fixed(name, shape)
        dtype = np.dtype(trt.nptype(engine.get_tensor_dtype(name)))
        found[name] = (shape, dtype, engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT)
    return found
