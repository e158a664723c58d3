"""Networks in ONNX files: shapes by ONNX's own inference, over a copy of the graph that leaves the weights on the disk.

Source: https://onnx.ai/onnx/operators/onnx__Conv.html; https://protobuf.dev/programming-guides/encoding/.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grouped_bench.measure.models.reading.found import Called, answer_of, extents_for, no_shape, one_line
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.space.case import same_pads
from grouped_bench.space.facts import Json

# What a tensor may hold and is still read: shapes are computed from such.
SMALL_TENSOR = 4096
# A graph without its weights.
LARGEST_GRAPH = 128 * 2**20
# Numbers of fields in onnx.proto.
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_INITIALIZER, _NODE_ATTRIBUTE, _ATTRIBUTE_TENSOR = 7, 1, 5, 5, 5
_TENSOR_FACTS = {1, 2, 8}  # extents, type and name
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_OF_FLOATS = {"Conv", "ConvTranspose"}
_OPERATORS = {*_OF_FLOATS, "ConvInteger", "QLinearConv"}
_DTYPES = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
_EXAMPLE = "3,224,224"


def read_onnx(path: str, shape: tuple[int, ...] | None) -> Json:
    """The convolutions of an ONNX file.

    Args:
        path: of the file.
        shape: extents of an example without the batch; None for those of the file.

    Raises:
        RefusedError: no such file, an extent is open, or ONNX infers no shapes.
    """
    try:
        import onnx
        from onnx import inliner
    except ImportError:
        raise RefusedError(
            "An ONNX file takes the library onnx to be read", "no such package", "Install onnx"
        ) from None
    name = Path(path).name
    model = _loaded(path, onnx)
    batch = _set_shape(model, shape, name)
    try:
        if model.functions:
            model = inliner.inline_local_functions(model)
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as problem:  # one that ONNX raises of a graph
        raise RefusedError(
            "ONNX must infer the shapes of the network",
            f"{name} ({one_line(problem)})",
            "Use an opset that this onnx knows, or a newer onnx",
        ) from None
    return _answer(model.graph, batch)


def _loaded(path: str, onnx: Any) -> Any:
    """The network without its large tensors."""
    problem: object = "no graph"
    try:
        model = onnx.ModelProto.FromString(without_weights(path))
    except Exception as error:  # protobuf's own kinds
        problem, model = one_line(error), None
    if model is None or not model.graph.node:
        raise RefusedError(
            "A .onnx file must hold a network", f"{Path(path).name} ({problem})",
            "Write it by torch.onnx.export, or by tf2onnx",
        )  # fmt: skip
    return model


def without_weights(path: str) -> bytes:
    """A model's bytes, of which tensors above `SMALL_TENSOR` bytes keep their extents alone. Raises ValueError."""
    with Path(path).open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return b"".join(_within(_model(memoryview(data))))


def _model(data: memoryview) -> Iterator[bytes]:
    for field, whole, content in _fields(data):
        yield _packed(field, b"".join(_within(_graph(content)))) if field == _MODEL_GRAPH else bytes(whole)


def _within(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The parts, as long as they stay below `LARGEST_GRAPH` together."""
    size = 0
    for part in parts:
        size += len(part)
        if size > LARGEST_GRAPH:
            raise ValueError(f"a graph of more than {LARGEST_GRAPH // 2**20} MiB without its weights")
        yield part


def _graph(data: memoryview) -> Iterator[bytes]:
    for field, whole, content in _fields(data):
        is_large = field in (_GRAPH_INITIALIZER, _GRAPH_NODE) and len(content) > SMALL_TENSOR
        if is_large and field == _GRAPH_INITIALIZER:
            yield _packed(field, _tensor(content))
        else:
            yield _packed(field, b"".join(_node(content))) if is_large else bytes(whole)


def _tensor(data: memoryview) -> bytes:
    """A tensor's extents, type and name."""
    return b"".join(bytes(whole) for field, whole, _ in _fields(data) if field in _TENSOR_FACTS)


def _node(data: memoryview) -> Iterator[bytes]:
    """A node; of a large constant the extents."""
    for field, whole, content in _fields(data):
        is_large = field == _NODE_ATTRIBUTE and len(content) > SMALL_TENSOR
        yield _packed(field, b"".join(_attribute(content))) if is_large else bytes(whole)


def _attribute(data: memoryview) -> Iterator[bytes]:
    for field, whole, content in _fields(data):
        is_large = field == _ATTRIBUTE_TENSOR and len(content) > SMALL_TENSOR
        yield _packed(field, _tensor(content)) if is_large else bytes(whole)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Of each field its number, all its bytes, and its content."""
    at = 0
    while at < len(data):
        key, begin = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            _, end = _varint(data, begin)
        elif kind == _LENGTH:
            size, begin = _varint(data, begin)
            end = begin + size
        elif kind in (_FIXED64, _FIXED32):
            end = begin + (8 if kind == _FIXED64 else 4)
        else:
            raise ValueError("not a protocol buffer")
        if end > len(data):
            raise ValueError("cut short")
        yield key >> 3, data[at:end], data[begin:end]
        at = end


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number and where the next begins."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("cut short")
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise ValueError("not a protocol buffer")


def _packed(field: int, content: bytes) -> bytes:
    return _written(field << 3 | _LENGTH) + _written(len(content)) + content


def _written(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _set_shape(model: Any, shape: tuple[int, ...] | None, name: str) -> int:
    """Give the network's input its extents, and return how many examples one call takes."""
    held = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in held]
    if shape is not None and len(inputs) > 1:
        raise no_shape(f"a model with {len(inputs)} inputs", _EXAMPLE)
    batch = 1
    for one in inputs:
        extents = one.type.tensor_type.shape.dim
        own = [dim.dim_value or None for dim in extents]
        if not own:
            continue
        batch = own[0] or 1
        wanted = extents_for(own[1:], shape, f"{name}, whose {one.name}", _EXAMPLE)
        for dim, extent in zip(extents, [batch, *wanted], strict=True):
            dim.dim_value = extent
    if shape is not None:
        # What was inferred of an open extent stands in the way of what follows from the known one.
        del model.graph.value_info[:]
    return batch


def _answer(graph: Any, batch: int) -> Json:
    known = {one.name: one.type.tensor_type for one in [*graph.input, *graph.value_info, *graph.output]}
    shapes = {key: _extents(one.shape) for key, one in known.items() if one.HasField("shape")}
    dtypes = {key: one.elem_type for key, one in known.items()}
    for tensor in graph.initializer:
        shapes[tensor.name], dtypes[tensor.name] = tuple(tensor.dims), tensor.data_type
    calls, left_out = [], []
    for node, depth in _nodes(graph):
        if node.op_type not in _OPERATORS or node.domain not in ("", "ai.onnx"):
            continue
        label = node.name or next(iter(node.output), node.op_type)
        shape, kernel = shapes.get(node.input[0]), shapes.get(node.input[1])
        why = _problem(node, depth, shape, kernel)
        if why:
            left_out.append({"name": label, "kind": node.op_type, "reason": why})
        else:
            calls.append(_called(node, label, shape, kernel, _DTYPES.get(dtypes[node.input[0]], "other"), batch))
    return answer_of(calls, left_out)


def _problem(node: Any, depth: int, *shapes: tuple[int | None, ...] | None) -> str | None:
    if depth:
        return "in a branch or a loop, which may be taken any number of times"
    if node.op_type not in _OF_FLOATS:
        return "a convolution of integers"
    known = all(shape and None not in shape for shape in shapes)
    return None if known else "ONNX infers no extents of its input or kernel"


def _nodes(graph: Any, depth: int = 0) -> Iterator[tuple[Any, int]]:
    """Every node, those of branches and loops too, and how deep it lies."""
    for node in graph.node:
        yield node, depth
        for attribute in node.attribute:
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                yield from _nodes(inner, depth + 1)


def _extents(shape: Any) -> tuple[int | None, ...]:
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in shape.dim)


def _called(node: Any, name: str, shape: Any, kernel: Any, dtype: str, batch: int) -> Called:
    from onnx import helper

    told = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    axes = len(shape) - 2
    stride, dilation = tuple(told.get("strides") or [1] * axes), tuple(told.get("dilations") or [1] * axes)
    return Called(
        name=name,
        kind=node.op_type,
        input_shape=shape,
        kernel_shape=kernel,
        stride=stride,
        dilation=dilation,
        pads=_pads(told, shape[2:], kernel[2:], stride, dilation),
        groups=told.get("group", 1),
        bias=len(node.input) > 2,
        dtype=dtype,
        transposed=node.op_type == "ConvTranspose",
        batch=batch,
    )


def _pads(
    told: Json, size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Zeros on each side, by the rule that the node names."""
    rule = told.get("auto_pad", b"NOTSET").decode()
    if rule == "NOTSET":
        pads = told.get("pads") or [0] * 2 * len(size)
        return tuple(zip(pads[: len(size)], pads[len(size) :], strict=True))
    if rule == "VALID":
        return ((0, 0),) * len(size)
    pads = same_pads(size, kernel, stride, dilation)
    return pads if rule == "SAME_UPPER" else tuple((after, before) for before, after in pads)
