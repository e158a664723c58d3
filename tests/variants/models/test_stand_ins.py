"""Layers that stand in for Keras' own in a saved model: one checkpoint for both, and Keras' own if refused."""

import subprocess
import sys
import types
import warnings

import numpy as np
import pytest
from cases import make_case

from grouped_bench import variants
from grouped_bench.report.optimization import module_text
from grouped_bench.variants.models.modules import Substitute, stand_ins

FORMS = [("grouped_native", None), ("merged_groups", "m=2"), ("depthwise_sum", None)]


def with_an_operation(keras):
    """A network in which something is computed by no layer."""
    inputs = keras.Input((6, 6, 4))
    x = keras.layers.Conv2D(8, 3, groups=4, padding="same")(inputs)
    return keras.Model(inputs, x * 2 + keras.ops.relu(x))


def case_of(**shape):
    return make_case(**{"bias": True, "groups": 4, "size": 6, **shape})


def made(backend, *forms, case=None):
    found = case or case_of()
    printed = [variants.printed(name, found, backend.name, choice) for name, choice in forms]
    substitutes = [Substitute(found, "grouped", one, "") for one in printed]
    return stand_ins(substitutes, guarded=backend.refuses_by_processor)


@pytest.fixture
def keras(backend):
    import keras

    return keras


@pytest.fixture
def module(backend, monkeypatch):
    """Runs the module that replaces the layers of the usual case by a form."""

    def run(form, case=None):
        found = types.ModuleType("grouped_layers")
        monkeypatch.setitem(sys.modules, "grouped_layers", found)
        exec(compile(made(backend, form, case=case).making, "grouped_layers.py", "exec"), vars(found))
        return found

    return run


def network(keras, seed=0):
    """A network with two layers of the usual case, beside others of Keras'."""
    layer = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 6, 4)),
            layer.Conv2D(4, 1, name="first"),
            layer.Conv2D(8, 3, groups=4, padding="same", activation="relu", name="wide"),
            layer.Conv2D(4, 1),
            layer.Conv2D(8, 3, groups=4, padding="same", name="last"),
            layer.BatchNormalization(),
        ]
    )
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.1, 1, one.shape).astype(one.dtype) for one in model.get_weights()])
    return model


def results(model, x):
    return np.asarray(model.predict(x, verbose=0))


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def trained(model, steps=3):
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((4, 6, 6, 4)), rng.standard_normal((4, 6, 6, 8))
    for _ in range(steps):
        model.train_on_batch(x, y)


@pytest.mark.parametrize("form", FORMS)
def test_a_checkpoint_of_one_is_a_checkpoint_of_the_other(form, module, keras, tmp_path):
    original = network(keras)
    copy = module(form).replace_layers(original)
    assert [type(layer).__name__ for layer in copy.layers] == [type(layer).__name__ for layer in original.layers]
    assert sum(type(layer) is not type(own) for layer, own in zip(copy.layers, original.layers, strict=True)) == 2
    for first, second in ((original, copy), (copy, original)):
        for model in (first, second):
            model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
        trained(first)
        first.save_weights(tmp_path / "checkpoint.weights.h5")
        trained(second, 1)
        second.load_weights(tmp_path / "checkpoint.weights.h5")
        assert same(first, second)
        slots = [[np.asarray(one) for one in model.optimizer.variables] for model in (first, second)]
        assert len(slots[0]) > 10
        assert all(np.array_equal(a, b) for a, b in zip(*slots, strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_the_copy_loads_beside_its_file_in_a_process_that_knows_nothing_of_us(form, module, backend, keras, tmp_path):
    original = network(keras)
    copy = module(form).replace_layers(original)
    copy.save(tmp_path / "faster.keras")
    text = module_text(made(backend, form).layers, "faster.keras")
    (tmp_path / "grouped_layers.py").write_text(text, encoding="utf-8")
    x = np.random.default_rng(1).standard_normal((2, 6, 6, 4)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    program = (
        "import sys, numpy as np, keras, grouped_layers\n"
        "model = keras.models.load_model('faster.keras')\n"
        "np.save('y.npy', model.predict(np.load('x.npy'), verbose=0))\n"
        "assert 'grouped_bench' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), results(original, x), rtol=1e-4, atol=1e-4)


def test_what_no_layer_computes_is_copied_too(module, keras):
    original = with_an_operation(keras)
    copy = module(("merged_groups", "m=2")).replace_layers(original)
    x = np.random.default_rng(1).standard_normal((2, 6, 6, 4)).astype("float32")
    np.testing.assert_allclose(results(copy, x), results(original, x), rtol=1e-4, atol=1e-4)


def test_a_compiled_model_stays_compiled_and_its_copy_is_not(module, keras):
    original = network(keras)
    original.compile("sgd", lambda y, found: keras.ops.mean(y - found), jit_compile=False)
    copy = module(("merged_groups", "m=2")).replace_layers(original)
    assert (original.compiled, copy.compiled) == (True, False)


@pytest.mark.parametrize("form", FORMS)
def test_extents_may_stay_open(form, module, keras):
    inputs = keras.Input((None, None, 8))
    model = keras.Model(inputs, keras.layers.Conv2D(8, 3, groups=4, padding="same")(inputs))
    copy = module(form, case_of(channels=(8, 8))).replace_layers(model)
    for size in (5, 7, 9):
        x = np.random.default_rng(size).standard_normal((2, size, size, 8)).astype("float32")
        np.testing.assert_allclose(results(copy, x), results(model, x), rtol=1e-4, atol=1e-4)


@pytest.mark.onednn(False)
def test_keras_own_convolution_trains_what_this_machine_refuses_and_says_so_once(on_tensorflow, module, keras):
    original = network(keras)
    copy = module(("grouped_native", None)).replace_layers(original)
    x = np.random.default_rng(1).standard_normal((2, 6, 6, 4)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(results(copy, x), results(original, x), rtol=1e-4, atol=1e-4)
    for model in (original, copy):
        model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
    trained(original)
    with pytest.warns(UserWarning, match="Keras' own convolution, since") as told:
        trained(copy)
    ours = [str(one.message) for one in told if "Keras' own convolution" in str(one.message)]
    assert sorted(one.partition(":")[0] for one in ours) == ["last", "wide"]
    for own, other in zip(original.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_allclose(other, own, rtol=1e-4, atol=1e-4)


@pytest.mark.onednn(True)
def test_nothing_is_said_where_nothing_is_refused(module, keras):
    copy = module(("grouped_native", None)).replace_layers(network(keras))
    copy.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(copy)


def test_the_module_of_a_form_is_a_page(backend):
    lengths = {form[0]: len(made(backend, form).layers.splitlines()) for form in FORMS}
    assert lengths["grouped_native"] <= 120
    assert max(lengths.values()) <= 150


@pytest.mark.parametrize("name", variants.REGISTRY)
def test_a_variant_keeps_keras_weights_or_does_not_say_so(name, backend):
    variant = variants.get(name)
    case = case_of(groups=4)
    if not variant.keeps_weights or variant.scope != "layer":
        return
    try:
        layer = variant.layer(case, backend)
    except NotImplementedError:
        pytest.skip("not on this backend")
    layer.build(case.input_shape)
    groups = case.groups if variant.computes == "grouped" else 1
    assert [tuple(one.shape) for one in layer.trainable_variables] == [(3, 3, 4 // groups, 8), (8,)]


# Keras' depthwise layers


def depthwise_network(keras):
    layer = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 6, 4)),
            layer.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu", name="alone"),
            layer.Conv2D(4, 1, name="between"),
            layer.Conv2D(8, 3, groups=4, padding="same", name="wide"),
        ]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, one.shape).astype(one.dtype) for one in model.get_weights()])
    return model


@pytest.fixture
def both_kinds(backend):
    """The modules for that network: a form for its depthwise layer, and one for its grouped layer."""

    def of(*forms):
        printed = [variants.printed(name, case_of(), backend.name, choice) for name, choice in forms]
        kinds = ("depthwise_sum", "grouped")
        substitutes = [Substitute(case_of(), kind, one, "") for kind, one in zip(kinds, printed, strict=True)]
        return stand_ins(substitutes, guarded=backend.refuses_by_processor)

    return of


@pytest.mark.onednn(True)
@pytest.mark.parametrize("form", FORMS[:2])
def test_a_depthwise_layer_has_other_forms_with_its_weights(form, both_kinds, keras, tmp_path, monkeypatch):
    module = types.ModuleType("grouped_layers")
    monkeypatch.setitem(sys.modules, "grouped_layers", module)
    modules = both_kinds(form, ("merged_groups", "m=4"))
    exec(compile(modules.making, "grouped_layers.py", "exec"), vars(module))
    original = depthwise_network(keras)
    copy = module.replace_layers(original)
    assert [type(one).__name__ for one in copy.layers] == ["DepthwiseConv2D", "Conv2D", "Conv2D"]
    assert [type(one) is type(own) for one, own in zip(copy.layers, original.layers, strict=True)] == [0, 1, 0]
    x = np.random.default_rng(1).standard_normal((2, 6, 6, 4)).astype("float32")
    np.testing.assert_allclose(results(copy, x), results(original, x), rtol=1e-4, atol=1e-4)
    for model in (original, copy):
        model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
        model.train_on_batch(x, np.ones((2, 6, 6, 8), "float32"))
    for own, other in zip(original.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_allclose(other, own, rtol=1e-4, atol=1e-4)
    copy.save_weights(tmp_path / "a.weights.h5")
    original.load_weights(tmp_path / "a.weights.h5")
    assert same(original, copy)
    copy.save(tmp_path / "faster.keras")
    text = module_text(modules.layers, "faster.keras")
    (tmp_path / "grouped_layers.py").write_text(text, encoding="utf-8")
    program = "import keras, grouped_layers\nkeras.models.load_model('faster.keras').save_weights('b.weights.h5')\n"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True)
    original.set_weights([0 * one for one in original.get_weights()])
    original.load_weights(tmp_path / "b.weights.h5")
    assert same(original, copy)


@pytest.mark.onednn(False)
def test_keras_trains_a_depthwise_layer_whose_form_is_refused(on_tensorflow, both_kinds, keras, monkeypatch):
    module = types.ModuleType("grouped_layers")
    monkeypatch.setitem(sys.modules, "grouped_layers", module)
    exec(compile(both_kinds(("grouped_native", None), ("merged_groups", "m=4")).making, "a.py", "exec"), vars(module))
    copy = module.replace_layers(depthwise_network(keras))
    copy.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
    with pytest.warns(UserWarning, match="alone: Keras' own convolution, since"):
        trained(copy)
