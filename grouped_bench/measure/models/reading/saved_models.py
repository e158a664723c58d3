"""Networks in SavedModels of TensorFlow: shapes by TensorFlow's own inference over the graph of a signature.

Nothing of the graph runs, and the folder of its variables is not opened.
Source: https://www.tensorflow.org/guide/saved_model; tensorflow/core/protobuf/saved_model.proto.
"""

import math
from pathlib import Path
from typing import Any

from grouped_bench.measure.models.reading.found import (
    CHANNELS_LAST_EXAMPLE,
    NO_CONVOLUTION,
    Called,
    answer_of,
    extents_for,
    no_shape,
    one_line,
)
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.space.case import same_pads
from grouped_bench.space.choices import DEPTHWISE
from grouped_bench.space.facts import Json

FILE = "saved_model.pb"
LARGEST_GRAPH = 256 * 2**20
_DEPTHWISE = "DepthwiseConv2dNative"
_TRANSPOSED = ("Conv2DBackpropInput", "Conv3DBackpropInputV2")
_PRODUCTS = ("MatMul", "BatchMatMulV2", "Einsum")
_OPERATIONS = ("Conv2D", "Conv3D", _DEPTHWISE, *_TRANSPOSED)
# Which signature counts, where there are several.
_SIGNATURES = ("serving_default", "serve")
_UNCHANGED, _ADDED = ("Identity", "Squeeze", "BatchToSpaceND"), ("BiasAdd", "AddV2", "Add")
# What keeps a function where it is: XLA is to compile it, or whoever wrote it said so.
_NOT_INLINED = ("_XlaMustCompile", "_noinline")


def read_saved_model(path: str, shape: tuple[int, ...] | None) -> Json:
    """The convolutions of a SavedModel.

    Args:
        path: of its folder.
        shape: extents of an example without the batch; None for those of the signature.

    Raises:
        RefusedError: no such graph, no signature, or TensorFlow infers no shapes.
    """
    name = Path(path).name
    whole = _loaded(Path(path) / FILE, name)
    signature = _signature(whole, name)
    try:
        graph = _inlined(whole, signature)
    except Exception as problem:  # TensorFlow's own kinds
        raise _uninferred(name, problem) from None
    _set_shape(graph, signature, shape, name)
    return _answer(graph, signature, name, shape)


def _loaded(file: Path, name: str) -> Any:
    """The graph with its functions and signatures."""
    from tensorflow.core.protobuf import saved_model_pb2

    graphs: Any = []
    problem: object = "no graph"
    if file.stat().st_size > LARGEST_GRAPH:
        problem = f"a graph of more than {LARGEST_GRAPH // 2**20} MiB"
    else:
        try:
            graphs = saved_model_pb2.SavedModel.FromString(file.read_bytes()).meta_graphs
        except Exception as error:  # protobuf's own kinds
            problem = one_line(error)
    if not graphs:
        raise RefusedError(
            "A SavedModel must hold a network",
            f"{name} ({problem})",
            "Write it by model.export() or tf.saved_model.save",
        )
    return graphs[0]


def _signature(whole: Any, name: str) -> Any:
    known = {key: one for key, one in whole.signature_def.items() if one.inputs and one.outputs}
    usual = next((known[key] for key in _SIGNATURES if key in known), None)
    if usual is None and len(known) != 1:
        raise RefusedError(
            f"A SavedModel must have one signature, or one called {_SIGNATURES[0]}",
            f"{name} has {', '.join(sorted(known)) or 'none'}",
            "Write it by model.export(), or with one of signatures=",
        )
    return usual or next(iter(known.values()))


def _inlined(whole: Any, signature: Any) -> Any:
    """The graph without its functions: each stands where it is called, as TensorFlow itself puts it there."""
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.grappler import tf_optimizer  # no public name inlines a graph that nobody has loaded

    functions = whole.graph_def.library.function
    for one in (*functions, *whole.graph_def.node, *(node for function in functions for node in function.node_def)):
        for name in _NOT_INLINED:
            one.attr.pop(name, None)
    whole.collection_def["train_op"].node_list.value[:] = [one.name for one in signature.outputs.values()]
    options = config_pb2.ConfigProto()
    options.graph_options.rewrite_options.min_graph_nodes = -1
    options.graph_options.rewrite_options.optimizers.append("function")
    return tf_optimizer.OptimizeGraph(options, whole)


def _set_shape(graph: Any, signature: Any, shape: tuple[int, ...] | None, name: str) -> None:
    """Give the inputs the extents of one example. Raises RefusedError where that leaves one open."""
    if shape is not None and len(signature.inputs) > 1:
        raise RefusedError(
            "An input shape takes a network of one input", f"{name} with {len(signature.inputs)}", "Leave it out"
        )
    nodes = {node.name: node for node in graph.node}
    for key, one in signature.inputs.items():
        own = [dim.size if dim.size >= 0 else None for dim in one.tensor_shape.dim]
        if not own:
            continue
        if shape is not None and None not in own[1:] and list(shape) != own[1:]:
            raise RefusedError(
                "An input shape must be the network's own where it leaves no extent open",
                f"{','.join(map(str, shape))} for {name}, whose {key} takes {tuple(own[1:])}",
                "Leave it out",
            )
        wanted = extents_for(own[1:], shape, f"{name}, whose {key}", CHANNELS_LAST_EXAMPLE)
        node = nodes.get(one.name.partition(":")[0])
        if node is not None:
            del node.attr["shape"].shape.dim[:]
            for extent in (own[0] or 1, *wanted):
                node.attr["shape"].shape.dim.add(size=extent)


def _answer(graph: Any, signature: Any, name: str, shape: tuple[int, ...] | None) -> Json:
    import tensorflow as tf

    made = tf.Graph()
    try:
        with made.as_default():
            tf.graph_util.import_graph_def(graph, name="")
        wanted = _needed([made.get_tensor_by_name(one.name).op for one in signature.outputs.values()])
    except Exception as problem:  # TensorFlow's own kinds
        if shape is not None:
            raise no_shape(f"{','.join(map(str, shape))} ({one_line(problem)})") from None
        raise _uninferred(name, problem) from None
    first = next(iter(signature.inputs.values())).tensor_shape.dim
    batch = first[0].size if first and first[0].size > 0 else 1
    calls: list[Called] = []
    left_out: list[Json] = []
    for operation in (one for one in made.get_operations() if one in wanted):
        if operation.type in _PRODUCTS:
            left_out.append(_product(operation))
        if operation.type not in _OPERATIONS:
            continue
        shapes = [_extents(tensor) for tensor in operation.inputs]
        given, kernel = (shapes[2], shapes[1]) if operation.type in _TRANSPOSED else shapes[:2]
        if given is None or kernel is None:
            why = "TensorFlow infers no extents of its input or kernel"
            left_out.append({"name": operation.name, "kind": operation.type, "reason": why})
        else:
            calls.append(_called(operation, given, kernel, batch))
    answer = answer_of(calls, left_out)
    kinds = [call.kind for call in calls if call.problem() is None]
    for one, kind in zip(answer["convolutions"], kinds, strict=True):
        if kind == _DEPTHWISE and one["groups"] != 1:
            one["in_use"] = DEPTHWISE
    return answer


def _needed(ends: list[Any]) -> set[Any]:
    """The operations on which some rest, themselves included."""
    found: set[Any] = set()
    open_ = list(ends)
    while open_:
        operation = open_.pop()
        if operation not in found:
            found.add(operation)
            open_ += [tensor.op for tensor in operation.inputs]
    return found


def _extents(tensor: Any) -> tuple[int, ...] | None:
    shape = tensor.shape
    return tuple(map(int, shape)) if shape.is_fully_defined() else None


def _called(operation: Any, given: tuple[int, ...], kernel: tuple[int, ...], batch: int) -> Called:
    """The call with channels first; of a convolution along one axis, which TensorFlow computes along two, that one."""
    axes = len(given) - 2
    is_last = operation.get_attr("data_format").decode().endswith("C")
    spatial = slice(1, -1) if is_last else slice(2, None)
    channels, size = given[-1 if is_last else 1], given[spatial]
    taps, (inner, outer) = kernel[:axes], kernel[axes:]
    stride, dilation = (tuple(operation.get_attr(name))[spatial] for name in ("strides", "dilations"))
    pads = _pads(operation, size, taps, stride, dilation, spatial)
    of_one_axis = axes == 2 and (size[0], taps[0]) == (1, 1) and _is_of_one_axis(operation.inputs[0].op)
    if of_one_axis:
        size, taps, stride, dilation, pads = size[1:], taps[1:], stride[1:], dilation[1:], pads[1:]
    if folded := _folded(operation, taps):
        given, dilation, pads = folded
        size = given[1:-1]
    is_depthwise, is_transposed = operation.type == _DEPTHWISE, operation.type in _TRANSPOSED
    filters = inner * outer if is_depthwise else outer
    groups = channels if is_depthwise else 1 if is_transposed else channels // inner
    return Called(
        name=_label(operation),
        kind=operation.type,
        input_shape=(given[0], channels, *size),
        kernel_shape=(outer, inner, *taps) if is_transposed else (filters, channels // groups, *taps),
        stride=stride,
        dilation=dilation,
        pads=pads,
        groups=groups,
        bias=_has_bias(operation.outputs[0]),
        dtype=operation.outputs[0].dtype.name,
        transposed=is_transposed,
        batch=batch,
    )


def _is_of_one_axis(operation: Any) -> bool:
    """Whether an axis was put before what the operation gives, also by way of another convolution."""
    while operation.type in (*_OPERATIONS, "Identity"):
        operation = operation.inputs[0].op
    return bool(operation.type == "ExpandDims")


def _pads(
    operation: Any,
    size: tuple[int, ...],
    taps: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    spatial: slice,
) -> tuple[tuple[int, int], ...]:
    rule = operation.get_attr("padding").decode()
    if rule == "EXPLICIT":
        given = operation.get_attr("explicit_paddings")
        return tuple(zip(given[::2], given[1::2], strict=True))[spatial]
    return same_pads(size, taps, stride, dilation) if rule == "SAME" else ((0, 0),) * len(size)


def _folded(operation: Any, taps: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...], Any] | None:
    """Of a dilated convolution, which TensorFlow folds into the batch, its true input, dilation and padding."""
    import tensorflow as tf

    before = operation.inputs[0].op
    while before.type in ("ExpandDims", "Identity"):
        before = before.inputs[0].op
    after = operation.outputs[0]
    while (reads := after.consumers()) and reads[0].type in ("Identity", "Squeeze"):
        after = reads[0].outputs[0]
    if before.type != "SpaceToBatchND" or not reads or reads[0].type != "BatchToSpaceND":
        return None
    block, zeros = (tf.get_static_value(one) for one in before.inputs[1:])
    given, made = _extents(before.inputs[0]), _extents(reads[0].outputs[0])
    if block is None or zeros is None or given is None or made is None or len(block) != len(taps):
        return None
    dilation = tuple(map(int, block))
    axes = zip(given[1:], made[1:], taps, dilation, zeros, strict=False)
    pads = tuple((int(first), o - 1 + d * (k - 1) + 1 - n - int(first)) for n, o, k, d, (first, _) in axes)
    return given, dilation, pads


def _has_bias(tensor: Any) -> bool:
    """Whether what reads it adds a number to each channel."""
    for operation in tensor.consumers():
        if operation.type in _UNCHANGED:
            return _has_bias(operation.outputs[0])
        if operation.type in _ADDED:
            shape = _extents(operation.inputs[1])
            return shape is not None and max(shape, default=1) == math.prod(shape)
    return False


def _label(operation: Any) -> str:
    """The layer's name: what stands before the operation's own, without the functions around it."""
    parts = [part for part in operation.name.split("/") if "PartitionedCall" not in part]
    return "/".join(parts[-2:-1] or parts[-1:] or [operation.name])


def _product(operation: Any) -> Json:
    """A product of matrices, by its name and, where one rule gives it, its work."""
    result, first = _extents(operation.outputs[0]), _extents(operation.inputs[0])
    macs = None
    if operation.type != "Einsum" and result is not None and first is not None:
        is_turned = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
        macs = math.prod(result) * first[-2 if is_turned else -1]
    return {"name": _label(operation), "kind": operation.type, "reason": NO_CONVOLUTION, "macs": macs}


def _uninferred(name: str, problem: Exception) -> RefusedError:
    return RefusedError(
        "TensorFlow must infer the shapes of the network",
        f"{name} ({one_line(problem)})",
        "Use the version of TensorFlow that wrote it, or save it as .keras",
    )
