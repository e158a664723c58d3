"""What was tried to fool the check: variants that cheat, honest bugs, walls that are climbed; each with what sees it.

The page "What was tried to fool it" of the evidence names the same.
"""

import dataclasses
import functools
import itertools
import textwrap
import threading
import time

import numpy as np
import pytest
from cases import GRAPH, make_case

import grouped_bench as gb
from grouped_bench import variants
from grouped_bench.errors import VariantError
from grouped_bench.measure import rounds, worker
from grouped_bench.measure.workbench import Workbench
from grouped_bench.variants.base import Variant, keras_convolution
from grouped_bench.variants.integrity import Seal
from grouped_bench.variants.reference import convolution

pytestmark = pytest.mark.usefixtures("registry")
CASE = make_case(groups=4, channels=(8, 16), size=6)
INFERENCE = dataclasses.replace(CASE, pass_="inference")


def own(case, **changed):
    """Keras' layer of the case, grouped, with some of its arguments changed."""
    case = dataclasses.replace(case, **changed)
    return keras_convolution(case, filters=case.out_channels, groups=case.groups, bias=case.bias)


def brought(call, make=own):
    """Register a variant `cheat` whose layer is `call(layer, x)` around a grouped convolution."""
    import keras

    def layer_of(_self, case, backend):
        class Cheat(keras.layers.Layer):
            def build(self, shape):
                self.inner = make(case)
                self.inner.build(shape)
                self.memory = {}

            def call(self, x):
                return call(self, x)

        return Cheat(dtype=case.dtype)

    body = {"name": "cheat", "summary": "cheats", "computes": "grouped", "layer": layer_of}
    gb.variant(type("Cheat", (Variant,), {**body, "__module__": __name__}))


def bench_of(backend, case=CASE, execution=None):
    execution = execution or backend.executions[0]
    return Workbench(case, dataclasses.replace(GRAPH, backend=backend.name, execution=execution), 0, backend)


def outcome(backend, case=CASE, execution=None, *, check=True):
    """The status and reason of the cheat, and when it was seen: built, or after it was timed; the others must pass."""
    bench = bench_of(backend, case, execution)
    built = bench.build(["split_concat", "cheat"], {}, check=check)
    if "cheat" in built["failed"]:
        return built["failed"]["cheat"], "built"
    answer = bench.visit(["split_concat", "cheat"], 5, 3)
    assert "split_concat" in answer["samples"]
    assert "cheat" not in answer["samples"]
    return answer["failed"]["cheat"], "timed"


def by_calls(honest, later):
    """What is `honest` for one call and then another thing."""

    def call(layer, x):
        layer.memory["calls"] = layer.memory.get("calls", 0) + 1
        return honest(layer, x) if layer.memory["calls"] == 1 else later(layer, x)

    return call


def honest(layer, x):
    return layer.inner(x)


# Answers that are remembered, or change once they were checked


def remembered(key):
    def call(layer, x):
        name = key(x)
        if name not in layer.memory:
            layer.memory[name] = layer.inner(x)
        return layer.memory[name]

    return call


def test_an_answer_remembered_by_the_inputs_identity(backend):
    brought(remembered(id))
    found, when = outcome(backend, INFERENCE, "eager")
    assert (found["status"], when) == ("incorrect", "timed")
    assert "after it was timed, output: relative error" in found["reason"]


def test_an_answer_remembered_by_where_the_inputs_lie(backend):
    address = {
        "tensorflow": lambda x: np.asarray(memoryview(x)).ctypes.data,
        "jax": lambda x: x.unsafe_buffer_pointer(),
        "torch": lambda x: x.data_ptr(),
    }[backend.name]
    brought(remembered(address))
    assert outcome(backend, INFERENCE, "eager")[1] == "timed"


def test_an_answer_remembered_whatever_the_inputs(backend):
    brought(remembered(lambda _: "always"))
    assert outcome(backend, INFERENCE, "eager")[1] == "timed"


def test_an_answer_kept_in_a_variable_of_the_graph(backend):
    """The graph reads the variable, and computes only where that is empty."""
    if backend.name != "tensorflow":
        pytest.skip("the others have no variables in graphs")
    import tensorflow as tf

    def call(layer, x):
        if "kept" not in layer.memory:
            with tf.init_scope():
                layer.memory["kept"] = tf.Variable(tf.zeros(INFERENCE.output_shape)), tf.Variable(False)
        kept, is_full = layer.memory["kept"]

        def compute():
            with tf.control_dependencies([kept.assign(layer.inner(x)), is_full.assign(True)]):
                return kept.read_value()

        return tf.cond(is_full, kept.read_value, compute)

    brought(call)
    assert outcome(backend, INFERENCE)[1] == "timed"


def test_gradients_remembered_too(backend):
    if backend.name != "torch":
        pytest.skip("a function with a backward pass of its own is PyTorch's")
    import torch

    class Remembering(torch.autograd.Function):
        made = {}  # noqa: RUF012

        @staticmethod
        def forward(context, x, kernel, layer):
            context.key = x.data_ptr()
            if context.key not in Remembering.made:
                with torch.enable_grad():
                    a = x.detach().requires_grad_()
                    Remembering.made[context.key] = [layer.inner(a), a, kernel, None]
            return Remembering.made[context.key][0].detach()

        @staticmethod
        def backward(context, dy):
            one = Remembering.made[context.key]
            if one[3] is None:
                one[3] = torch.autograd.grad(one[0], [one[1], one[2]], dy, retain_graph=True)
            return (*one[3], None)

    brought(lambda layer, x: Remembering.apply(x, layer.inner.kernel.value, layer))
    assert outcome(backend)[1] == "timed"


@pytest.mark.parametrize("what", [float("nan"), 0.0])
def test_another_answer_once_it_was_checked(what, backend):
    brought(by_calls(honest, lambda layer, x: layer.inner(x) * 0 + what))
    found, when = outcome(backend, INFERENCE, "eager")
    assert (found["status"], when) == ("incorrect", "timed")
    assert ("non-finite" in found["reason"]) == np.isnan(what)


def test_zeros_in_a_process_that_checks_nothing_when_it_builds(backend):
    brought(lambda layer, x: layer.inner(x) * 0)
    assert outcome(backend, INFERENCE, check=False)[1] == "timed"


def test_what_is_right_only_where_it_was_looked_at(backend, monkeypatch):
    """As if it knew the points beforehand."""
    points = convolution.sample_points(INFERENCE.output_shape, 96, np.random.default_rng(1))
    monkeypatch.setattr(convolution, "sample_points", lambda *_: points)
    seen = np.zeros(INFERENCE.output_shape, np.float32)
    seen[tuple(points.T)] = 1
    brought(lambda layer, x: layer.inner(x) * seen)
    found, when = outcome(backend, INFERENCE)
    assert when == "built"
    assert found["reason"].startswith("output: a part is off by ")


# A part that is wrong


def zeroed(axis, place):
    def call(layer, x):
        y = layer.inner(x)
        mask = np.ones(y.shape, np.float32)
        np.moveaxis(mask, axis, 0)[place] = 0
        return y * mask.astype("float32")

    return call


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("axis", "shape"),
    [
        (3, {"channels": (4, 512), "size": 6, "groups": 2}),
        (1, {"channels": (2, 4), "size": 224, "groups": 2}),
        (0, {"channels": (4, 4), "size": 8, "groups": 2, "batch_size": 64}),
    ],
)
def test_one_slice_of_many_is_zero(axis, shape, seed, backend):
    case = dataclasses.replace(make_case(**shape), pass_="inference")
    brought(zeroed(axis, (37 * seed + 1) % case.output_shape[axis]))
    assert outcome(backend, case)[1] == "built"


def test_one_row_of_a_gradient_is_lost(backend):
    """The value is right, and the gradient of one channel of the kernel is not."""
    import keras

    def call(layer, x):
        y = layer.inner(x)
        mask = keras.ops.cast(keras.ops.arange(CASE.out_channels) != 5, "float32")
        return y * mask + keras.ops.stop_gradient(y * (1 - mask))

    brought(call)
    found, when = outcome(backend)
    assert when == "built"
    assert "gradient" in found["reason"]


# Arithmetic that is coarser than what was asked


@pytest.mark.parametrize(("asked", "used"), [("float16", "bfloat16"), ("float32", "float16"), ("float32", "bfloat16")])
@pytest.mark.parametrize("groups", [1, 4])
def test_coarser_arithmetic_is_told_from_rounding(asked, used, groups, backend):
    import keras

    case = dataclasses.replace(make_case(groups=groups, channels=(32, 32), size=9, dtype=asked), pass_="inference")

    def call(layer, x):
        coarse = keras.ops.cast(keras.ops.cast(x, used), asked)
        kernel = keras.ops.cast(keras.ops.cast(layer.inner.kernel, used), asked)
        return backend.convolution(coarse, kernel, case)

    brought(call)
    found, when = outcome_alone(backend, case)
    assert (found["status"], when) == ("incorrect", "built")
    assert ("bfloat16 inputs" in found["reason"]) == (asked == "float16")


def outcome_alone(backend, case):
    bench = bench_of(backend, case)
    built = bench.build(["cheat"], {}, check=True)
    return (built["failed"].get("cheat") or {"status": "ok", "reason": ""}), "built"


# Honest bugs


@pytest.mark.parametrize(
    ("changed", "shape"),
    [
        ({"dilation": (1, 1)}, {"dilation": 2}),
        ({"padding": "valid"}, {"size": 7, "kernel_size": 1, "stride": 2, "padding": "same"}),
    ],
)
def test_an_argument_that_is_ignored(changed, shape, backend):
    case = dataclasses.replace(make_case(groups=2, channels=(4, 8), **shape), pass_="inference")
    if "padding" in changed:  # one row further on: the same shape
        import keras

        brought(lambda layer, x: layer.inner(keras.ops.roll(x, 1, axis=1)))
    else:
        brought(honest, lambda case: own(case, **changed))
    assert outcome(backend, case)[1] == "built"


@pytest.mark.parametrize("factor", [1.001, -1.0])
def test_a_factor_that_is_lost(factor, backend):
    brought(lambda layer, x: layer.inner(x) * factor)
    assert outcome(backend, INFERENCE)[1] == "built"


def test_groups_in_another_order(backend):
    import keras

    brought(lambda layer, x: layer.inner(keras.ops.roll(x, CASE.in_channels // CASE.groups, axis=-1)))
    assert outcome(backend, INFERENCE)[1] == "built"


def test_the_first_example_given_for_all(backend):
    import keras

    brought(lambda layer, x: keras.ops.repeat(layer.inner(x)[:1], CASE.batch_size, axis=0))
    assert outcome(backend, INFERENCE)[1] == "built"


def test_a_bias_that_is_forgotten(backend):
    import keras

    case = dataclasses.replace(INFERENCE, bias=True)

    def call(layer, x):
        return layer.inner(x) - keras.ops.cast(layer.inner.bias, "float32")

    brought(call)
    assert outcome(backend, case)[1] == "built"


# Work that is put off


def test_work_that_ends_after_the_call(backend):
    """The numbers arrive in the memory of the result when the call has long returned."""
    if backend.name != "torch":
        pytest.skip("memory of a result can be written by PyTorch alone")
    import torch

    late = []

    def call(layer, x):
        y = layer.inner(x)
        if len(late) == 0 and "seen" not in layer.memory:  # what is checked first is there at once
            layer.memory["seen"] = True
            return y
        result = torch.zeros_like(y)

        def work():
            with torch.inference_mode():
                result.copy_(y)

        thread = threading.Timer(0.2, work)
        late.append(thread)
        thread.start()
        return result

    brought(call)
    found, when = outcome(backend, INFERENCE, "eager")
    for thread in late:
        thread.cancel()
    assert (found["status"], when) == ("incorrect", "timed")


def test_a_result_that_computes_when_it_is_read(backend):
    if backend.name != "torch":
        pytest.skip("a class of tensors of one's own is PyTorch's")
    import torch

    class Lazy(torch.Tensor):
        pass

    brought(lambda layer, x: layer.inner(x).as_subclass(Lazy))
    found, when = outcome(backend, INFERENCE, "eager")
    assert (when, found["reason"]) == ("timed", "after it was timed, a result of type Lazy")


# Walls


@pytest.mark.parametrize("word", ["function", "counts"])
@pytest.mark.parametrize("computes", ["dense", "grouped"])
def test_a_function_or_counts_of_its_own(word, computes):
    body = {"name": "cheat", "summary": "cheats", "computes": computes, "layer": lambda *_: None, word: lambda *_: None}
    with pytest.raises(VariantError, match=rf"computes {computes} must have .* Cheat with {word}\(\) of its own"):
        gb.variant(type("Cheat", (Variant,), {**body, "__module__": "mine"}))
    assert "cheat" not in variants.names()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import time; time.perf_counter = lambda: 0.0", "time.perf_counter"),
        (
            "from grouped_bench.measure import rounds; rounds.read_clock = lambda: 0.0",
            "grouped_bench.measure.rounds.read_clock",
        ),
        (
            "from grouped_bench.measure.verify import Judge; Judge.judged = lambda *_: (0.0, None)",
            "grouped_bench.measure.verify.Judge.judged",
        ),
        (
            "from grouped_bench.variants.layers.regular import Regular\nRegular.layer = lambda *_: None",
            "grouped_bench.variants.layers.regular.Regular.layer",
        ),
        (
            "from grouped_bench.measure import verify\nverify.tolerance.__code__ = (lambda *_: 9.0).__code__",
            "grouped_bench.measure.verify.tolerance",
        ),
        ("import numpy; numpy.isfinite = lambda _: numpy.array(True)", "numpy.isfinite"),
    ],
)
def test_a_file_that_replaces_what_measures_is_refused(code, name, tmp_path, put_back):
    (tmp_path / "cheat.py").write_text(textwrap.dedent(code))
    with pytest.raises(VariantError, match=f"must leave what measures as it is.*cheat.py, which replaced {name}"):
        variants.import_files(tmp_path / "cheat.py")


@pytest.fixture
def put_back(monkeypatch):
    """What the files of the test before replace is as it was afterwards."""
    from grouped_bench.measure import verify
    from grouped_bench.variants.layers.regular import Regular

    code = verify.tolerance.__code__
    places = ((time, "perf_counter"), (rounds, "read_clock"), (np, "isfinite"), (verify.Judge, "judged"))
    for place, word in places:
        monkeypatch.setattr(place, word, getattr(place, word))
    yield
    verify.tolerance.__code__ = code
    if "layer" in vars(Regular):  # which it inherits
        del Regular.layer


def test_what_is_replaced_while_it_is_timed_is_named(backend, monkeypatch):
    """The first call of the layer, in the process that measures, slows the clock."""
    clock = rounds.read_clock
    seal = Seal()
    bench = bench_of(backend, INFERENCE)
    bench.build(["split_concat"], {}, check=True)
    monkeypatch.setattr(rounds, "read_clock", lambda: clock() / 10)
    answer = worker._visit(bench, {"variants": ["split_concat"], "seed": 1, "rounds": 3}, seal)
    reason = "grouped_bench.measure.rounds.read_clock was replaced in the process that measures"
    assert answer["failed"] == {"split_concat": {"status": "error", "reason": reason}}
    assert answer["samples"] == {}


def test_the_steps_of_others_are_not_to_be_wrapped(backend):
    bench = bench_of(backend, INFERENCE)
    bench.build(["split_concat", "grouped"], {}, check=True)
    step = bench.steps["grouped"]
    bench.steps["grouped"] = functools.partial(step)
    answer = bench.visit(["split_concat", "grouped"], 1, 3)
    assert answer["samples"] == {}
    assert answer["failed"]["grouped"]["reason"] == "the step of grouped was replaced in the process that measures"


# What is right passes, again and again


@pytest.mark.parametrize("cache", ["hot", "cold"])
@pytest.mark.parametrize("pass_", ["inference", "training"])
def test_what_is_right_is_right_in_every_visit(pass_, cache, backend):
    setting = dataclasses.replace(GRAPH, backend=backend.name, execution=backend.executions[0], cache=cache)
    case = dataclasses.replace(make_case(groups=2, channels=(256, 256), size=8, bias=True), pass_=pass_)
    bench = Workbench(case, setting, 0, backend)
    bench.build(["regular", "split_concat"], {}, check=True)
    inputs = [bench.problem.x]
    for seed in (1, 2, 3):
        answer = bench.visit(["regular", "split_concat"], seed, 2)
        assert "failed" not in answer
        assert answer["verify_s"] > 0
        inputs.append(bench.problem.x)
    assert all(not np.array_equal(one, other) for one, other in itertools.pairwise(inputs))
