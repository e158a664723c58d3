"""Is a network read right? MACs and parameters of its convolutions beside those of a counter that is not ours.

MACs are counted by torch.utils.flop_counter, which sees the operations of Keras' networks too, on its backend torch.
Parameters are those that the layers themselves have.

python bench/architectures.py --save  # 20 networks of timm and torchvision, all of keras.applications; some 10 minutes
"""

import importlib
import math
import os
from collections.abc import Callable
from typing import Any

import evidence

import grouped_bench as gb
from grouped_bench.errors import GroupedBenchError
from grouped_bench.harness.plan import make_plan
from grouped_bench.space.space import Space

TORCH = (
    *("timm:resnext50_32x4d", "timm:convnext_tiny", "timm:efficientnet_b0", "timm:mobilenetv3_large_100"),
    *("timm:regnety_008", "timm:resnest50d", "timm:inception_v4", "timm:swin_tiny_patch4_window7_224"),
    *("timm:res2net50_26w_4s", "timm:ghostnet_100", "timm:hrnet_w18", "timm:xception41"),
    *("torchvision:resnet50", "torchvision:shufflenet_v2_x1_0", "torchvision:mnasnet1_0", "torchvision:googlenet"),
    *("torchvision:densenet121", "torchvision:regnet_x_400mf", "torchvision:r3d_18", "torchvision:deeplabv3_resnet50"),
)
_SHAPES = {"torchvision:deeplabv3_resnet50": (3, 224, 224)}
Counted = tuple[int, int]


def main() -> None:
    parser = evidence.make_parser(__doc__)
    given = evidence.parse(parser)
    os.environ["KERAS_BACKEND"] = "torch"  # of this process, which counts; networks are read in others
    found: evidence.Findings = {"networks": [], "unread": []}
    with evidence.as_far_as_it_goes(found):
        for name, count in _asked(smoke=given.smoke):
            evidence.say(name)
            one = _compared(name, count)
            found["networks" if "macs" in one else "unread"].append(one)
    counted = [one for one in found["networks"] if one["uncounted"] is None]
    wrong = sum(one["macs"] != one["counted_macs"] for one in counted)
    odd = sum(one["params"] != one["counted_params"] for one in counted)
    found["targets"] = [
        evidence.target("networks whose MACs differ from another counter's", wrong, 0, "networks"),
        evidence.target("networks whose parameters differ from their layers'", odd, 0, "networks"),
        evidence.target("networks that were not read", len(found["unread"]), 0, "networks"),
    ]
    evidence.conclude("architectures", found, given)


def _asked(*, smoke: bool) -> list[tuple[str, Callable[[], Counted]]]:
    """Names of networks, each with what counts it."""
    import keras

    known = sorted(name for name, one in vars(keras.applications).items() if name[0].isupper() and callable(one))
    of_keras = [(f"keras.applications:{name}", lambda name=name: _of_keras(name)) for name in known]
    if smoke:
        return [one for one in of_keras if one[0].endswith("MobileNet")]
    return [*((name, lambda name=name: _of_torch(name)) for name in TORCH), *of_keras]


def _compared(name: str, count: Callable[[], Counted]) -> evidence.Findings:
    try:
        space = gb.network(name, _SHAPES.get(name))
    except GroupedBenchError as refused:
        return {"name": name, "reason": str(refused)}
    macs, params, calls = _ours(space)
    uncounted = None
    try:
        counted_macs, counted_params = count()
    except ValueError as problem:  # Keras has networks that it does not build on every backend
        (counted_macs, counted_params), uncounted = (None, None), str(problem)
    return {
        **{"name": name, "calls": calls, "distinct": len(space.tables), "left_out": _others(space)},
        **{"macs": macs, "counted_macs": counted_macs, "params": params, "counted_params": counted_params},
        **{"same": (macs, params) == (counted_macs, counted_params), "uncounted": uncounted},
    }


def _others(space: Space) -> list[str]:
    return [one for one in space.left_out if one.startswith("Left out: ")]


def _ours(space: Space) -> tuple[int, int, int]:
    """MACs, parameters and calls of all convolutions that were found, at batch 1."""
    macs = params = calls = 0
    for cohort in make_plan(Space(**{**space.to_dict(), "batch_size": 1, "pass": "inference"})).cohorts:
        counts = cohort.counts("grouped" if cohort.case.groups > 1 else "regular")
        times = cohort.multiplicity or 1
        macs, params, calls = macs + times * counts.macs, params + times * counts.params, calls + times
    return macs, params, calls


def _of_torch(name: str) -> Counted:
    """Of a network on the device `meta`, which has no values."""
    import torch

    library, _, model_name = name.partition(":")
    if library == "timm":
        model: Any = importlib.import_module("timm").create_model(model_name)
        shape = model.pretrained_cfg["input_size"]
    else:
        models = importlib.import_module("torchvision.models")
        backbone = {"weights_backbone": None} if name in _SHAPES else {}
        model = models.get_model(model_name, weights=None, **backbone)
        shape = _SHAPES.get(name) or ((3, 16, 112, 112) if model_name == "r3d_18" else (3, 224, 224))
    model = model.eval().to("meta")
    called: list[Any] = []
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Conv3d):
            layer.register_forward_hook(lambda module, *_: called.append(module))
    macs = _counted(lambda: model(torch.empty(1, *shape, device="meta")))
    return macs, sum(one.numel() for layer in called for one in layer.parameters(recurse=False))


def _of_keras(name: str) -> Counted:
    """Of a network that computes, on Keras' backend torch."""
    import keras
    import torch

    keras.backend.clear_session()
    model = getattr(keras.applications, name)(weights=None)
    layers = [one for one in model._flatten_layers(include_self=False) if "Conv" in type(one).__name__]
    macs = _counted(lambda: model(torch.zeros(1, *(extent or 224 for extent in model.input_shape[1:])), training=False))
    return macs, sum(math.prod(weight.shape) for layer in layers for weight in layer.trainable_weights)


def _counted(call: Callable[[], Any]) -> int:
    """Multiply-accumulates of the convolutions in a call."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return int(counter.get_flop_counts()["Global"].get(torch.ops.aten.convolution, 0)) // 2


if __name__ == "__main__":
    main()
