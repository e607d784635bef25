"""TensorRT and CUDA's runtime as far as engines use them, on the CPU, with every call recorded.

Memory of the "GPU" is ordinary memory that only copies may touch; a plan holds the ONNX file, which ONNX
Runtime runs. Work started on a stream waits there until the stream is synchronised, as on a GPU, and a graph
being recorded runs nothing.
"""

from __future__ import annotations

import ctypes
import enum
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime
import pytest

MAGIC = b"PLAN"
DTYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(float16)": np.float16}


class Error(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorStreamCaptureUnsupported = 900


OK = (Error.cudaSuccess,)
Work = Callable[[], object]


@dataclass
class FakeGpu:
    """What both fakes share."""

    version: str = "11.4.0"
    gpu: str = "NVIDIA Fake 9000"
    calls: list[str] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    cleared_flags: list[str] = field(default_factory=list)
    memory: dict[int, ctypes.Array[ctypes.c_char]] = field(default_factory=dict)
    host: set[int] = field(default_factory=set)
    waiting: dict[int, list[Work]] = field(default_factory=dict)
    recording: dict[int, list[Work]] = field(default_factory=dict)
    graphs: dict[int, list[Work]] = field(default_factory=dict)
    accepts_network: bool = True
    timing_cache: bytes = b""

    def start(self, stream: int, work: Work) -> None:
        (self.recording[stream] if stream in self.recording else self.waiting[stream]).append(work)

    def check(self, address: int, n_bytes: int) -> None:
        """Whether an address lies in memory that was given out."""
        assert any(
            start <= address and address + n_bytes <= start + len(block)
            for start, block in self.memory.items()
        ), f"{address:#x} was never allocated, or is free again"


class Cuda:
    """`cuda.bindings.runtime`."""

    cudaStreamNonBlocking = 1
    cudaHostAllocDefault = 0
    cudaMemcpyKind = enum.Enum(
        "cudaMemcpyKind", ("cudaMemcpyHostToDevice", "cudaMemcpyDeviceToHost", "cudaMemcpyDeviceToDevice")
    )
    cudaStreamCaptureMode = enum.Enum("cudaStreamCaptureMode", ("cudaStreamCaptureModeThreadLocal",))

    def __init__(self, gpu: FakeGpu) -> None:
        self._gpu, self._numbers = gpu, iter(range(1, 1_000_000))

    def cudaGetDeviceCount(self) -> tuple[Error, int]:
        return Error.cudaSuccess, 1

    def cudaGetDeviceProperties(self, device: int) -> tuple[Error, Any]:
        name = self._gpu.gpu.encode() + b"\0\0"
        return Error.cudaSuccess, types.SimpleNamespace(name=name, major=9, minor=0)

    def cudaDriverGetVersion(self) -> tuple[Error, int]:
        return Error.cudaSuccess, 13010

    def cudaMalloc(self, n_bytes: int) -> tuple[Error, int]:
        block = ctypes.create_string_buffer(max(1, n_bytes))
        block.raw = b"\xa5" * len(block)  # nothing is zero unless somebody makes it so
        address = ctypes.addressof(block)
        self._gpu.memory[address] = block
        return Error.cudaSuccess, address

    def cudaHostAlloc(self, n_bytes: int, flags: int) -> tuple[Error, int]:
        error, address = self.cudaMalloc(n_bytes)
        self._gpu.host.add(address)
        return error, address

    def cudaFree(self, address: int) -> tuple[Error]:
        del self._gpu.memory[address]
        return OK

    def cudaFreeHost(self, address: int) -> tuple[Error]:
        self._gpu.host.remove(address)
        return self.cudaFree(address)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Error, int]:
        handle = next(self._numbers)
        self._gpu.waiting[handle] = []
        return Error.cudaSuccess, handle

    def cudaStreamDestroy(self, stream: int) -> tuple[Error]:
        return OK

    def cudaStreamSynchronize(self, stream: int) -> tuple[Error]:
        if stream in self._gpu.recording:
            return (Error.cudaErrorStreamCaptureUnsupported,)
        work, self._gpu.waiting[stream] = self._gpu.waiting[stream], []
        for each in work:
            each()
        return OK

    def cudaMemcpyAsync(self, target: int, source: int, n_bytes: int, kind: Any, stream: int) -> tuple[Error]:
        self._gpu.calls.append(kind.name)
        self._gpu.check(target, n_bytes)
        self._gpu.check(source, n_bytes)
        self._gpu.start(stream, lambda: ctypes.memmove(target, source, n_bytes))
        return OK

    def cudaMemsetAsync(self, target: int, value: int, n_bytes: int, stream: int) -> tuple[Error]:
        self._gpu.check(target, n_bytes)
        self._gpu.start(stream, lambda: ctypes.memset(target, value, n_bytes))
        return OK

    def cudaStreamBeginCapture(self, stream: int, mode: Any) -> tuple[Error]:
        assert not self._gpu.waiting[stream], "work was still under way when recording began"
        self._gpu.recording[stream] = []
        return OK

    def cudaStreamEndCapture(self, stream: int) -> tuple[Error, int]:
        handle = next(self._numbers)
        self._gpu.graphs[handle] = self._gpu.recording.pop(stream)
        return Error.cudaSuccess, handle

    def cudaGraphInstantiate(self, graph: int, flags: int) -> tuple[Error, int]:
        handle = next(self._numbers)
        self._gpu.graphs[handle] = self._gpu.graphs[graph]
        return Error.cudaSuccess, handle

    def cudaGraphLaunch(self, graph: int, stream: int) -> tuple[Error]:
        self._gpu.calls.append("launch")
        self._gpu.waiting[stream] += self._gpu.graphs[graph]
        return OK

    def cudaGraphDestroy(self, graph: int) -> tuple[Error]:
        del self._gpu.graphs[graph]
        return OK

    cudaGraphExecDestroy = cudaGraphDestroy


class Context:
    def __init__(self, gpu: FakeGpu, session: onnxruntime.InferenceSession) -> None:
        self._gpu, self._session, self._addresses = gpu, session, {}

    def set_tensor_address(self, name: str, pointer: int) -> bool:
        assert pointer not in self._gpu.host, "the network itself works on the GPU's memory"
        self._addresses[name] = pointer
        return True

    def execute_async_v3(self, stream: int) -> bool:
        self._gpu.calls.append("execute")
        self._gpu.start(stream, self._run)
        return True

    def _array(self, node: Any) -> np.ndarray:
        n_bytes = int(np.prod(node.shape)) * np.dtype(DTYPES[node.type]).itemsize
        address = self._addresses[node.name]
        self._gpu.check(address, n_bytes)
        memory = (ctypes.c_byte * n_bytes).from_address(address)
        return np.frombuffer(memory, DTYPES[node.type]).reshape(node.shape)

    def _run(self) -> None:
        feed = {node.name: self._array(node) for node in self._session.get_inputs()}
        for node, value in zip(self._session.get_outputs(), self._session.run(None, feed), strict=True):
            self._array(node)[...] = value


class Engine:
    def __init__(self, gpu: FakeGpu, network: bytes) -> None:
        self._gpu = gpu
        self._session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self._nodes = {node.name: (node, is_input) for is_input, nodes in ((True, inputs), (False, outputs))
                       for node in nodes}  # fmt: skip
        self.num_io_tensors = len(self._nodes)

    def get_tensor_name(self, k: int) -> str:
        return list(self._nodes)[k]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(n if isinstance(n, int) else -1 for n in self._nodes[name][0].shape)

    def get_tensor_dtype(self, name: str) -> str:
        return str(self._nodes[name][0].type)

    def get_tensor_mode(self, name: str) -> str:
        return "input" if self._nodes[name][1] else "output"

    def create_execution_context(self) -> Context:
        return Context(self._gpu, self._session)


class TimingCache:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> bytes:
        return self.content


class BuilderConfig:
    def __init__(self, gpu: FakeGpu) -> None:
        self._gpu, self._cache = gpu, TimingCache(b"")

    def clear_flag(self, flag: enum.Enum) -> None:
        self._gpu.cleared_flags.append(flag.name)

    def create_timing_cache(self, content: bytes) -> TimingCache:
        return TimingCache(content)

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        if cache.content and not cache.content.startswith(b"timings of " + self._gpu.gpu.encode()):
            return False
        self._cache = TimingCache(cache.content)
        self._gpu.timing_cache = cache.content
        return True

    def get_timing_cache(self) -> TimingCache:
        self._cache.content = self._cache.content or b"timings of " + self._gpu.gpu.encode()
        return self._cache


def tensorrt_module(gpu: FakeGpu, name: str = "tensorrt") -> types.ModuleType:
    module = types.ModuleType(name)

    class Parser:
        num_errors = 1

        def __init__(self, network: Any, logger: Any) -> None:
            self._network = network

        def parse(self, content: bytes) -> bool:
            self._network.content = content
            return gpu.accepts_network

        def get_error(self, k: int) -> Any:
            return types.SimpleNamespace(desc=lambda: "no operation Frobnicate")

    class Builder:
        def __init__(self, logger: Any) -> None:
            pass

        def create_network(self, flags: int) -> Any:
            gpu.flags.append(flags)
            return types.SimpleNamespace(content=b"")

        def create_builder_config(self) -> BuilderConfig:
            return BuilderConfig(gpu)

        def build_serialized_network(self, network: Any, config: BuilderConfig) -> bytes:
            gpu.calls.append("build")
            return MAGIC + gpu.version.encode() + b"\0" + network.content

    class Runtime:
        def __init__(self, logger: Any) -> None:
            pass

        def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
            head, _, network = plan.partition(b"\0")
            return Engine(gpu, network) if head == MAGIC + gpu.version.encode() else None

    logger = type("Logger", (), {"ERROR": 1, "__init__": lambda self, severity: None})
    vars(module).update(
        __version__=gpu.version,
        Logger=logger,
        Builder=Builder,
        Runtime=Runtime,
        OnnxParser=Parser,
        BuilderFlag=enum.Enum("BuilderFlag", ("TF32", "STRICT_NANS")),
        NetworkDefinitionCreationFlag=enum.IntEnum("Flag", {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1}),
        TensorIOMode=types.SimpleNamespace(INPUT="input", OUTPUT="output"),
        nptype=lambda dtype: DTYPES[dtype],
    )
    return module


def install(monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu, edition: str = "tensorrt") -> FakeGpu:
    """Let imports find the fakes."""
    for name in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, name, tensorrt_module(gpu, name) if name == edition else None)
    bindings = types.ModuleType("cuda.bindings")
    bindings.runtime = Cuda(gpu)
    package = types.ModuleType("cuda")
    package.bindings = bindings
    for name, module in (
        ("cuda", package),
        ("cuda.bindings", bindings),
        ("cuda.bindings.runtime", bindings.runtime),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    return gpu
