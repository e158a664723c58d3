"""Compositions: the forward pass and each gradient by a form of its own, all of one function."""

import itertools

import numpy as np
import pytest
from cases import make_case
from conformance import compute

from grouped_bench import variants
from grouped_bench.measure.workbench import Workbench
from grouped_bench.space.case import Setting
from grouped_bench.space.choices import Composition, Form, forms
from grouped_bench.variants.base import REGISTRY

MIXED = "forward=merged_groups(m=2) input=batched_matmul kernel=shifted_matmul"
CASES = {
    "2D": make_case(groups=4, channels=(8, 16), bias=True),
    "1D": make_case(rank=1, groups=4, channels=(8, 8), padding="causal", dilation=2),
    "3D": make_case(rank=3, groups=2, size=4),
    "stride": make_case(groups=4, channels=(8, 8), stride=2, size=7),
    "channels first": make_case(groups=4, channels=(8, 16), data_format="channels_first"),
    "mixed": make_case(groups=4, channels=(8, 8), dtype="mixed_bfloat16"),
}


@pytest.fixture
def composed(monkeypatch):
    """Has `composed` computed by a choice, as a cohort has it."""

    def choose(choice):
        monkeypatch.setitem(REGISTRY, "composed", variants.get("composed").with_choice(choice))

    return choose


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_forms_that_differ_in_every_part_are_exact(case, composed, backend):
    composed(MIXED)
    # Without oneDNN only XLA has channels first on a processor.
    by_xla = backend.name == "tensorflow" and case.data_format == "channels_first"
    compute("composed", case, backend, "xla" if by_xla else None)


@pytest.mark.parametrize("cache", ["hot", "cold"])
def test_every_execution_computes_the_same(execution, cache, composed, backend):
    composed(MIXED)
    compute("composed", make_case(groups=4, channels=(8, 8)), backend, execution, cache=cache)


def lawful(form, place, backend):
    """What a backend refuses in words: compiled parts but TensorFlow's, and grouped kernel gradients of XLA's."""
    if backend.name == "tensorflow":
        # Whether its own grouped convolution has a gradient depends on oneDNN.
        return form.variant != "grouped_native" or place == 0
    return not form.compiled and not (
        backend.name == "jax" and place == 2 and form.variant in ("grouped_native", "depthwise_sum")
    )


def test_each_form_is_exact_in_each_part(composed, backend):
    case = make_case(groups=4, channels=(8, 16))
    sure = Form("merged_groups", "m=2")
    for place, form in itertools.product(range(3), forms(case)):
        parts = [sure, sure, sure]
        parts[place] = form
        composed(str(Composition(*parts)))
        if lawful(form, place, backend):
            compute("composed", case, backend)


@pytest.mark.parametrize("part", ["input", "kernel"])
def test_a_gradient_comes_from_its_own_form(part, composed, backend, monkeypatch):
    """Break one form: the part that has it is found wrong, and no other."""
    case = make_case(groups=4, channels=(8, 8))
    form = type(variants.get("batched_matmul"))
    straight = form.code

    def define_doubled(BatchedMatmulConv):  # noqa: N803  (the name of what is defined before it)
        class Doubled(BatchedMatmulConv):
            def convolve(self, inputs, kernel):
                return 2 * super().convolve(inputs, kernel)

        return Doubled

    monkeypatch.setattr(form, "code", lambda *given: (*straight(*given), define_doubled))
    other = {"input": "kernel", "kernel": "input"}[part]
    composed(" ".join(["forward=merged_groups(m=2)", *sorted([f"{part}=batched_matmul", f"{other}=shifted_matmul"])]))
    with pytest.raises(AssertionError, match=f"{part} gradient: "):
        compute("composed", case, backend)


def test_compiled_parts_are_tensorflows_alone(composed, backend):
    composed("forward=batched_matmul+xla input=batched_matmul+xla kernel=batched_matmul+xla")
    case = make_case(groups=2)
    if backend.name == "tensorflow":
        compute("composed", case, backend)
        return
    with pytest.raises(NotImplementedError, match="compiles a step as a whole"):
        compute("composed", case, backend)


def test_kernel_gradients_by_group_are_refused_where_xla_has_none(composed, backend):
    if backend.name != "jax":
        pytest.skip("a finding about JAX")
    composed("forward=merged_groups(m=2) input=merged_groups(m=2) kernel=grouped_native")
    with pytest.raises(NotImplementedError, match="4 times over") as caught, backend.on("cpu"):
        compute("composed", make_case(groups=4, channels=(8, 8)), backend)
    assert backend.status_of(caught.value) == "unsupported"


class Costs:
    """Trials whose seconds are those of the parts' forms."""

    def __init__(self, case, **costs):
        self.case, self.costs, self.asked = case, costs, []

    def fastest(self, choices, *, part="all"):
        self.asked.append(part)
        parts = {"forward": 1, "input": 2, "all": 3}[part]
        names = ("forward", "input", "kernel")[:parts]

        def seconds(choice):
            found = Composition.of(choice, self.case)
            return sum(self.costs[name].get(str(getattr(found, name)), 9.0) for name in names)

        return min(choices, key=seconds)


def test_a_search_takes_each_part_from_its_best_form():
    case = make_case(groups=4, channels=(8, 8))
    costs = Costs(
        case, forward={"grouped_native": 1.0}, input={"merged_groups(m=4)": 1.0}, kernel={"depthwise_sum": 1.0}
    )
    found = variants.get("composed").choose(case, costs)
    assert found == "forward=grouped_native input=merged_groups(m=4) kernel=depthwise_sum"
    assert costs.asked == ["forward", "input", "all", "all"]


def test_one_form_that_is_best_at_all_stands_alone_and_inference_needs_no_more():
    case = make_case(groups=4, channels=(8, 8))
    best = {part: {"batched_matmul": 1.0} for part in ("forward", "input", "kernel")}
    assert variants.get("composed").choose(case, Costs(case, **best)) == (
        "forward=batched_matmul input=batched_matmul kernel=batched_matmul"
    )
    forward = make_case(groups=4, channels=(8, 8), pass_="inference")
    costs = Costs(forward, **best)
    assert variants.get("composed").choose(forward, costs) == "forward=batched_matmul"
    assert costs.asked == ["forward"]


def test_what_is_written_is_read_and_nothing_else():
    case = make_case(groups=4, channels=(8, 8))
    for form in forms(case):
        assert Form.of(str(form), case) == form
        assert str(Composition.of(f"forward={form}", case)) == f"forward={form} input={form} kernel={form}"
    assert str(Composition.of(MIXED, case)) == MIXED
    for wrong in (
        *("", "grouped_native", "forward=", "forward=mine", "forward=merged_groups", "forward=merged_groups(m=3)"),
        *(
            "forward=grouped_native(m=2)",
            "forward=grouped_native input=grouped_native",
            f"{MIXED} kernel=batched_matmul",
        ),
        *("input=batched_matmul forward=batched_matmul kernel=batched_matmul", f"{MIXED}\nimport os", f" {MIXED}"),
    ):
        with pytest.raises(ValueError, match=r"composition|blocks of 4 groups"):
            Composition.of(wrong, case)


def test_arithmetic_is_that_of_the_forms():
    case = make_case(groups=4, channels=(8, 8))
    once = variants.get("grouped").counts(case).macs // 3
    chosen = variants.get("composed").with_choice(
        "forward=grouped_native input=merged_groups(m=4) kernel=batched_matmul"
    )
    assert chosen.counts(case).macs == once * (1 + 4 + 1)
    forward = make_case(groups=4, channels=(8, 8), pass_="inference")
    assert variants.get("composed").with_choice("forward=merged_groups(m=2)").counts(forward).macs == 2 * once


@pytest.mark.parametrize("pass_", ["inference", "training"])
def test_a_workbench_searches_a_composition_and_verifies_it(pass_, backend):
    case, setting = (
        make_case(groups=4, channels=(8, 8), pass_=pass_),
        Setting(backend.name, backend.executions[0], "cpu"),
    )
    told = Workbench(case, setting, 0, backend).build(["composed"], {}, check=True)
    built = told["built"]["composed"]
    assert str(Composition.of(built["choice"], case)).startswith("forward=")
    assert built["relative_error"] < 1e-5
    assert len(built["choice"].split()) == (3 if pass_ == "training" else 1)


def test_gradients_agree_with_those_of_one_form(composed, backend):
    case = make_case(groups=4, channels=(8, 8))
    plain = compute("merged_groups", case, backend)
    composed(MIXED)
    for left, right in zip(plain, compute("composed", case, backend), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4 * np.abs(left).max())
