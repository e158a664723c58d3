"""The printed module, imported by a program that knows nothing else of ours: it replaces, trains, saves and loads."""

import dataclasses
import sys
import types

import numpy as np
import pytest
from cases import make_case
from frames import HOSTILE, frame

from grouped_bench.analyse.advise.advice import Advice, question
from grouped_bench.analyse.advise.advise import advise, questions
from grouped_bench.analyse.advise.replacements import advised, named
from grouped_bench.analyse.rows import plain
from grouped_bench.report.advice.module import layer_code
from grouped_bench.space.case import Setting

COMMAND = "grouped-bench advise latest --code"
# Those that need nothing of the framework but plain convolutions and products.
EXACT = ("split_concat", "merged_groups", "block_diagonal", "batched_matmul", "shifted_matmul", "composed")


@pytest.fixture
def keras(backend):
    import keras

    return keras


@pytest.fixture
def module(backend, monkeypatch):
    """Runs the module of some cases, each with the name of its variant."""

    def run(*cases, computes="grouped", text=None):
        setting = Setting(backend.name, backend.executions[0], "cpu")
        found = [named(question(case, setting, computes), *name) for case, *name in cases]
        made = types.ModuleType("layers")
        monkeypatch.setitem(sys.modules, "layers", made)
        text = text or layer_code(found, COMMAND).text
        assert max(map(len, text.splitlines())) <= 80
        exec(compile(text, "layers.py", "exec"), vars(made))
        return made

    return run


def biased(**shape):
    return make_case(bias=True, **shape)


def small(keras, *layers, shape=(6, 6, 4)):
    return drawn(keras.Sequential([keras.Input(shape), *layers]))


def drawn(model):
    """The model with weights that are all different."""
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, array.shape).astype(array.dtype) for array in model.get_weights()])
    return model


def agree(first, second):
    x = np.random.default_rng(1).standard_normal((2, *first.input_shape[1:])).astype("float32")
    expected, found = first.predict(x, verbose=0), second.predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


# In a model


@pytest.mark.parametrize("name", [*EXACT, "grouped_native"])
def test_a_model_with_its_layers_replaced_computes_the_same_and_can_be_saved(name, module, keras, tmp_path):
    made = module((biased(), name, None))
    convolution = keras.layers.Conv2D(8, 3, groups=2, padding="same", activation="softmax", name="c")
    model = small(keras, convolution, keras.layers.BatchNormalization(), keras.layers.Conv2D(3, 1))
    replaced = made.replace_layers(model)
    assert kinds(replaced)[0] != "Conv2D"
    assert kinds(replaced)[1:] == kinds(model)[1:]
    assert [layer.name for layer in replaced.layers] == [layer.name for layer in model.layers]
    agree(model, replaced)
    replaced.save(tmp_path / "faster.keras")
    again = keras.models.load_model(tmp_path / "faster.keras")
    assert kinds(again) == kinds(replaced)
    agree(model, again)


@pytest.mark.parametrize("name", EXACT)
def test_a_model_with_its_layers_replaced_learns_the_same(name, module, keras):
    made = module((biased(groups=4), name, None))
    rules = {"bias_regularizer": "l2", "kernel_regularizer": "l1", "activation": "relu"}
    model = small(keras, keras.layers.Conv2D(8, 3, groups=4, padding="same", **rules))
    replaced = made.replace_layers(model)
    random = np.random.default_rng(2)
    x, y = random.standard_normal((4, 6, 6, 4)), random.standard_normal((4, 6, 6, 8))
    for one in (model, replaced):
        one.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        one.train_on_batch(x, y)
    agree(model, replaced)


def test_every_layer_gets_the_form_of_its_own_shape(module, keras):
    narrow, wide = biased(groups=4), biased(groups=2)
    cases = [(narrow, "merged_groups", "m=2"), (wide, "merged_groups", "m=1"), (biased(size=3), "split_concat", None)]
    made = module(*cases)
    layers = [keras.layers.Conv2D(8, 3, groups=groups, padding="same") for groups in (4, 2, 8, 1)]
    pool, last = keras.layers.MaxPooling2D(), keras.layers.Conv2D(4, 1)
    model = small(keras, layers[0], last, layers[1])
    replaced = made.replace_layers(model)
    assert [getattr(layer, "merged", None) for layer in replaced.layers] == [2, None, 1]
    agree(model, replaced)
    model = small(keras, keras.layers.Conv2D(4, 1), pool, keras.layers.Conv2D(8, 3, groups=2, padding="same"))
    assert kinds(made.replace_layers(model)) == ["Conv2D", "MaxPooling2D", "SplitConcatConv"]
    model = small(keras, keras.layers.Conv2D(8, 3, groups=2, padding="same"), shape=(None, None, 4))
    assert kinds(made.replace_layers(model)) == ["MergedGroupsConv"]  # an open extent fits the first


def test_forms_of_several_ranks_and_compositions_keep_apart(module, keras):
    flat = make_case(rank=1, groups=4, size=9, bias=True)
    deep = make_case(rank=3, groups=4, size=5, bias=True)
    one = "forward=merged_groups(m=2) input=batched_matmul kernel=shifted_matmul"
    other = "forward=batched_matmul input=merged_groups(m=1) kernel=batched_matmul"
    choices = [(biased(groups=4), "composed", one), (biased(groups=2), "composed", other)]
    made = module((flat, "split_concat", None), (deep, "merged_groups", "m=2"), *choices)
    names = [cls.__name__ for _, _, cls, _ in made.FORMS]
    assert names == ["SplitConcatConv", "MergedGroupsConv", "ComposedConv", "ComposedConv_2"]
    for layer, shape in (
        (keras.layers.Conv1D(8, 3, groups=4, padding="same"), (9, 4)),
        (keras.layers.Conv3D(8, 3, groups=4, padding="same"), (5, 5, 5, 4)),
        (keras.layers.Conv2D(8, 3, groups=4, padding="same"), (6, 6, 4)),
        (keras.layers.Conv2D(8, 3, groups=2, padding="same"), (6, 6, 4)),
    ):
        model = small(keras, layer, shape=shape)
        replaced = made.replace_layers(model)
        assert kinds(replaced) != kinds(model)
        agree(model, replaced)


def test_one_dense_layer_can_be_split(module, keras):
    made = module((biased(), "split_sum", None), computes="dense")
    model = small(keras, keras.layers.Conv2D(8, 3, padding="same", activation="relu"))
    replaced = made.replace_layers(model)
    assert kinds(replaced) == ["SplitSumConv"]
    agree(model, replaced)


def test_what_no_form_knows_stays_as_it_is(module, keras):
    made = module((biased(groups=4), "split_concat", None))
    convolution = keras.layers.Conv2D(8, 3, groups=4, padding="same", name="c")
    inner = keras.Sequential([keras.Input((6, 6, 4)), convolution], name="inner")
    x = keras.Input((6, 6, 4))
    normalisation = keras.layers.Normalization()
    normalisation.adapt(np.random.default_rng(3).uniform(2, 5, (9, 6, 6, 4)))
    normalised = normalisation(x)
    both = keras.layers.add([inner(normalised), inner(x)])
    wide = keras.layers.DepthwiseConv2D(3, padding="same")(both)
    ruled = keras.layers.Conv2D(4, 3, groups=4, padding="same", kernel_constraint="max_norm")(wide)
    model = keras.Model(x, keras.layers.Conv2D(8, 3, groups=4, padding="same", trainable=False)(ruled))
    replaced = made.replace_layers(model)
    assert kinds(replaced.get_layer("inner")) == ["SplitConcatConv"]
    assert kinds(replaced)[-3:] == ["DepthwiseConv2D", "Conv2D", "SplitConcatConv"]
    assert len(replaced.trainable_variables) == (1 + 4) + 2 + 2
    last = replaced.layers[-1]
    again = type(last).from_config(last.get_config())
    assert (again.trainable, again.get_config()) == (False, last.get_config())
    agree(model, replaced)
    alone = keras.layers.Conv2D(8, 3, groups=4, padding="same", kernel_constraint="max_norm")
    for layer in (alone, keras.layers.Conv2D(8, 3, groups=4, padding="same", use_bias=False)):
        with pytest.raises(ValueError, match="No layer is in FORMS"):
            made.replace_layers(small(keras, layer))


# What it says


def test_advice_on_a_run_is_a_module_of_what_is_advised(module, on_tensorflow):
    rows = plain(frame(groups=(1, 4, 32), channels=(64,), passes=("training",)))
    found = [advised(advise(one, rows)) for one in questions(rows)]
    found[1] = dataclasses.replace(found[1], question=dataclasses.replace(found[1].question, label=HOSTILE))
    found.append(advised(Advice(question(make_case(), found[0].question.setting), abstains="no")))
    made = layer_code(found, COMMAND)
    assert made.answered == (True, True, True, False)
    assert made.text.count("class NativeGroupedConv(") == made.text.count("@keras.saving.register_keras_ser") == 1
    assert "# Conv2D 64→64 k3x3 on 28x28 groups 32 batch 8 training: grouped_native," in made.text
    assert "850× [820–890] faster than Keras' layer, measured" in " ".join(made.text.replace("#", "").split())
    assert "# As they are: no other form is clearly faster.\n# Conv2D 64→64 k3x3" in made.text
    assert "# As they are: no advice, no.\n# Conv2D 4→8" in made.text
    assert [len(entry) for entry in module(text=made.text).FORMS] == [4, 4]
    assert "Measured with oneDNN on, as" in made.text
    assert made.notes[0] == "Replaced: 2 of 4 layers."
    assert made.notes[-1] == f"Measure what is missing: {COMMAND} --measure"


def test_without_any_answer_there_is_no_module():
    open_ = Advice(question(make_case(), Setting("tensorflow", "graph", "cpu")), abstains="no")
    made = layer_code([advised(open_)], COMMAND)
    assert (made.text, made.answered) == ("", (False,))
    assert len(made.notes) == 3


def test_a_depthwise_layer_of_a_network_stays():
    rows = plain(frame(groups=(64,), channels=(64,), passes=("training",), in_use="depthwise_sum"))
    (one,) = (advised(advise(asked, rows)) for asked in questions(rows))
    assert (one.variant, one.stays, one.answers) == ("grouped_native", "kind", True)
    assert "# As they are: grouped_native is faster, but this file" in layer_code([one], COMMAND).text
