"""Hand-written grouped convolutions, folded to one layer: the same function, and what only looks so is left alone."""

import numpy as np
import pytest

from grouped_bench.variants.models.folding import folded, folds, give_back


@pytest.fixture
def keras(backend):
    import keras

    return keras


def by_split(keras, x, count):
    return keras.ops.split(x, count, axis=-1)


def by_slices(keras, x, count):
    width = x.shape[-1] // count
    return [x[..., place * width : (place + 1) * width] for place in range(count)]


def by_whole_slices(keras, x, count):
    width = x.shape[-1] // count
    return [x[:, :, :, place * width : (place + 1) * width] for place in range(count)]


def network(keras, parted=by_split, join=None, count=4, **options):
    """A network whose first convolution is one for each part of the channels."""
    layer = keras.layers
    inputs = keras.Input((8, 8, 8))
    x = layer.Conv2D(8, 1)(inputs)
    options = {"kernel_size": 3, "padding": "same", "activation": "relu", **options}
    parts = [layer.Conv2D(4, name=f"part_{n}", **options)(part) for n, part in enumerate(parted(keras, x, count))]
    x = (join or layer.Concatenate())(parts)
    model = keras.Model(inputs, layer.Dense(3)(layer.GlobalAveragePooling2D()(layer.BatchNormalization()(x))))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, one.shape).astype(one.dtype) for one in model.get_weights()])
    return model


def results(model):
    x = np.random.default_rng(1).standard_normal((2, *model.input_shape[1:])).astype("float32")
    return model.predict(x, verbose=0)


def groups(model):
    return [one.groups for one in model._flatten_layers() if getattr(one, "groups", 1) > 1]


@pytest.mark.onednn(True)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("parted", [by_split, by_slices, by_whole_slices])
def test_it_is_the_same_function_and_its_weights_come_back(parted, bias, keras):
    model = network(keras, parted, use_bias=bias)
    (fold,) = folds(model)
    assert fold.name == "part_0"
    copy = folded(model)
    assert groups(copy) == [4]
    assert len(copy.layers) < len(model.layers)
    np.testing.assert_allclose(results(copy), results(model), rtol=1e-4, atol=1e-4)
    before = model.get_weights()
    model.set_weights([0 * one for one in before])
    give_back(copy, model)
    assert all(map(np.array_equal, model.get_weights(), before))


@pytest.mark.onednn(True)
def test_one_in_a_model_within_the_model_is_found_too(keras):
    inner = network(keras)
    inputs = keras.Input((8, 8, 8))
    model = keras.Model(inputs, keras.layers.Softmax()(inner(inputs)))
    copy = folded(model)
    assert groups(copy) == [4]
    np.testing.assert_allclose(results(copy), results(model), rtol=1e-4, atol=1e-4)


def test_what_is_not_asked_for_stays(keras):
    copy = folded(network(keras), names=["another"])
    assert groups(copy) == []
    assert len([one for one in copy.layers if one.name.startswith("part_")]) == 4


def unordered(keras, x, count):
    return list(reversed(by_slices(keras, x, count)))


def overlapping(keras, x, count):
    return [x[..., place : place + 2] for place in range(count)]


def repeated(keras, x, count):
    return [x[..., :2]] * count


def strided(keras, x, count):
    return [x[..., ::4]] * count


def of_rows(keras, x, count):
    return [x[:, :4, :, 2 * place : 2 * place + 2] for place in range(count)]


def of_all(keras, x, count):
    return [x] * count


@pytest.mark.parametrize("parted", [unordered, overlapping, repeated, strided, of_rows, of_all])
def test_other_parts_are_no_groups(parted, keras):
    assert folds(network(keras, parted)) == []


@pytest.mark.parametrize("options", [{"activation": "softmax"}, {"kernel_constraint": "non_neg"}, {"groups": 2}])
def test_layers_that_one_layer_would_compute_otherwise_stay(options, keras):
    assert folds(network(keras, **options)) == []


def test_a_sum_or_another_axis_is_no_fold(keras):
    layer = keras.layers
    assert folds(network(keras, join=layer.Add())) == []
    assert folds(network(keras, join=layer.Concatenate(axis=1))) == []


def test_parts_that_somebody_else_takes_too_stay(keras):
    inputs = keras.Input((8, 8, 8))
    parts = keras.ops.split(inputs, 2, axis=-1)
    made = [keras.layers.Conv2D(4, 3, padding="same")(part) for part in parts]
    x = keras.layers.Concatenate()(made)
    assert len(folds(keras.Model(inputs, x))) == 1
    assert folds(keras.Model(inputs, [x, made[0]])) == []
    assert folds(keras.Model(inputs, keras.layers.Add()([x, keras.layers.Concatenate()([parts[0], parts[1]])]))) == []


def test_layers_of_unlike_parts_stay(keras):
    inputs = keras.Input((8, 8, 8))
    parts = keras.ops.split(inputs, 2, axis=-1)
    made = [keras.layers.Conv2D(4, size, padding="same")(part) for part, size in zip(parts, (3, 5), strict=True)]
    assert folds(keras.Model(inputs, keras.layers.Concatenate()(made))) == []
    shared = keras.layers.Conv2D(4, 3, padding="same")
    assert folds(keras.Model(inputs, keras.layers.Concatenate()([shared(part) for part in parts]))) == []
