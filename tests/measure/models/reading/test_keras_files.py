"""Keras files of every age: what Keras 2 wrote is the network that Keras 3 makes of the same layers."""

import json
import zipfile

import pytest

from grouped_bench.measure.models.reading import keras_files, keras_networks
from grouped_bench.measure.models.reading.refused import RefusedError


def network(keras):
    """Grouped, depthwise, separable, transposed; a branch, a normalisation, and a model in the model."""
    layers = keras.layers
    inputs = keras.Input((16, 16, 8))
    first = layers.Conv2D(16, 3, groups=4, padding="same", name="grouped")(inputs)
    second = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(first)
    found = layers.BatchNormalization()(layers.Add()([first, second]))
    found = layers.SeparableConv2D(8, 3, name="separable")(layers.ReLU()(found))
    found = layers.Conv2DTranspose(4, 2, name="up")(found)
    inner = keras.Sequential([layers.Conv2D(4, 1, name="inner")], name="block")
    return keras.Model(inputs, layers.Dense(3, name="scores")(layers.GlobalAveragePooling2D()(inner(found))))


@pytest.fixture
def keras(backend):
    import keras

    return keras


@pytest.fixture
def old(backend):
    if backend.name != "tensorflow":
        pytest.skip("Keras 2 is TensorFlow's")
    return pytest.importorskip("tf_keras")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_of_keras_2_is_the_same_network(suffix, old, keras, tmp_path):
    network(old).save(str(tmp_path / f"old{suffix}"))
    network(keras).save(tmp_path / "new.keras")
    told = keras_networks.of_file(str(tmp_path / f"old{suffix}"), None)
    assert told == keras_networks.of_file(str(tmp_path / "new.keras"), None)
    assert len(told["convolutions"]) == 5


def test_a_policy_of_keras_2_is_read(old, tmp_path):
    before = old.mixed_precision.global_policy()
    old.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        layers = [old.layers.Conv1D(8, 3, groups=2)]
        old.Sequential([old.Input((16, 4)), *layers]).save(str(tmp_path / "old.keras"))
    finally:
        old.mixed_precision.set_global_policy(before)
    (found,) = keras_networks.of_file(str(tmp_path / "old.keras"), None)["convolutions"]
    assert (found["dtype"], found["groups"]) == ("mixed_bfloat16", 2)


def test_groups_that_a_layer_does_not_have_are_left_out(keras, tmp_path):
    """Some tools write `"groups": 1` into depthwise and transposed layers."""
    layers = [keras.layers.DepthwiseConv2D(3), keras.layers.Conv2DTranspose(4, 2)]
    keras.Sequential([keras.Input((8, 8, 4)), *layers]).save(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras") as archive:
        config = json.loads(archive.read("config.json"))
    for layer in config["config"]["layers"]:
        if "Conv" in layer["class_name"]:
            layer["config"]["groups"] = 1
    rewrite(tmp_path / "groups.keras", config)
    told = keras_networks.of_file(str(tmp_path / "groups.keras"), None)
    assert [one["groups"] for one in told["convolutions"]] == [4]
    config["config"]["layers"][1]["config"]["groups"] = 2
    rewrite(tmp_path / "two.keras", config)
    assert "groups" in refused(tmp_path / "two.keras")["received"]


def rewrite(path, config, version=None):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        if version:
            archive.writestr("metadata.json", json.dumps({"keras_version": version}))


def refused(path):
    with pytest.raises(RefusedError) as caught:
        keras_networks.of_file(str(path), None)
    return caught.value.told


def test_an_old_file_that_cannot_be_rebuilt_says_its_version(keras, tmp_path):
    config = {"module": "keras.src.engine.functional", "class_name": "Functional", "config": {"layers": 3}}
    rewrite(tmp_path / "old.keras", config, "2.15.0")
    told = refused(tmp_path / "old.keras")
    assert "saved by Keras 2.15.0" in told["received"]
    assert told["remedy"].startswith("Save it anew with tf-keras")


def test_a_file_of_weights_alone_is_refused(keras, tmp_path):
    import h5py

    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["kernel"] = [1.0]
    assert refused(tmp_path / "weights.h5")["received"] == "weights.h5 (weights alone, without their model)"
    (tmp_path / "none.h5").write_bytes(b"\x89HDF\r\n")
    assert refused(tmp_path / "none.h5")["rule"] == "A model must be a file that model.save() wrote"


def test_a_lambda_of_an_old_file_does_not_run(old, tmp_path, monkeypatch):
    mark = tmp_path / "ran"
    monkeypatch.chdir(tmp_path)
    model = old.Sequential([old.Input((4, 4, 2)), old.layers.Lambda(lambda x: x)])
    model.save(str(tmp_path / "net.h5"))
    monkeypatch.setattr(keras_files, "_rebuilt", lambda *_, **__: mark.write_bytes(b""))
    assert "a Lambda layer" in refused(tmp_path / "net.h5")["received"]
    assert not mark.exists()


def test_what_is_told_at_every_step_is_traced_once(keras, tmp_path):
    """Of 4,096 steps as of 16: a trace of each made reading take a time that grew with the sequence."""
    count = []

    class Counted(keras.layers.Dense):
        def call(self, inputs):
            count.append(inputs.shape)
            return super().call(inputs)

    model = keras.Sequential(
        [keras.Input((4096, 3)), keras.layers.Conv1D(4, 3, padding="same"), keras.layers.TimeDistributed(Counted(2))]
    )
    count.clear()
    before = keras.layers.TimeDistributed.call
    told = keras_networks.traced(model, None)
    assert [one["reason"] for one in told["left_out"]] == []
    assert len(count) <= 2
    assert keras.layers.TimeDistributed.call is before
