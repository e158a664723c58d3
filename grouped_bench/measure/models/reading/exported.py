"""Networks that torch.export wrote (.pt2): their graph is JSON, which is read without PyTorch and without weights.

Source: https://docs.pytorch.org/docs/stable/export.html; the record is the schema of torch/_export/serde/schema.py.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

from grouped_bench.measure.models.reading.found import Called, answer_of, one_line
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.space.facts import Json

LARGEST_GRAPH = 256 * 2**20
_GRAPHS = ("models/model.json", "serialized_exported_program.json")
_DTYPES = {6: "float16", 7: "float32", 8: "float64", 13: "bfloat16"}
_CONVOLUTIONS = (
    "conv1d",
    "conv2d",
    "conv3d",
    "convolution",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
)
# Arguments of these operators that a graph may leave out.
_USUAL = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "transposed": False, "bias": None}


def read_exported(path: str, shape: tuple[int, ...] | None) -> Json:
    """The convolutions of a file that torch.export.save wrote.

    Args:
        path: of the file.
        shape: None, since the file has its own.

    Raises:
        RefusedError: no such file, it leaves an extent open, or a shape is given.
    """
    if shape is not None:
        raise RefusedError(
            "An input shape must be left out with a .pt2 file, which has its own",
            f"--input-shape {','.join(map(str, shape))}",
            "Leave it out, or export the network anew",
        )
    graph = _graph(path)["graph_module"]["graph"]
    tensors = graph["tensor_values"]
    calls = [
        _called(node, tensors, path)
        for node in graph["nodes"]
        if node["target"].removeprefix("torch.ops.aten.").split(".")[0] in _CONVOLUTIONS
    ]
    return {**answer_of(calls), "backend": "torch"}


def _graph(path: str) -> Json:
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(one for one in archive.namelist() if one.endswith(_GRAPHS))
            with archive.open(name) as file:
                text = file.read(LARGEST_GRAPH + 1)
        told: Json = json.loads(text) if len(text) <= LARGEST_GRAPH else {}
        told["graph_module"]["graph"]["tensor_values"], told["graph_module"]["graph"]["nodes"]
    except Exception as problem:  # archives and JSON that are damaged raise many kinds
        raise RefusedError(
            "A .pt2 file must be one that torch.export.save wrote",
            f"{Path(path).name} ({one_line(problem)})",
            "Write it with PyTorch 2.6 or later",
        ) from None
    return told


def _called(node: Json, tensors: Json, path: str) -> Called:
    given = {one["name"]: next(iter(one["arg"].values())) for one in node["inputs"]}
    asked = {**_USUAL, **given}
    x, kernel = tensors[asked["input"]["name"]], tensors[asked["weight"]["name"]]
    shape, kernel_shape = _extents(x, path), _extents(kernel, path)
    axes = len(shape) - 2
    stride, dilation = _each(asked["stride"], axes), _each(asked["dilation"], axes)
    stack = str(node.get("metadata", {}).get("nn_module_stack", "")).rpartition(";")[2].split(",")
    name, kind = (stack[-2], stack[-1].rpartition(".")[2]) if len(stack) >= 2 and stack[-2] else (node["name"], "conv")
    return Called(
        name=name,
        kind=kind,
        input_shape=shape,
        kernel_shape=kernel_shape,
        stride=stride,
        dilation=dilation,
        pads=_pads(asked["padding"], kernel_shape[2:], dilation),
        groups=asked["groups"],
        bias=isinstance(asked["bias"], dict),
        dtype=_DTYPES.get(x["dtype"], f"number {x['dtype']}"),
        transposed=bool(asked["transposed"]) or "transpose" in node["target"],
        batch=shape[0],
    )


def _extents(tensor: Json, path: str) -> tuple[int, ...]:
    if not all("as_int" in one for one in tensor["sizes"]):
        raise RefusedError(
            "A .pt2 file must have known extents", f"{Path(path).name}, which leaves some open",
            "Leave dynamic_shapes out of torch.export.export",
        )  # fmt: skip
    return tuple(one["as_int"] for one in tensor["sizes"])


def _each(value: Any, axes: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, list) else (value,)
    return values * axes if len(values) == 1 else values


def _pads(padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Zeros on each side: PyTorch's `same` gives the odd one to the end, as TensorFlow's does."""
    if isinstance(padding, str):
        reach = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
        return tuple((one // 2, one - one // 2) for one in reach)
    return tuple((one, one) for one in _each(padding, len(kernel)))
