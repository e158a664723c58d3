"""A network of one's own: its convolutions with their multiplicities, and refusals in words of what is none."""

import json
import subprocess
import sys
import zipfile

import pytest

from grouped_bench.errors import HostError, SpaceError
from grouped_bench.harness.inspect import networks
from grouped_bench.harness.inspect.networks import MOST_SPLIT_GROUPS, distinct, left_out, read_network
from grouped_bench.harness.plan import make_plan
from grouped_bench.measure.models.reading import keras_files, keras_networks
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.space.space import Space

SMALL = (8, 8, 3)


@pytest.fixture
def keras(backend):
    import keras

    return keras


@pytest.fixture
def told(keras, tmp_path):
    """What the child would answer of a model."""

    def read(model, shape=None):
        path = tmp_path / "net.keras"
        model.save(path)
        return keras_networks.of_file(str(path), shape and tuple(shape))

    return read


def sequence(keras, *layers, shape=SMALL):
    return keras.Sequential([keras.Input(shape), *layers])


def refused(action, *arguments):
    with pytest.raises((RefusedError, SpaceError)) as caught:
        action(*arguments)
    return caught.value.told if isinstance(caught.value, RefusedError) else str(caught.value)


# What is read


def test_a_convolution_is_told_with_its_shape_and_its_own_padding(keras, told):
    layer = keras.layers.Conv2D(16, (3, 1), strides=2, groups=4, use_bias=False, padding="valid", name="c")
    (found,) = told(sequence(keras, layer, shape=(9, 8, 8)))["convolutions"]
    assert found == {
        **{"name": "c", "rank": 2, "data_format": "channels_last", "dtype": "float32", "padding": "valid"},
        **{"stride": [2, 2], "dilation": [1, 1], "kernel_size": [3, 1], "size": [9, 8], "bias": False},
        **{"groups": 4, "channels": [8, 16]},
    }


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_every_rank_is_read_and_explicit_padding_widens_the_input(rank, keras, told):
    pad = getattr(keras.layers, f"ZeroPadding{rank}D")(1)
    convolution = getattr(keras.layers, f"Conv{rank}D")(4, 3)
    (found,) = told(sequence(keras, pad, convolution, shape=(6,) * rank + (2,)))["convolutions"]
    assert (found["rank"], found["size"], found["padding"], found["bias"]) == (rank, [8] * rank, "valid", True)


@pytest.mark.parametrize("rank", [1, 2])
def test_a_depthwise_convolution_has_as_many_groups_as_channels(rank, keras, told):
    layer = getattr(keras.layers, f"DepthwiseConv{rank}D")(3, depth_multiplier=2)
    (found,) = told(sequence(keras, layer, shape=(8,) * rank + (6,)))["convolutions"]
    assert (found["groups"], found["channels"], found["kernel_size"]) == (6, [6, 12], [3] * rank)
    assert found["in_use"] == "depthwise_sum"


@pytest.mark.parametrize(("groups", "in_use"), [(1, None), (3, None), (6, "grouped")])
def test_a_grouped_layer_of_single_channels_is_told_from_a_depthwise_one(groups, in_use, keras, told):
    """ConvNeXt has its depthwise convolutions so, which Keras does not compute by the depthwise operation."""
    layer = keras.layers.Conv2D(6, 3, groups=groups)
    (found,) = told(sequence(keras, layer, shape=(8, 8, 6)))["convolutions"]
    assert found.get("in_use") == in_use


def test_a_depthwise_layer_of_one_channel_is_a_plain_convolution(keras, told):
    (found,) = told(sequence(keras, keras.layers.DepthwiseConv2D(3), shape=(8, 8, 1)))["convolutions"]
    assert (found["groups"], "in_use" in found) == (1, False)


def test_a_separable_convolution_is_its_two_parts(keras, told):
    layer = keras.layers.SeparableConv2D(10, 3, strides=2, depth_multiplier=2, padding="same", name="s")
    first, second = told(sequence(keras, layer, shape=(9, 9, 4)))["convolutions"]
    assert (first["name"], first["groups"], first["channels"], first["stride"]) == ("s, depthwise", 4, [4, 8], [2, 2])
    assert (second["name"], second["groups"], second["channels"], second["size"]) == (
        "s, pointwise", 1, [8, 10], [5, 5]
    )  # fmt: skip
    assert (first["bias"], second["bias"]) == (False, True)
    weights = layer.count_params()
    assert weights == 9 * 8 + 8 * 10 + 10


def test_a_layer_that_is_called_twice_counts_twice_and_nested_models_are_entered(keras, told):
    shared = keras.layers.Conv2D(3, 3, padding="same", name="shared")
    inner = keras.Sequential([keras.Input(SMALL), keras.layers.Conv2D(3, 1, name="inner")])
    inputs = keras.Input(SMALL)
    model = keras.Model(inputs, inner(inner(shared(shared(inputs)))))
    found = told(model)["convolutions"]
    assert [one["name"] for one in found] == ["shared", "shared", "inner", "inner"]
    tables = distinct(found)
    assert [(table["label"], table["multiplicity"]) for table in tables] == [
        ("shared and 1 more", 2), ("inner and 1 more", 2)
    ]  # fmt: skip


def test_open_extents_come_from_the_shape_that_is_given(keras, told):
    model = sequence(keras, keras.layers.Conv2D(4, 3, padding="same"), shape=(None, None, 3))
    (found,) = told(model, [10, 12, 3])["convolutions"]
    assert found["size"] == [10, 12]
    asked = refused(told, model)
    assert asked["received"] == "no --input-shape for a model that takes (None, None, 3)"
    assert asked["remedy"] == "Give it like --input-shape 224,224,3"


def test_a_shape_that_the_model_does_not_take_is_refused(keras, told):
    model = sequence(keras, keras.layers.Conv2D(4, 3))
    assert "--input-shape 9,9,3 for a model that takes (8, 8, 3)" in refused(told, model, [9, 9, 3])["received"]


def test_a_model_of_several_inputs_is_read_by_its_own_shapes_only(keras, told):
    inputs = [keras.Input(SMALL), keras.Input(SMALL)]
    model = keras.Model(inputs, keras.layers.Conv2D(4, 3)(keras.layers.Add()(inputs)))
    assert len(told(model)["convolutions"]) == 1
    assert refused(told, model, list(SMALL))["received"] == "a model with 2 inputs"


def test_what_is_left_out_is_told_with_its_reason(keras, told):
    layers = keras.layers
    answer = told(
        keras.Sequential(
            [
                keras.Input((2, 8, 8, 3)),
                layers.TimeDistributed(layers.Conv2D(4, 3, name="steps")),
                layers.ConvLSTM2D(4, 3, name="memory"),
                layers.Conv2DTranspose(4, 3, name="up"),
            ]
        )
    )
    assert answer["convolutions"] == []
    assert left_out(answer["left_out"]) == [
        "Left out: 1 × Conv2D (steps): called once for every step of a sequence",
        "Left out: 1 × ConvLSTM2D (memory): a recurrent convolution",
        "Left out: 1 × Conv2DTranspose (up): a transposed convolution, which has no groups in Keras",
    ]


def test_a_dtype_in_which_nothing_is_measured_is_left_out(keras, told):
    answer = told(sequence(keras, keras.layers.Conv2D(4, 3, dtype="float64", name="c")))
    assert left_out(answer["left_out"]) == ["Left out: 1 × Conv2D (c): dtype float64, which is not supported"]


def test_networks_of_keras_are_built_by_name_without_weights(keras):
    found = keras_networks.of_name("MobileNet", None)["convolutions"]
    tables = distinct(found)
    assert len(found) == 28
    assert sum(table["multiplicity"] for table in tables) == 28
    plan = make_plan(Space(cases=tables))
    counts = [
        cohort.counts("grouped" if cohort.case.groups > 1 else "regular").params * cohort.multiplicity
        for cohort in plan.cohorts
    ]
    model = keras.applications.MobileNet(weights=None)
    convolutions = [layer for layer in model.layers if "Conv" in type(layer).__name__]
    assert sum(counts) == sum(layer.count_params() for layer in convolutions)
    assert not plan.skipped


def test_an_architecture_that_leaves_its_extents_open_has_the_usual_ones(keras):
    found = keras_networks.of_name("MobileNetV3Small", None)["convolutions"]
    assert found == keras_networks.of_name("MobileNetV3Small", (224, 224, 3))["convolutions"]


def test_an_unknown_network_is_refused_with_those_there_are(keras):
    answer = refused(keras_networks.of_name, "Nope", None)
    assert answer["received"] == "Nope"
    assert "EfficientNetV2B0, " in answer["remedy"]


def test_reading_leaves_keras_as_it_was(keras, told):
    before = keras.layers.Layer.__call__
    told(sequence(keras, keras.layers.Conv2D(4, 3)))
    assert keras.layers.Layer.__call__ is before


# What is no model


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("garbage.keras", b"\x00\xff" * 100),
        ("empty.keras", b""),
        ("no_config.keras", {"metadata.json": b"{}"}),
        ("no_json.keras", {"config.json": b"{"}),
        ("list.keras", {"config.json": b"[1]"}),
        ("deep.keras", {"config.json": b"[" * 100_000}),
        ("bomb.keras", {"config.json": b" " * (keras_files.LARGEST_CONFIG + 1)}),
    ],
)
def test_a_file_that_holds_no_model_is_refused(name, content, tmp_path):
    path = tmp_path / name
    if isinstance(content, dict):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in content.items():
                archive.writestr(member, data)
    else:
        path.write_bytes(content)
    answer = refused(keras_files.config_of, str(path))
    assert answer["rule"] == "A model must be a file that model.save() wrote"
    assert answer["received"].startswith(f"{name} (")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"class_name": "Nope", "config": {}},
        {"class_name": "Evil", "module": "os", "config": {}, "registered_name": "os>system"},
        {"class_name": "function", "module": "os", "config": "system", "registered_name": "function"},
        {"class_name": "Functional", "module": "keras", "config": {"layers": 3}, "registered_name": "Functional"},
    ],
)
def test_a_config_of_something_else_is_refused(config, keras, tmp_path):
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    answer = refused(keras_networks.of_file, str(path), None)
    assert answer["rule"].startswith(
        ("A model must consist of Keras' own layers", "A .keras file must contain a model")
    )


def test_custom_layers_are_refused(keras, told):
    class Mine(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    answer = refused(told, sequence(keras, Mine()))
    assert answer["rule"] == "A model must consist of Keras' own layers, without Lambda layers and custom objects"


def test_a_lambda_layer_is_refused_before_anything_of_it_runs(keras, told, tmp_path, monkeypatch):
    mark = tmp_path / "ran"
    layer = keras.layers.Lambda(lambda x: (open("ran", "w"), x)[1], output_shape=SMALL)  # noqa: PTH123
    model = sequence(keras, keras.layers.Conv2D(3, 1))
    model = keras.Sequential([*model.layers, layer])
    monkeypatch.chdir(tmp_path)
    answer = refused(told, model, list(SMALL))
    assert "Lambda" in answer["received"]
    assert not mark.exists()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("none.keras", "No such file or directory: none.keras"),
        (".", "a folder without saved_model.pb: ."),
        ("model.pb", "another ending: model.pb"),
        ("nul\0", "nul"),
        ("x" * 5000 + ".keras", "File name too long"),
    ],
)
def test_a_path_that_is_no_keras_file_is_refused(model, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pb").write_bytes(b"")
    told = refused(read_network, model)
    assert told.startswith(
        "A model must be a file (.keras, .h5, .hdf5, .onnx, .pt2), a SavedModel, keras.applications:NAME, timm:NAME"
    )
    assert words in told


def test_a_name_of_a_library_that_is_not_read_is_told_what_helps():
    told = refused(read_network, "keras_hub:resnet-18")
    assert told.endswith(
        "Received: No such file or directory: keras_hub:resnet-18. "
        "Name a function of yours that builds the network, as MODULE:FUNCTION."
    )


def test_a_saved_model_without_a_graph_is_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    told = refused(read_network, tmp_path)
    assert told.startswith("A SavedModel must hold a network. Received: ")
    assert told.endswith("(no graph). Write it by model.export() or tf.saved_model.save.")


def test_a_model_in_memory_is_read_as_its_file_is(keras, tmp_path):
    layers = (keras.layers.Conv2D(8, 3, groups=1), keras.layers.DepthwiseConv2D(3))
    model = sequence(keras, *layers)
    model.save(tmp_path / "net.keras")
    found = read_network(model)
    assert found.tables == read_network(tmp_path / "net.keras").tables
    assert (len(found.tables), found.source) == (2, model.name)


def test_what_is_no_network_is_refused_in_words():
    assert "Received: dict of builtins." in refused(read_network, {})


def test_a_model_of_a_class_of_its_own_is_refused_in_words(keras):
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    assert "must" in refused(read_network, Own())


@pytest.mark.parametrize("shape", ["", "a", "0,1", "-1", "1,2,3,4,5", "224x224x3", "9" * 12, [1.5], ["a"], []])
def test_an_input_shape_of_something_else_is_refused(shape):
    told = refused(read_network, "keras.applications:MobileNet", shape)
    assert told.startswith("An input shape must be 1 to 4 integers from 1 to 16,777,216, channels included.")
    assert told.endswith("Write it like 224,224,3.")


def test_a_child_that_takes_too_long_or_ends_early_is_told_in_words(monkeypatch):
    monkeypatch.setattr(networks, "_SECONDS", 0.001)
    assert refused(read_network, "keras.applications:VGG16") == (
        "A model must load within 0.001 s. Received: keras.applications:VGG16. Use a smaller model."
    )
    monkeypatch.setattr(networks, "_SECONDS", 60.0)
    monkeypatch.setattr(networks.sys, "executable", "false")
    with pytest.raises(
        HostError, match=r"Keras must be able to read keras.applications:VGG16. Received: exit code 1\. Try "
    ):
        read_network("keras.applications:VGG16")


# From convolutions to cases


def convolution(name="c", groups=1, channels=(8, 8), **more):
    common = {"rank": 2, "padding": "same", "stride": [1, 1], "dilation": [1, 1], "kernel_size": [3, 3]}
    return {**common, "name": name, "groups": groups, "channels": list(channels), "size": [8, 8], **more}


def test_equal_convolutions_are_one_case_as_often_as_they_come():
    calls = [convolution("a"), convolution("b", groups=2), convolution("c")]
    points = list(Space(cases=distinct(calls)).points())
    assert [(p.label, p.multiplicity, p.case.groups) for p in points] == [("a and 1 more", 2, 1), ("b", 1, 2)]


def test_the_lists_of_a_convolution_are_extents_and_not_several_values():
    (point,) = Space(cases=distinct([convolution(stride=[2, 1], size=[9, 7], channels=(3, 64))])).points()
    case = point.case
    assert (case.stride, case.size, case.in_channels, case.out_channels) == ((2, 1), (9, 7), 3, 64)


def test_layers_without_groups_have_one_variant_and_those_with_very_many_no_splits():
    sizes = (1, 2, MOST_SPLIT_GROUPS, MOST_SPLIT_GROUPS * 2)
    points = list(Space(cases=distinct([convolution(groups=g, channels=(128, 128)) for g in sizes])).points())
    assert [len(point.variants) for point in points] == [1, 5, 5, 4]
    assert points[-1].variants == ("regular", "grouped", "grouped_native", "depthwise_sum")
    (few,) = Space(cases=distinct([convolution(groups=8, in_use="depthwise_sum")])).points()
    assert (len(few.variants), few.variants[-1], few.in_use) == (6, "depthwise_sum", "depthwise_sum")


def test_a_case_that_a_network_has_both_ways_is_one_cohort_of_which_neither_is_told():
    both = [convolution(groups=8, in_use=name) for name in ("grouped", "depthwise_sum")]
    (cohort,) = make_plan(Space(cases=distinct(both))).cohorts
    assert (cohort.multiplicity, cohort.in_use) == (2, None)


def test_long_and_hostile_names_become_labels():
    (table,) = distinct([convolution("\x1b[31m" + "x" * 300)])
    assert table["label"].isprintable()
    assert len(table["label"]) <= 80
    Space(cases=[table])


def test_the_record_of_a_network_makes_its_space_again():
    space = Space(cases=distinct([convolution(), convolution("d", groups=4)]), left_out=["a layer"], source="net.keras")
    again = Space(**json.loads(json.dumps(space.to_dict())))
    assert make_plan(again) == make_plan(space)
    assert (again.left_out, again.source) == (["a layer"], "net.keras")


# From the command line


def command(*words, folder):
    code = "from grouped_bench.commands.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, cwd=folder
    )  # fmt: skip


def test_a_model_is_planned_like_any_space_and_what_it_leaves_out_is_told(keras, tmp_path):
    layers = keras.layers
    model = sequence(
        keras, layers.Conv2D(8, 3, name="a"), layers.Conv2D(8, 3, groups=4), layers.Conv2DTranspose(4, 3, name="up")
    )
    model.save(tmp_path / "net.keras")
    ended = command(
        "plan", "--model", "net.keras", "--batch-size", "2", "--format", "json", folder=tmp_path
    )  # fmt: skip
    assert ended.returncode == 0
    assert ended.stderr == (
        "Left out: 1 × Conv2DTranspose (up), 31% of the MACs: a transposed convolution, which has no groups in Keras\n"
    )
    tasks = json.loads(ended.stdout)["tasks"]
    assert [(task["variant"], task["groups"]) for task in tasks][:2] == [("regular", 1), ("regular", 4)]
    assert {task["batch_size"] for task in tasks} == {2}
    assert tasks[0]["label"] == "a"


def test_a_hostile_model_is_one_line_and_exit_2(keras, tmp_path):
    sequence(keras, keras.layers.Lambda(lambda x: x + 1)).save(tmp_path / "net.keras")
    ended = command("plan", "--model", "net.keras", folder=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert ended.stderr.startswith("grouped-bench: A model must consist of Keras' own layers, without Lambda layers ")
