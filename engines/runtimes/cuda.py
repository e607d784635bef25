"""The little of CUDA's runtime that engines need: memory on both sides, one stream, one graph.

`cuda.bindings` is NVIDIA's own mirror of the C interface: each function gives its error code first.
"""

from __future__ import annotations

import ctypes
import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError

DRIVER_FILE = Path("/proc/driver/nvidia/version")


def runtime() -> Any:
    """The module `cuda.bindings.runtime`.

    Raises:
        EngineError: it is missing, or there is no CUDA.
    """
    try:
        from cuda.bindings import runtime as module
    except (ImportError, RuntimeError, OSError) as error:
        raise EngineError(f"CUDA cannot be used ({error})") from error
    return module


def checked(result: tuple[Any, ...]) -> Any:
    """The value of a call's result.

    Raises:
        EngineError: the call failed.
    """
    error, *values = result
    if int(error) != 0:
        raise EngineError(f"CUDA failed: {getattr(error, 'name', error)}; see kinecast doctor")
    return values[0] if values else None


def device_name() -> str:
    """The first GPU, its architecture and its driver: an engine built for one runs on no other.

    Raises:
        EngineError: there is none.
    """
    cuda = runtime()
    if checked(cuda.cudaGetDeviceCount()) < 1:
        raise EngineError("no NVIDIA GPU found")
    properties = checked(cuda.cudaGetDeviceProperties(0))
    name = properties.name
    text = name.decode() if isinstance(name, bytes) else str(name)
    return f"{text.rstrip(chr(0))}, compute {properties.major}.{properties.minor}, driver {driver_version()}"


def driver_version() -> str:
    """The driver's own version where the system tells it, else that of the CUDA it supports."""
    try:
        found = re.search(r"\d{3}\.\d+(\.\d+)?", DRIVER_FILE.read_text())
    except OSError:
        found = None
    if found:
        return found[0]
    version = checked(runtime().cudaDriverGetVersion())
    return f"for CUDA {version // 1000}.{version % 1000 // 10}"


class Stream:
    """A stream of its own: nothing else's work delays it."""

    def __init__(self) -> None:
        self._cuda = runtime()
        self.handle = checked(self._cuda.cudaStreamCreateWithFlags(self._cuda.cudaStreamNonBlocking))
        weakref.finalize(self, self._cuda.cudaStreamDestroy, self.handle)

    def synchronise(self) -> None:
        """Wait for all that was started."""
        checked(self._cuda.cudaStreamSynchronize(self.handle))

    def capture(self, work: Callable[[], None]) -> Graph:
        """Record what a function starts on this stream, to start all of it at once later.

        Raises:
            EngineError: something in it cannot be recorded.
        """
        cuda = self._cuda
        checked(
            cuda.cudaStreamBeginCapture(
                self.handle, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
            )
        )
        try:
            work()
        finally:
            recorded = cuda.cudaStreamEndCapture(self.handle)
        return Graph(checked(recorded), self)


class Graph:
    """Recorded work."""

    def __init__(self, recorded: Any, stream: Stream) -> None:
        self._cuda, self._stream = runtime(), stream
        self._executable = checked(self._cuda.cudaGraphInstantiate(recorded, 0))
        checked(self._cuda.cudaGraphDestroy(recorded))
        weakref.finalize(self, self._cuda.cudaGraphExecDestroy, self._executable)

    def launch(self) -> None:
        """Start it."""
        checked(self._cuda.cudaGraphLaunch(self._executable, self._stream.handle))


class Buffer:
    """One tensor on the GPU, and page-locked memory beside the CPU to copy it from or to.

    Args:
        shape: Shape of the tensor.
        dtype: Type of its elements.
        has_host: Whether the CPU reads or writes it.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, has_host: bool = True) -> None:
        self._cuda = runtime()
        self.n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        self.pointer = int(checked(self._cuda.cudaMalloc(self.n_bytes)))
        weakref.finalize(self, self._cuda.cudaFree, self.pointer)
        self.host: NDArray[Any] = np.empty(0, dtype)
        if has_host:
            address = int(checked(self._cuda.cudaHostAlloc(self.n_bytes, self._cuda.cudaHostAllocDefault)))
            weakref.finalize(self, self._cuda.cudaFreeHost, address)
            memory = (ctypes.c_byte * self.n_bytes).from_address(address)
            self.host = np.frombuffer(memoryview(memory), dtype).reshape(shape)
            self.host[...] = 0
        self._address = self.host.ctypes.data

    def upload(self, stream: Stream) -> None:
        """Start the copy to the GPU."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        checked(self._cuda.cudaMemcpyAsync(self.pointer, self._address, self.n_bytes, kind, stream.handle))

    def download(self, stream: Stream) -> None:
        """Start the copy from the GPU."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        checked(self._cuda.cudaMemcpyAsync(self._address, self.pointer, self.n_bytes, kind, stream.handle))

    def copy_from(self, other: Buffer, stream: Stream) -> None:
        """Start a copy inside the GPU."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        checked(self._cuda.cudaMemcpyAsync(self.pointer, other.pointer, self.n_bytes, kind, stream.handle))

    def clear(self, stream: Stream) -> None:
        """Start setting it to zero on the GPU."""
        checked(self._cuda.cudaMemsetAsync(self.pointer, 0, self.n_bytes, stream.handle))
