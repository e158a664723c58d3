"""Variants as plain modules of PyTorch: exact in every layout, in the memory format that is asked, and printed."""

import ast
import importlib.util
import itertools

import numpy as np
import pytest
from cases import make_case

from grouped_bench import variants
from grouped_bench.errors import SpaceError
from grouped_bench.harness.plan import make_plan
from grouped_bench.measure.trial import try_code
from grouped_bench.measure.workbench import Workbench
from grouped_bench.report.advice.snippets import snippet
from grouped_bench.space.case import Setting
from grouped_bench.space.space import Space
from grouped_bench.variants.torch_modules import TorchModule, in_layout

NAMES = ("regular", "grouped", "split_concat", "split_sum")
LAYOUTS = ("contiguous", "channels_last")
NEEDS_TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="no PyTorch")
CASES = {
    "1D": make_case(rank=1, size=9),
    "2D": make_case(),
    "3D": make_case(rank=3, size=4, bias=True),
    "bias": make_case(bias=True, groups=4, channels=(8, 8)),
    "stride on odd extents": make_case(stride=2, size=7),
    "stride on even extents": make_case(stride=2, size=8, bias=True),
    "3D, stride on even extents": make_case(rank=3, stride=2, size=4),
    "dilation and stride": make_case(stride=2, dilation=2, size=9),
    "valid": make_case(padding="valid", kernel_size=2),
    "causal": make_case(rank=1, padding="causal", dilation=2, size=9, bias=True),
    "even kernel": make_case(kernel_size=4, size=7),
    "one group": make_case(groups=1, bias=True),
    "bfloat16": make_case(dtype="bfloat16", bias=True),
    "inference": make_case(pass_="inference"),
    "asked in channels first": make_case(data_format="channels_first"),
}


def setting(layout, execution="eager", cache="hot"):
    return Setting("torch", execution, "cpu", cache, layout=layout)


@pytest.fixture
def torch(backend):
    if backend.name != "torch":
        pytest.skip("modules of PyTorch")
    import torch

    return torch


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_module_is_exact(case, layout, backend, torch):
    """Output and gradients, against the float64 reference; refused in words where PyTorch has no such format."""
    bench = Workbench(case, setting(layout), 3, backend)
    told = bench.build(list(NAMES), dict.fromkeys(NAMES, 1), check=True)
    if case.rank == 1 and layout == "channels_last":
        assert {one["status"] for one in told["failed"].values()} == {"unsupported"}
        assert "two and three spatial axes" in told["failed"]["grouped"]["reason"]
        return
    assert told["failed"] == {}
    assert "failed" not in bench.visit(list(NAMES), 1, 1)  # other inputs lie where the first did


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_compiled_module_is_exact(layout, backend, torch):
    bench = Workbench(make_case(bias=True), setting(layout, "compile"), 3, backend)
    assert bench.build(["grouped", "split_concat"], {}, check=True)["failed"] == {}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cold_calls_are_exact_and_keep_the_format(layout, backend, torch, monkeypatch):
    monkeypatch.setattr("grouped_bench.measure.cold.copies_needed", lambda *sizes: 3)
    seen = []
    convolve = torch.nn.functional.conv2d
    monkeypatch.setattr(
        torch.nn.functional, "conv2d", lambda x, w, *a, **k: (seen.append((x, w)), convolve(x, w, *a, **k))[1]
    )  # fmt: skip
    bench = Workbench(make_case(bias=True), setting(layout, cache="cold"), 3, backend)
    assert bench.build(["grouped"], {"grouped": 3}, check=True)["failed"] == {}
    wanted = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    assert seen
    assert all(one.is_contiguous(memory_format=wanted) for pair in seen for one in pair)


@pytest.mark.parametrize(
    "case",
    [make_case(channels=(1, 32), groups=1), make_case(channels=(8, 8), groups=8), make_case(size=1, kernel_size=1)],
    ids=["one channel", "a channel a group", "one pixel"],
)
def test_either_format_may_be_taken_for_the_other_and_is_not(case, backend, torch):
    """With one channel or one pixel both are contiguous, but kernels go by the strides."""
    bench = Workbench(case, setting("channels_last"), 3, backend)
    layer = in_layout(variants.get("grouped"), "channels_last").layer(bench.case, backend)
    printed = {}
    exec(snippet("grouped", case, "torch", "eager", layout="channels_last"), printed)
    own = printed["layer"].to(memory_format=torch.channels_last)
    assert layer.module.weight.stride() == own.weight.stride()
    x = torch.empty(bench.case.input_shape).to(memory_format=torch.channels_last)
    assert bench.tensors[0].stride() == x.stride()
    assert layer.module(bench.tensors[0]).stride() == own(x).stride()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_input_weights_and_gradient_lie_as_the_layout_says(layout, backend, torch):
    case = make_case(channels=(8, 8), bias=True)
    bench = Workbench(case, setting(layout), 3, backend)
    x, upstream = bench.tensors
    assert tuple(x.shape) == (2, 8, 6, 6)
    layer = in_layout(variants.get("grouped"), layout).layer(bench.case, backend)
    wanted, other = torch.channels_last, torch.contiguous_format
    if layout == "contiguous":
        wanted, other = other, wanted
    for tensor in (x, upstream, layer.module.weight):
        assert tensor.is_contiguous(memory_format=wanted)
        assert not tensor.is_contiguous(memory_format=other)


def test_nothing_stands_between_a_call_and_the_module(backend, torch, monkeypatch):
    """No permutation and no layer of Keras: the operators of a call are those of `torch.nn.Conv2d`."""
    bench = Workbench(make_case(pass_="inference"), setting("contiguous"), 3, backend)
    names = {one.name for one in backend.kernels(bench.hot_step("grouped"), "cpu")}
    module, x = torch.nn.Conv2d(4, 8, 3, padding=1, groups=2, bias=False), bench.tensors[0]
    with torch.inference_mode():
        assert names == {one.name for one in backend.kernels(lambda: module(x), "cpu")}
    assert "aten::convolution" in names
    own = Workbench(make_case(pass_="inference"), setting(None), 3, backend)
    assert "aten::permute" in {one.name for one in backend.kernels(own.hot_step("grouped"), "cpu")}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_printed_computes_the_function(case, name, layout, backend, torch):
    code = snippet(name, case, "torch", "eager", layout=layout)
    if case.rank == 1 and layout == "channels_last":
        assert code is None
        return
    assert try_code(backend, case, setting(layout), code, name) == {}


def test_printed_code_that_computes_another_function_is_seen(backend, torch):
    case = make_case(pass_="inference")
    code = snippet("grouped", case, "torch", "eager", layout="contiguous")
    wrong = code.replace("padding=1", "padding=0")
    assert wrong != code
    with pytest.raises(ValueError, match="an output of shape"):
        try_code(backend, case, setting("contiguous"), wrong, "grouped")
    late = code + "\nconvolve = layer.forward\nlayer.forward = lambda x: convolve(x) * 1.01\n"
    assert try_code(backend, case, setting("contiguous"), late, "grouped")["status"] == "incorrect"


def test_an_empty_call_is_one_of_a_module(backend, torch):
    """A layer of Keras takes longer than many a convolution of a plain module."""
    bench = Workbench(make_case(pass_="inference"), setting("contiguous"), 3, backend)
    names = {one.name for one in backend.kernels(bench.empty_step(), "cpu")}
    assert not names & {"aten::convolution", "aten::permute"}
    (y,) = bench.empty_step()()
    assert tuple(y.shape) == (1, 1)


def test_code_is_tried_on_the_device_that_is_asked(backend, torch, monkeypatch):
    """Where a GPU is there it is Keras' default, also for what is to run on the processor."""
    places = []
    plain = type(backend).plain_layer

    def plain_layer(self, made, layout):
        from keras.src.backend.torch.core import get_device

        places.append(str(get_device()))
        return plain(self, made, layout)

    monkeypatch.setattr(type(backend), "plain_layer", plain_layer)
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "meta")
    code = snippet("grouped", make_case(), "torch", "eager", layout="contiguous")
    assert try_code(backend, make_case(), setting("contiguous"), code, "grouped") == {}
    assert places == ["cpu"]


def test_mixed_precision_is_refused_with_what_there_is(backend, torch):
    bench = Workbench(make_case(dtype="mixed_bfloat16"), setting("contiguous"), 3, backend)
    told = bench.build(["grouped"], {}, check=True)["failed"]["grouped"]
    assert told["status"] == "unsupported"
    assert told["reason"] == "NotImplementedError: torch.nn has no mixed_bfloat16, but bfloat16"


# What needs no framework


def test_the_weights_go_there_and_back():
    rng = np.random.default_rng(0)
    for case, name in itertools.product((make_case(bias=True), make_case(rank=3, size=4)), NAMES):
        variant = TorchModule(variants.get(name), "contiguous")
        shapes = variant.function(case).shapes()
        weights = {key: rng.standard_normal(shape) for key, shape in shapes.items()}
        again = variant.from_layer(variant.to_layer(weights, case), case)
        assert list(again) == list(weights)
        assert all(np.array_equal(again[key], weights[key]) for key in weights)


def test_a_layer_is_one_line_as_people_write_it():
    case = make_case(groups=32, channels=(128, 128), size=28)
    code = snippet("grouped", case, "torch", "eager", layout="contiguous")
    assert code == "import torch\n\nlayer = torch.nn.Conv2d(128, 128, 3, padding=1, groups=32, bias=False)"
    assert "grouped_bench" not in code
    last = snippet("grouped", case, "torch", "compile", layout="channels_last")
    assert last.splitlines()[:2] == [
        "# Measured through torch.compile(layer).",
        "# Its input lies in the same memory format.",
    ]
    assert last.endswith("\nlayer = layer.to(memory_format=torch.channels_last)")


@pytest.mark.parametrize("name", NAMES)
def test_the_code_is_plain_and_narrow(name):
    for case in CASES.values():
        code = snippet(name, case, "torch", "eager", layout="contiguous")
        ast.parse(code)
        assert max(map(len, code.splitlines())) <= 80
        assert "keras" not in code


def test_what_has_no_module_is_not_printed():
    assert snippet("merged_groups", make_case(), "torch", "eager", layout="contiguous") is None
    assert snippet("grouped", make_case(), "torch", "eager", layout="diagonal\nimport os") is None
    assert snippet("unheard", make_case(), "torch", "eager", layout="contiguous") is None


def test_a_class_below_that_computes_otherwise_has_no_module():
    class Mine(type(variants.get("grouped"))):
        def layer(self, case, backend):
            raise NotImplementedError

    assert not Mine().has_module


def test_which_variants_have_a_module():
    assert {name for name in variants.names() if variants.get(name).has_module} == set(NAMES)


# The axis


@NEEDS_TORCH
def test_a_layout_is_a_setting_of_its_own():
    plan = make_plan(Space(backend="torch", layout="keras,contiguous,channels_last", groups=4, variant="all"))
    settings = [cohort.setting for cohort in plan.cohorts]
    assert [one.layout for one in settings] == [None, "contiguous", "channels_last"]
    assert [one.title() for one in settings] == [
        "torch eager on cpu",
        "torch eager on cpu, torch.nn, contiguous",
        "torch eager on cpu, torch.nn, channels_last",
    ]
    assert set(plan.cohorts[1].variants) == set(NAMES)
    assert len(plan.cohorts[0].variants) > len(NAMES)
    assert {cohort.case.data_format for cohort in plan.cohorts} == {"channels_last"}


@NEEDS_TORCH
def test_a_backend_without_layouts_keeps_that_of_keras():
    plan = make_plan(Space(backend="tensorflow,torch", layout="keras,contiguous"))
    assert [(one.setting.backend, one.setting.layout) for one in plan.cohorts] == [
        ("tensorflow", None),
        ("torch", None),
        ("torch", "contiguous"),
    ]


@NEEDS_TORCH
def test_a_layout_of_the_users_own_outlasts_another_backend():
    made = make_plan(Space(layout=["keras", "channels_last"]).replace(backend="torch"))
    assert [cohort.setting.layout for cohort in made.cohorts] == [None, "channels_last"]
    with pytest.raises(SpaceError, match="must be one that a chosen backend has"):
        make_plan(Space(layout="channels_last", backend="torch").replace(backend="jax"))


@NEEDS_TORCH
@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"layout": "contiguous"}, "`layout` must be one that a chosen backend has. Received: contiguous with tensor"),
        ({"layout": "nchw", "backend": "torch"}, "takes keras"),
        (
            {"layout": "contiguous", "backend": "torch", "variant": "grouped_native"},
            "must have a form of torch.nn to be measured in a layout of it. Received: grouped_native. Use one of reg",
        ),
        (
            {"layout": "contiguous", "backend": "torch", "scope": "block", "variant": "resnext_sum"},
            "Leave the layout out",
        ),
        ({"layout": "contiguous", "backend": "torch", "scope": "block"}, "at least one variant must have a form of"),
    ],
)
def test_a_layout_that_is_not_there_is_refused(axes, words):
    with pytest.raises(SpaceError) as raised:
        make_plan(Space(**axes))
    assert words in str(raised.value)
