"""SavedModels: the convolutions of the network that was exported, none of whose code or weights is read."""

import shutil

import numpy as np
import pytest

from grouped_bench.measure.models.reading import keras_networks, saved_models
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.measure.models.reading.saved_models import read_saved_model

# What is not the name: an export may number it.
FACTS = ("rank", "dtype", "padding", "stride", "dilation", "kernel_size", "size", "groups", "channels", "bias")


@pytest.fixture(scope="module")
def keras(backend):
    if backend.name != "tensorflow":
        pytest.skip("SavedModels are TensorFlow's")
    import keras

    return keras


def network(keras, size=(16, 16)):
    layers = keras.layers
    inputs = keras.Input((*size, 8))
    x = layers.Conv2D(16, 3, groups=4, padding="same", name="grouped")(inputs)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False, name="alone")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(8, (3, 1), padding="valid", dilation_rate=(2, 1), name="dilated")(x)
    x = layers.Conv2DTranspose(8, 3, strides=2, name="up")(x)
    return keras.Model(inputs, layers.Dense(3, name="last")(layers.GlobalAveragePooling2D()(x)))


def exported(model, path):
    model.export(str(path), verbose=False)
    return str(path)


def facts(told):
    return [{name: one[name] for name in FACTS} for one in told["convolutions"]]


@pytest.fixture(scope="module")
def path(keras, tmp_path_factory):
    return exported(network(keras), tmp_path_factory.mktemp("exported") / "net")


def test_it_has_the_convolutions_of_the_network_that_was_exported(keras, path):
    """Also the grouped one, which Keras has XLA compile as a function of its own."""
    told, own = read_saved_model(path, None), keras_networks.traced(network(keras), None)
    assert facts(told) == facts(own)
    assert [one.get("in_use") for one in told["convolutions"]] == [one.get("in_use") for one in own["convolutions"]]
    assert told["macs"] == own["macs"]
    assert [one["name"].partition("_")[0] for one in told["convolutions"]] == ["grouped", "alone", "dilated"]


def test_what_is_left_out_is_named_with_its_work(path):
    left = {one["kind"]: one for one in read_saved_model(path, None)["left_out"]}
    assert set(left) == {"Conv2DBackpropInput", "MatMul"}
    assert left["Conv2DBackpropInput"]["reason"] == "a transposed convolution, which is not measured"
    assert left["Conv2DBackpropInput"]["macs"] == 4 * 8 * 8 * 8 * 9
    assert left["MatMul"]["macs"] == 8 * 3
    assert left["MatMul"]["name"].startswith("last")


def test_the_weights_are_not_needed(path, tmp_path):
    shutil.copytree(path, tmp_path / "net")
    shutil.rmtree(tmp_path / "net" / "variables")
    assert read_saved_model(str(tmp_path / "net"), None) == read_saved_model(path, None)


def test_along_one_axis_it_is_a_convolution_of_one_axis(keras, tmp_path):
    layers = keras.layers
    inputs = keras.Input((32, 8))
    x = layers.Conv1D(16, 5, padding="same", groups=2)(inputs)
    x = layers.Conv1D(16, 3, padding="same", dilation_rate=3)(x)
    model = keras.Model(inputs, layers.Conv1D(4, 3, strides=2, use_bias=False)(x))
    found = read_saved_model(exported(model, tmp_path / "net"), None)
    assert facts(found) == facts(keras_networks.traced(model, None))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("rate", [(2, 2), (1, 3), (3, 2)])
def test_a_dilation_is_no_larger_batch(rate, padding, keras, tmp_path):
    """TensorFlow folds what is dilated into the batch, with other zeros around it."""
    layers = keras.layers
    inputs = keras.Input((16, 17, 8))
    how = {"dilation_rate": rate, "padding": padding}
    ends = [layers.Conv2D(8, 3, **how)(inputs), layers.Conv2D(8, (5, 2), groups=4, **how)(inputs)]
    model = keras.Model(inputs, [*ends, layers.DepthwiseConv2D(3, dilation_rate=2, padding=padding)(inputs)])
    found = facts(read_saved_model(exported(model, tmp_path / "net"), None))
    assert sorted(map(repr, found)) == sorted(map(repr, facts(keras_networks.traced(model, None))))


def test_three_axes_and_channels_first_are_read(keras, tmp_path):
    inputs = keras.Input((6, 6, 6, 4))
    model = keras.Model(inputs, keras.layers.Conv3D(8, 3, padding="same")(inputs))
    found = read_saved_model(exported(model, tmp_path / "net"), None)
    assert facts(found) == facts(keras_networks.traced(model, None))


def test_explicit_padding_widens_the_input(keras, tmp_path):
    import tensorflow as tf

    class Padded(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 4))])
        def __call__(self, x):
            return {"y": tf.nn.conv2d(x, tf.zeros((3, 3, 4, 8)), 2, [[0, 0], [1, 1], [1, 1], [0, 0]])}

    module = Padded()
    tf.saved_model.save(module, str(tmp_path / "net"), signatures=module.__call__)
    (found,) = read_saved_model(str(tmp_path / "net"), None)["convolutions"]
    assert (found["padding"], found["size"], found["stride"], found["bias"]) == ("valid", [10, 10], [2, 2], False)


def test_open_extents_need_a_shape(keras, tmp_path):
    inputs = keras.Input((None, None, 3))
    net = exported(keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs)), tmp_path / "net")
    with pytest.raises(RefusedError) as caught:
        read_saved_model(net, None)
    assert caught.value.told["remedy"] == "Give it like --input-shape 224,224,3"
    (found,) = read_saved_model(net, (12, 10, 3))["convolutions"]
    assert found["size"] == [12, 10]
    for shape in ((12, 10, 4), (12, 10), (2, 2, 3)):
        with pytest.raises(RefusedError) as caught:
            read_saved_model(net, shape)
        assert "--input-shape" in caught.value.told["remedy"]


def test_a_shape_where_none_is_open_is_to_be_left_out(path):
    with pytest.raises(RefusedError) as caught:
        read_saved_model(path, (32, 32, 8))
    assert caught.value.told["remedy"] == "Leave it out"


def test_of_several_signatures_the_usual_one_counts_and_others_are_refused(keras, tmp_path):
    import tensorflow as tf

    class Two(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 4))])
        def one(self, x):
            return {"y": tf.nn.conv2d(x, tf.zeros((3, 3, 4, 8)), 1, "SAME")}

        @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 4))])
        def two(self, x):
            return {"y": tf.nn.conv2d(x, tf.zeros((1, 1, 4, 8)), 1, "SAME")}

    module = Two()
    tf.saved_model.save(module, str(tmp_path / "a"), signatures={"serving_default": module.two, "other": module.one})
    (found,) = read_saved_model(str(tmp_path / "a"), None)["convolutions"]
    assert found["kernel_size"] == [1, 1]
    tf.saved_model.save(module, str(tmp_path / "b"), signatures={"first": module.two, "second": module.one})
    with pytest.raises(RefusedError) as caught:
        read_saved_model(str(tmp_path / "b"), None)
    assert caught.value.told["received"] == "b has first, second"


def test_products_are_named_with_their_work(keras, tmp_path):
    import tensorflow as tf

    class Products(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 4, 64))])
        def __call__(self, x):
            flat = tf.reshape(x, (4, 64))
            turned = tf.matmul(flat, tf.zeros((7, 64)), transpose_b=True)
            return {
                "y": turned,
                "z": tf.matmul(x, x, transpose_b=True),
                "e": tf.einsum("bij,jk->bik", x, tf.zeros((64, 2))),
            }

    module = Products()
    tf.saved_model.save(module, str(tmp_path / "net"), signatures=module.__call__)
    left = {one["kind"]: one["macs"] for one in read_saved_model(str(tmp_path / "net"), None)["left_out"]}
    assert left == {"MatMul": 4 * 7 * 64, "BatchMatMulV2": 4 * 4 * 64, "Einsum": None}


def test_a_separable_layer_of_one_axis_is_one_in_both_parts(keras, tmp_path):
    inputs = keras.Input((32, 8))
    model = keras.Model(inputs, keras.layers.SeparableConv1D(4, 3)(inputs))
    found = read_saved_model(exported(model, tmp_path / "net"), None)
    assert [(one["rank"], one["size"]) for one in found["convolutions"]] == [(1, [32]), (1, [30])]


def test_a_function_without_a_signature_is_refused(keras, tmp_path):
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "net"))
    with pytest.raises(RefusedError) as caught:
        read_saved_model(str(tmp_path / "net"), None)
    assert caught.value.told["rule"] == "A SavedModel must have one signature, or one called serving_default"


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"text", np.random.default_rng(0).bytes(4096)])
def test_what_is_no_graph_is_refused(content, keras, tmp_path):
    (tmp_path / saved_models.FILE).write_bytes(content)
    with pytest.raises(RefusedError) as caught:
        read_saved_model(str(tmp_path), None)
    assert caught.value.told["rule"] == "A SavedModel must hold a network"


def test_a_damaged_graph_ends_in_words(path, tmp_path):
    whole = bytearray((tmp_path.__class__(path) / saved_models.FILE).read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(20):
        broken = bytearray(whole)
        for place in rng.integers(len(whole), size=6):
            broken[place] = rng.integers(256)
        (tmp_path / saved_models.FILE).write_bytes(broken)
        try:
            read_saved_model(str(tmp_path), None)
        except RefusedError as refused:
            assert refused.told["remedy"]


def test_a_graph_that_is_too_large_is_not_opened(path, monkeypatch):
    monkeypatch.setattr(saved_models, "LARGEST_GRAPH", 1000)
    with pytest.raises(RefusedError, match="A SavedModel must hold a network"):
        read_saved_model(path, None)
