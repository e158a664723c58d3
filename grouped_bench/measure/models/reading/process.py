"""The child process that reads a network: the convolutions that one pass through it makes.

Run as `python -m grouped_bench.measure.models.reading.process`, with KERAS_BACKEND set. Takes a request as JSON on its
input, `{"kind": one of READERS, "name": NAME or PATH, "input_shape": [...] or null, "memory": BYTES}`. Answers on its
output with `{"convolutions": [...], "left_out": [...], "macs": MACs of the convolutions}`, and `"backend"` where the
network is of another than Keras' own; or with `{"refused": {"rule", "received", "remedy"}}`. Nothing is computed and no
weight is read: a network is traced without values.
"""

import contextlib
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from grouped_bench.measure.attempt import reason_of
from grouped_bench.measure.models.reading import (
    exported,
    keras_networks,
    onnx_networks,
    saved_models,
    torch_networks,
)
from grouped_bench.measure.models.reading.functions import imported
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.space.facts import Json

_LOOK_S = 0.02
# What each reader imports.
_LIBRARIES = {
    "file": ("keras",),
    "applications": ("keras",),
    "timm": ("torch._subclasses.fake_tensor", "timm"),
    "torchvision": ("torch._subclasses.fake_tensor", "torchvision.models"),
    "onnx": ("onnx.shape_inference", "onnx.inliner"),
    "pt2": (),
    "saved_model": ("tensorflow", "tensorflow.python.grappler.tf_optimizer"),
}


def main() -> None:
    """Answer the one request."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what frameworks and functions of a user's print is no answer
    request = json.load(sys.stdin)
    _answer(answer, read(request, lambda told: _answer(answer, told)))


def _answer(file: IO[str], told: Json) -> None:
    json.dump(told, file)
    file.close()
    os._exit(0)  # frameworks' own threads may hang an ordinary exit


def read(request: Json, end: Callable[[Json], None] | None = None) -> Json:
    """The answer to a request.

    Args:
        request: as the module says.
        end: is called with an answer where the network takes more memory than the request allows.
    """
    shape = request["input_shape"] and tuple(request["input_shape"])
    try:
        if end is not None:
            _load(request)
            _limit_memory(request, end)
        return READERS[request["kind"]](request["name"], shape)
    except RefusedError as refused:
        return {"refused": refused.told}
    except MemoryError:
        return _too_large(request)


def _load(request: Json) -> None:
    """Import what the reader needs, so that the memory of it is not the network's."""
    kind = request["kind"]
    if kind == "function":
        sys.path.insert(0, "")
    needed = {**_LIBRARIES, "function": ("keras", request["name"].partition(":")[0])}
    for module in needed[kind]:
        with contextlib.suppress(BaseException):  # the reader says what is wrong with it
            importlib.import_module(module)


def _limit_memory(request: Json, end: Callable[[Json], None]) -> None:
    """Refuse the network as soon as this process holds more than the request allows beyond what it holds now."""
    limit = _resident() + request["memory"]

    def watch() -> None:
        while _resident() <= limit:
            threading.Event().wait(_LOOK_S)
        end(_too_large(request))

    threading.Thread(target=watch, daemon=True).start()


def _too_large(request: Json) -> Json:
    refused = RefusedError(
        f"A network must be read within {request['memory'] // 2**20} MiB beside its framework",
        Path(request["name"]).name,
        "Use a smaller one, or a smaller --input-shape",
    )
    return {"refused": refused.told}


def _resident() -> int:
    """Bytes that this process holds; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def of_function(name: str, shape: tuple[int, ...] | None) -> Json:
    """The convolutions of what a function of the user's own returns: a Keras model, or a module of PyTorch.

    Args:
        name: `MODULE:FUNCTION`, which takes no arguments.
        shape: extents of an example; None for the model's own.

    Raises:
        RefusedError: no such function, it raises, or it returns something else.
    """
    import keras

    make = imported(name, "MODULE must be importable here", "Install it, or go to the folder that holds it")
    with contextlib.ExitStack() as stack:
        stack.enter_context(keras.StatelessScope(initialize_variables=False))
        if "torch" in sys.modules:
            stack.enter_context(torch_networks.unfilled())
        try:
            model: Any = make()
        except BaseException as problem:
            raise RefusedError("FUNCTION must return a network", f"{name} ended with {reason_of(problem)}",
                               "Give it no arguments") from None  # fmt: skip
        if isinstance(model, keras.Model):
            return keras_networks.traced(model, shape)
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        raise RefusedError("FUNCTION must return a Keras model or a module of PyTorch",
                           f"{name} returned a {type(model).__name__}", "Make it return the network")  # fmt: skip
    return torch_networks.read_module(model, shape)


READERS: dict[str, Callable[[str, tuple[int, ...] | None], Json]] = {
    "file": keras_networks.of_file,
    "applications": keras_networks.of_name,
    "timm": torch_networks.of_timm,
    "torchvision": torch_networks.of_torchvision,
    "onnx": onnx_networks.read_onnx,
    "pt2": exported.read_exported,
    "saved_model": saved_models.read_saved_model,
    "function": of_function,
}


if __name__ == "__main__":
    main()
