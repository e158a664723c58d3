"""Keras' own layers in the place of its grouped convolutions: the same function, loaded by Keras alone, and back."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from cases import make_case

from grouped_bench import variants
from grouped_bench.space.choices import DEPTHWISE
from grouped_bench.variants.models import built_in
from grouped_bench.variants.models.built_in import SPLIT, has
from grouped_bench.variants.models.modules import Substitute, of_keras


@pytest.fixture
def keras(backend):
    import keras

    return keras


# What a grouped layer may have, and the form in which Keras' own layers compute it.
LAYERS = {
    "alone": ({"filters": 8, "groups": 4, "activation": "relu"}, DEPTHWISE),
    "summed": ({"filters": 8, "groups": 2, "use_bias": False, "activation": "gelu"}, DEPTHWISE),
    "strided": ({"filters": 4, "groups": 4, "strides": 2, "use_bias": False}, DEPTHWISE),
    "parts": ({"filters": 8, "groups": 2, "activation": "softmax"}, SPLIT),
    "dilated": ({"filters": 8, "groups": 2, "dilation_rate": 2, "use_bias": False}, SPLIT),
    "regular": ({"filters": 6, "groups": 2, "kernel_regularizer": "l2", "bias_regularizer": "l1"}, SPLIT),
}


def network(keras, options, rank=2, *, nested=False):
    """A network with one grouped layer, alone or in a model of its own, beside a layer that is called as Keras' is."""
    layer = keras.layers
    inputs = keras.Input((*[8] * rank, 4))
    kind = (layer.Conv1D, layer.Conv2D, layer.Conv3D)[rank - 1]
    wide = kind(**{"kernel_size": 3, "padding": "same", "name": "wide", **options})
    if nested:
        wide = keras.Sequential([keras.Input((*[8] * rank, 4)), wide], name="inner")
    x = layer.BatchNormalization()(wide(inputs)) + 1.0
    pool = (layer.GlobalAveragePooling1D, layer.GlobalAveragePooling2D, layer.GlobalAveragePooling3D)[rank - 1]
    model = keras.Model(inputs, layer.Dense(3)(pool()(x)), name="net")
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, one.shape).astype(one.dtype) for one in model.get_weights()])
    return model


def replaced(model, form):
    """The network with its grouped layer in a form, by its traits."""
    from grouped_bench.backends.code import define
    from grouped_bench.variants.models.replacing import define_traits

    wide = next(one for one in model._flatten_layers() if one.name == "wide")
    traits = define((define_traits,))(wide)
    return built_in.replacer([(traits, tuple(wide.input.shape[1:-1]), form)])(model)


def examples(model):
    return np.random.default_rng(1).standard_normal((2, *model.input_shape[1:])).astype("float32")


def same(first, second):
    mine, other = first.get_weights(), second.get_weights()
    return len(mine) == len(other) and all(map(np.array_equal, mine, other))


def classes(model):
    return [type(one).__name__ for one in model._flatten_layers(include_self=False)]


@pytest.mark.onednn(True)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("name", list(LAYERS))
def test_it_is_the_same_function_and_back_again_the_same_layer(name, rank, nested, keras):
    options, form = LAYERS[name]
    model = network(keras, options, rank, nested=nested)
    copy = replaced(model, form)
    assert not any(getattr(one, "groups", 1) > 1 for one in copy._flatten_layers())
    x = examples(model)
    np.testing.assert_allclose(copy.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-4, atol=1e-4)
    again, count = built_in.restored(copy)
    assert count == 1
    assert same(again, model)
    mine, original = (next(one for one in net._flatten_layers() if one.name == "wide") for net in (again, model))
    assert type(mine) is type(original)
    assert mine.get_config() == original.get_config()


@pytest.mark.onednn(True)
@pytest.mark.parametrize("name", ["alone", "summed", "parts"])
def test_keras_alone_loads_it_trains_it_and_saves_it_and_it_still_goes_back(name, backend, keras, tmp_path):
    options, form = LAYERS[name]
    model = network(keras, options)
    copy = replaced(model, form)
    copy.compile("adam", "mse")
    copy.save(tmp_path / "faster.keras")
    x = examples(model)
    np.save(tmp_path / "x.npy", x)
    program = (
        "import sys, numpy as np, keras\n"
        "model = keras.models.load_model('faster.keras', safe_mode=True)\n"
        "x = np.load('x.npy')\n"
        "np.save('y.npy', model.predict(x, verbose=0))\n"
        "model.train_on_batch(x, np.zeros((2, 3)))\n"
        "model.save('trained.keras')\n"
        "assert not {'grouped_bench', 'grouped_layers'} & set(sys.modules)\n"
    )
    environment = {"KERAS_BACKEND": backend.name, "PATH": "", "HOME": str(tmp_path), "TF_ENABLE_ONEDNN_OPTS": "0"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, timeout=300)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0), rtol=1e-4, atol=1e-4)
    trained = keras.models.load_model(tmp_path / "trained.keras")
    again, count = built_in.restored(trained)
    assert count == 1
    assert classes(again) == classes(model)
    assert not same(again, model)
    np.testing.assert_allclose(again.predict(x, verbose=0), trained.predict(x, verbose=0), rtol=1e-4, atol=1e-4)
    assert same(replaced(again, form), trained)


def test_layers_of_a_users_own_stay_and_what_only_has_such_a_name_is_refused(keras):
    inputs = keras.Input((6, 6, 4))
    own = keras.layers.DepthwiseConv2D(3, depth_multiplier=2)(inputs)
    same_, count = built_in.restored(keras.Model(inputs, own))
    assert count == 0
    assert classes(same_)[1] == "DepthwiseConv2D"
    inner = keras.Sequential([keras.Input((4, 4, 8)), keras.layers.ReLU()], name="mine_by_split_concat")
    with pytest.raises(ValueError, match="is none"):
        built_in.restored(keras.Model(inputs, inner(own)))


def test_a_sum_over_groups_needs_known_extents(keras):
    inputs = keras.Input((None, None, 4))
    layer = keras.layers.Conv2D(8, 3, groups=2, use_bias=False, padding="same", name="wide")
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(layer(inputs)))
    assert "DepthwiseConv2D" not in classes(replaced(model, DEPTHWISE))
    assert classes(replaced(model, SPLIT)).count("Conv2D") == 2


@pytest.mark.parametrize(
    ("form", "shape", "expected"),
    [
        (DEPTHWISE, {"channels": (8, 8), "groups": 8, "bias": True}, True),
        (DEPTHWISE, {"channels": (8, 8), "groups": 4}, True),
        (DEPTHWISE, {"channels": (8, 8), "groups": 4, "bias": True}, False),
        (DEPTHWISE, {"channels": (64, 8), "groups": 4}, False),
        (DEPTHWISE, {"channels": (8, 8), "groups": 8, "rank": 3}, False),
        (DEPTHWISE, {"channels": (8, 8), "groups": 8, "rank": 1, "padding": "causal"}, False),
        (SPLIT, {"channels": (64, 64), "groups": 64}, True),
        (SPLIT, {"channels": (128, 128), "groups": 128}, False),
        ("merged_groups", {"channels": (8, 8), "groups": 4}, False),
    ],
)
def test_what_keras_layers_can_compute(form, shape, expected):
    assert has(form, make_case(**shape)) is expected


def test_a_depthwise_operation_strides_alike_on_both_axes():
    case = make_case(channels=(8, 8), groups=8)
    assert [has(DEPTHWISE, dataclasses.replace(case, stride=one)) for one in ((2, 2), (2, 1))] == [True, False]


@pytest.mark.onednn(True)
def test_the_module_that_makes_the_copy_has_its_layers_by_their_cases(keras, backend):
    case = make_case(channels=(4, 8), groups=4, size=8, bias=True)
    printed = variants.printed(DEPTHWISE, case, backend.name, None)
    made = of_keras([Substitute(case, "grouped", printed, "")], [DEPTHWISE])
    assert made.layers == ""
    names: dict = {}
    exec(compile(made.making, "making.py", "exec"), names)
    model = network(keras, {"filters": 8, "groups": 4})
    assert "DepthwiseConv2D" in classes(names["replace_layers"](model))
