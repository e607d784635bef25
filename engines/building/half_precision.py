"""ONNX networks in half precision where it does no harm: between the first and the last convolution.

Strongly typed TensorRT networks compute in the types that the ONNX file says, so that precision is chosen
here. What comes before the convolutions (normalisation of the image) and after them (soft maxima, sums,
angles, rotations) stays in single precision: 11 bits of an angle in radians are worth 0.03 degrees alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engines.errors import EngineError

CONVOLUTIONS = ("Conv", "ConvTranspose")
FLOAT_ONLY_INPUTS = {"Resize": (1, 2)}
"""Inputs that an operation takes in single precision, whatever its data."""


def read_onnx(content: bytes) -> Any:
    """An `onnx.ModelProto` from a file's content.

    Raises:
        EngineError: onnx is missing, or this is not a network.
    """
    try:
        import onnx
    except ImportError as error:
        raise EngineError(
            f"building this engine needs onnx ({error}); install it: pip install 'kinecast[engines]'",
            name="onnx",
        ) from error
    try:
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # onnx's and protobuf's exceptions have no common base
        raise EngineError(
            f"not an ONNX network, {len(content)} bytes that begin with {content[:8]!r} "
            f"({str(error).splitlines()[0]}); accepted: files of kinecast train export; export it again",
            name="model", value=content[:8],
        ) from error  # fmt: skip
    return model


def between_convolutions(model: Any) -> list[Any]:
    """Nodes from the first to the last convolution: those with one before and one behind them, or being one.

    Constants belong to no side.
    """
    nodes = list(model.graph.node)
    after: set[str] = set()
    for node in nodes:  # in topological order, as ONNX demands
        if node.op_type in CONVOLUTIONS or any(name in after for name in node.input):
            after.update(node.output)
    before: set[str] = set()
    for node in reversed(nodes):
        if node.op_type in CONVOLUTIONS or any(name in before for name in node.output):
            before.update(node.input)
    return [
        node
        for node in nodes
        if node.op_type in CONVOLUTIONS
        or (any(n in after for n in node.output) and any(n in before for n in node.output))
    ]


def to_half_precision(content: bytes) -> bytes:
    """A network with its convolutions in half precision; inputs and outputs keep their types.

    Args:
        content: Content of an ONNX file.

    Raises:
        EngineError: this is no network, or it has no convolutions: small ones without gain nothing.
    """
    import onnx

    model = read_onnx(content)
    body = between_convolutions(model)
    if not body:
        kinds = sorted({node.op_type for node in model.graph.node})
        raise EngineError(
            f"half precision gains nothing: the network has no convolutions, only {', '.join(kinds)}; "
            f"accepted: {' or '.join(CONVOLUTIONS)}; build it with: kinecast engines build --precision fp32",
            name="precision", value="fp16", accepted=("fp32",),
        )  # fmt: skip
    types = _element_types(onnx.shape_inference.infer_shapes(model))
    _Halver(model, body, types).run()
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _element_types(model: Any) -> dict[str, int]:
    graph = model.graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.value_info, *graph.output)}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            value = next((a.t for a in node.attribute if a.name == "value"), None)
            types[node.output[0]] = 0 if value is None else value.data_type
    return types


class _Halver:
    """Rewrites one graph in place.

    Args:
        model: `onnx.ModelProto`.
        body: Nodes to compute in half precision.
        types: Element type of each tensor.
    """

    def __init__(self, model: Any, body: list[Any], types: dict[str, int]) -> None:
        self._graph, self._body, self._types = model.graph, body, types
        self._made = {name for node in body for name in node.output}
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._halves: dict[str, str] = {}
        self._casts_in: list[Any] = []

    def run(self) -> None:
        from onnx import TensorProto

        outside = [node for node in self._graph.node if not any(node is inner for inner in self._body)]
        for node in self._body:
            kept = FLOAT_ONLY_INPUTS.get(node.op_type, ())
            for k, name in enumerate(node.input):
                if k not in kept and self._types.get(name) == TensorProto.FLOAT:
                    node.input[k] = self._half(name)
            self._retype(node)
        wanted = {name for node in outside for name in node.input} | {o.name for o in self._graph.output}
        casts_out = {
            name: self._restore(name) for name in sorted(self._made & wanted) if self._is_float(name)
        }
        for node in self._body:
            for k, name in enumerate(node.output):
                if self._is_float(name):
                    node.output[k] = f"{name}_half"
        self._order(casts_out)
        kept_info = [v for v in self._graph.value_info if v.name not in self._made]
        del self._graph.value_info[:]
        self._graph.value_info.extend(kept_info)

    def _is_float(self, name: str) -> bool:
        from onnx import TensorProto

        return self._types.get(name) == TensorProto.FLOAT

    def _half(self, name: str) -> str:
        """The half-precision twin of a tensor that a node of the body reads."""
        from onnx import TensorProto, helper, numpy_helper

        if name in self._halves:
            return self._halves[name]
        twin = self._halves[name] = f"{name}_half"
        if name in self._made:
            pass  # its maker will write the twin
        elif name in self._weights:
            values = numpy_helper.to_array(self._weights[name])
            limit, largest = float(np.finfo(np.float16).max), float(np.abs(values).max(initial=0.0))
            if largest > limit:
                raise EngineError(
                    f"weights {name!r} are as large as {largest:g}; accepted in half precision: up to "
                    f"{limit:g}; build the network with: kinecast engines build --precision fp32",
                    name=name, value=largest, accepted=(-limit, limit),
                )  # fmt: skip
            self._graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), twin))
        else:
            self._casts_in.append(
                helper.make_node("Cast", [name], [twin], f"{twin}_in", to=TensorProto.FLOAT16)
            )
        return twin

    def _restore(self, name: str) -> Any:
        """A node that gives the outside a tensor of the body in single precision, under its own name."""
        from onnx import TensorProto, helper

        return helper.make_node("Cast", [f"{name}_half"], [name], f"{name}_out", to=TensorProto.FLOAT)

    def _retype(self, node: Any) -> None:
        """Conversions inside the body go to half precision, too."""
        from onnx import TensorProto

        if node.op_type == "Cast":
            for attribute in node.attribute:
                if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                    attribute.i = TensorProto.FLOAT16

    def _order(self, casts_out: dict[str, Any]) -> None:
        """Put the conversions where ONNX wants them: behind what makes their input, before what reads it."""
        casts_in = {cast.input[0]: cast for cast in self._casts_in}
        nodes = [casts_in.pop(v.name) for v in self._graph.input if v.name in casts_in]
        nodes += [casts_in.pop(name) for name in list(casts_in) if name in self._weights]
        for node in self._graph.node:
            nodes.append(node)
            for name in node.output:
                if name in casts_in:
                    nodes.append(casts_in.pop(name))
                original = name.removesuffix("_half")
                if name.endswith("_half") and original in casts_out:
                    nodes.append(casts_out.pop(original))
        # The list is rebuilt from copies: assigning protobuf messages to their own container loses them.
        copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
        used = {name for node in copies for name in node.input}
        del self._graph.node[:]
        self._graph.node.extend(copies)
        weights = [
            type(t).FromString(t.SerializeToString()) for t in self._graph.initializer if t.name in used
        ]
        del self._graph.initializer[:]
        self._graph.initializer.extend(weights)


def bytes_to_float_first(content: bytes) -> bytes:
    """A network that turns its images' bytes to numbers before it does anything else with them.

    TensorRT takes bytes in, and has no other operation on them.

    Args:
        content: Content of an ONNX file.
    """
    from onnx import TensorProto, helper

    model = read_onnx(content)
    graph = model.graph
    casts = []
    for value in graph.input:
        if value.type.tensor_type.elem_type == TensorProto.UINT8:
            name = f"{value.name}_float"
            for node in graph.node:
                for k, read in enumerate(node.input):
                    if read == value.name:
                        node.input[k] = name
            casts.append(helper.make_node("Cast", [value.name], [name], name, to=TensorProto.FLOAT))
    nodes = [*casts, *(type(node).FromString(node.SerializeToString()) for node in graph.node)]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]  # types between the old and the new conversion have changed
    return bytes(model.SerializeToString())
