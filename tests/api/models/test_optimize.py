"""A network optimised for real, once; what is refused before anything is measured; and a copy that is no faster."""

import dataclasses
import json
import zipfile

import numpy as np
import pytest
from cases import make_case

import grouped_bench as gb
from grouped_bench.analyse.advise.advice import Advice, Option, Question
from grouped_bench.analyse.advise.optimized import LayerChange, Lead, Move, StepCost, Whole
from grouped_bench.analyse.advise.replacements import KIND, KINDS, advised
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.api.advise import Measuring
from grouped_bench.api.models import optimize as api
from grouped_bench.api.models.optimized_layers import grouped_layers, measuring
from grouped_bench.errors import OutputError, SpaceError
from grouped_bench.report import optimization
from grouped_bench.space.case import Setting


@pytest.fixture
def keras(backend):
    import keras

    return keras


def network(keras, groups=16):
    inputs = keras.Input((10, 10, 32))
    x = keras.layers.Conv2D(32, 3, groups=groups, padding="same", name="wide")(inputs)
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)), name="net")


@pytest.fixture
def saved(keras, tmp_path):
    network(keras).save(tmp_path / "net.keras")
    return tmp_path / "net.keras"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What one test has measured of the network's layers, another need not measure again."""
    return tmp_path_factory.mktemp("runs")


@pytest.mark.long
@pytest.mark.onednn(True)
def test_a_network_is_optimised_written_loaded_and_restored(saved, runs, keras, tmp_path, monkeypatch):
    """Keras' groups= trains tens of times slower than what takes its place, so no load hides it."""
    before = saved.read_bytes()
    how = {"passes": "training", "batch_size": 4, "out": runs}
    found = gb.optimize(saved, tmp_path / "faster.keras", budget="40s", **how)
    assert found.is_faster, found.refusal
    assert found.speedup.low > 1.2
    assert saved.read_bytes() == before
    (row,) = found.table.to_dict("records")
    assert (row["layer"], row["from"]) == ("wide", "grouped")
    assert row["after_s"] < row["before_s"]
    text = (tmp_path / "grouped_layers.py").read_text(encoding="utf-8")
    assert "grouped_bench" not in text
    compile(text, "grouped_layers.py", "exec")
    assert 0 < found.whole.error < 1e-5

    with zipfile.ZipFile(tmp_path / "faster.keras") as archive:
        assert "grouped_layers>" in archive.read("config.json").decode()
    x = np.random.default_rng(0).standard_normal((2, 10, 10, 32)).astype("float32")
    original = keras.models.load_model(saved)
    np.testing.assert_allclose(found.model.predict(x, verbose=0), original.predict(x, verbose=0), atol=1e-4)
    assert gb.restore_file(tmp_path / "faster.keras", tmp_path / "original.keras") == 1
    again = keras.models.load_model(tmp_path / "original.keras")
    assert all(map(np.array_equal, again.get_weights(), original.get_weights()))
    assert type(again.layers[1]) is keras.layers.Conv2D

    monkeypatch.setattr("grouped_bench.api.advise.run", lambda *_, **__: pytest.fail("it was measured before"))
    monkeypatch.setattr("grouped_bench.harness.inspect.whole_model.Workers.ask", lambda *_, **__: pytest.fail("again"))
    stored = gb.optimize(saved, **how)
    assert stored.whole == found.whole
    assert stored.leads == found.leads
    assert "timed before, on 20" in optimization.render(stored, "table", 80)
    assert [change.replacement.variant for change in stored.changes] == [row["to"]]
    assert stored.path is None
    told = json.loads(optimization.render(found, "json", 80))
    assert told["whole"]["verdict"] == "faster"
    assert {one["execution"] for one in told["leads"]} == {"graph", "xla"}
    assert all(one["after_s"] > 0 for one in told["leads"])
    assert len(told["layers"]) == 1
    for width in (80, 120):
        lines = optimization.render(found, "table", width).splitlines()
        assert max(map(len, lines)) <= width
        assert lines[0].startswith("net.keras, training, batch 4")
        assert lines[1].split()[0] == "layer"
        assert ("shape" in lines[1]) == (width == 120)
    assert "| wide |" in optimization.render(found, "markdown", 80)


@pytest.mark.parametrize(
    ("output", "made", "words"),
    [
        ("faster.h5", None, "must end in .keras"),
        ("faster.keras", "faster.keras", "must not be replaced"),
        ("faster.keras", "grouped_layers.py", "must not be replaced"),
        ("nowhere/faster.keras", None, "folder must exist"),
    ],
)
def test_a_place_that_cannot_take_the_copy_is_refused_at_once(output, made, words, tmp_path):
    if made:
        (tmp_path / made).write_text("mine")
    with pytest.raises((SpaceError, OutputError), match=words):
        gb.optimize("net.keras", tmp_path / output)
    assert not made or (tmp_path / made).read_text() == "mine"


@pytest.mark.parametrize("model", ["nothing.keras", 3, object()])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(SpaceError):
        gb.optimize(model)


def test_a_subclassed_model_is_refused_with_the_way_out(keras):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = keras.layers.Conv2D(8, 3, groups=4)

        def call(self, inputs):
            return self.first(inputs)

    model = Own()
    model(np.zeros((1, 6, 6, 4), "float32"))
    with pytest.raises(SpaceError, match="faster_convolutions"):
        gb.optimize(model)


def test_a_network_without_grouped_convolutions_has_nothing_to_gain(keras, tmp_path):
    network(keras, groups=1).save(tmp_path / "net.keras")
    found = gb.optimize(tmp_path / "net.keras", tmp_path / "faster.keras", only_layers=True)
    assert not found.is_faster
    assert found.speedup == Estimate(1.0, 1.0, 1.0)
    assert "no grouped convolution that has other forms" in optimization.render(found, "table", 80)
    assert not (tmp_path / "faster.keras").exists()


@pytest.mark.long
def test_of_a_network_without_groups_other_settings_are_tried(keras, backend, tmp_path):
    network(keras, groups=1).save(tmp_path / "net.keras")
    found = gb.optimize(tmp_path / "net.keras", out=tmp_path, env={"TF_X": "0"}, threads=1)
    assert [(one.setting.execution, one.after_s) for one in found.leads] != []
    assert {one.setting.execution for one in found.leads} == {"graph", "xla"}
    assert all(one.after_s is None and one.before_s > 0 for one in found.leads)
    assert "xla" in optimization.render(found, "table", 80)


def test_several_values_on_an_axis_are_refused(saved):
    for options in ({"batch_size": [1, 2]}, {"passes": ["training", "inference"]}):
        with pytest.raises(SpaceError):
            gb.optimize(saved, **options)


def test_a_copy_that_is_not_faster_is_told_and_not_written():
    side = StepCost(Estimate(1.0, 0.9, 1.1), 2.0)
    whole = Whole(side, side, Estimate(1.0, 0.98, 1.02), "equivalent", 1e-7)
    found = gb.Optimized("net.keras", (), whole, "the whole model is as fast as before")
    assert not found.is_faster
    text = optimization.render(found, "table", 80)
    assert "Nothing is written: the whole model is as fast as before." in text
    assert not dataclasses.replace(found, refusal=None).is_faster


@pytest.mark.long
@pytest.mark.onednn(True)
@pytest.mark.parametrize("save_as", ["builtin", "layers"])
def test_a_copy_of_keras_own_layers_or_of_ours_is_written_and_restored(save_as, saved, runs, keras, tmp_path):
    how = {"passes": "training", "batch_size": 4, "out": runs, "only_layers": True}
    found = gb.optimize(saved, tmp_path / "faster.keras", save_as=save_as, budget="40s", **how)
    assert found.is_faster, found.refusal
    assert not (tmp_path / "grouped_layers.py").exists()
    x = np.random.default_rng(0).standard_normal((2, 10, 10, 32)).astype("float32")
    if save_as == "layers":
        assert "`from grouped_bench.layers import GroupedConv2D`" in optimization.render(found, "table", 200)
        from grouped_bench.layers import GroupedConv2D  # noqa: F401
    original, copy = (keras.models.load_model(tmp_path / name) for name in ("net.keras", "faster.keras"))
    kinds = {type(one).__module__.partition(".")[0] for one in copy._flatten_layers()}
    assert kinds == ({"keras"} if save_as == "builtin" else {"keras", "grouped_bench"})
    np.testing.assert_allclose(copy.predict(x, verbose=0), original.predict(x, verbose=0), atol=1e-4)
    assert gb.restore_file(tmp_path / "faster.keras", tmp_path / "original.keras") == 1
    for again in (keras.models.load_model(tmp_path / "original.keras"), found.restore()):
        assert all(map(np.array_equal, again.get_weights(), original.get_weights()))
        assert type(again.layers[1]) is keras.layers.Conv2D
        assert again.layers[1].groups == 16


@pytest.mark.long
@pytest.mark.onednn(True)
def test_hand_written_groups_become_one_layer_where_that_is_faster(keras, tmp_path):
    """So many small parts cost many times what one layer does, so no load hides it."""
    layer = keras.layers
    inputs = keras.Input((4, 4, 128))
    parts = keras.ops.split(inputs, 64, axis=-1)
    x = layer.Concatenate()([layer.Conv2D(2, 3, padding="same", name=f"part_{n}")(p) for n, p in enumerate(parts)])
    model = keras.Model(inputs, layer.Dense(3)(layer.GlobalAveragePooling2D()(layer.BatchNormalization()(x))))
    how = {"passes": "training", "batch_size": 4, "out": tmp_path / "runs", "only_layers": True}
    found = gb.optimize(model, tmp_path / "faster.keras", budget="60s", **how)
    assert found.is_faster, found.refusal
    (row,) = found.table.to_dict("records")
    assert (row["layer"], row["from"]) == ("part_0", "split_concat")
    assert row["to"] in api.FORMS["file"]
    assert "Folded to 1 layer" in optimization.render(found, "table", 200)
    copy = found.model
    assert [one.groups for one in copy.layers if hasattr(one, "groups")] == [64]
    x = np.random.default_rng(0).standard_normal((2, 4, 4, 128)).astype("float32")
    np.testing.assert_allclose(copy.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-4)
    again = found.restore()
    assert [one.name for one in again.layers[1:]] == [one.name for one in model.layers[1:]]
    assert all(map(np.array_equal, again.get_weights(), model.get_weights()))
    assert gb.restore_file(tmp_path / "faster.keras", tmp_path / "original.keras") == 1


@pytest.mark.parametrize(
    ("other_s", "words"),
    [
        (
            (0.2, 0.05),
            "A lead: with xla a step of the copy takes 50.0 ms, 2.0× faster. Compile the model",
        ),
        ((0.04, 0.05), "A lead: with xla a step of the model as it is takes 40.0 ms, 2.5× faster."),
        ((0.2, 0.095), "Also tried, by one process each: xla. None of them is clearly faster."),
    ],
)
def test_what_is_no_rewrite_is_said_first_where_it_is_faster(other_s, words):
    usual = Setting("tensorflow", "graph", "cpu")
    sides = (StepCost(Estimate(one, one * 0.9, one * 1.1), 2.0) for one in (0.3, 0.1))
    whole = Whole(*sides, Estimate(3.0, 2.9, 3.1), "faster", 1e-7)
    lead = Lead(dataclasses.replace(usual, execution="xla"), *other_s)
    found = gb.Optimized("net.keras", (), whole, None, setting=usual, leads=(lead,))
    text = " ".join(optimization.render(found, "table", 80).split())
    assert text.removeprefix("net.keras ").startswith(words)
    assert ("add --execution graph,xla." in text) == words.startswith("A lead")


def depthwise(over_regular, latency, **given):
    """Advice on a depthwise layer: `shifted_matmul` beside Keras' own, by gains over `regular` and seconds."""
    case = make_case(channels=(8, 8), groups=8)
    asked = Question(case, Setting("jax", "xla", "cpu"), "grouped", "alone", "depthwise_sum", 2)
    options = [
        Option(name, Estimate(seconds), over, None, None, False, 72)
        for name, seconds, over in zip(("shifted_matmul", "depthwise_sum"), latency, over_regular, strict=True)
    ]
    return Advice(asked, basis="measured", options=tuple(options), **given)


def test_a_depthwise_layer_is_replaced_by_what_is_faster_for_sure_by_what_both_are_to_the_baseline():
    known = (Estimate(2.0, 1.9, 2.1), Estimate(0.2, 0.19, 0.21))
    found = advised(depthwise(known, (0.001, 0.01)), (*KINDS, "depthwise_sum"))
    assert (found.stays, found.variant) == (None, "shifted_matmul")
    assert (found.gain.low, found.gain.high) == pytest.approx((1.9 / 0.21, 2.1 / 0.19))
    change = LayerChange(found, 2, 0.03)
    assert change.is_made
    assert change.saved == pytest.approx(0.018)
    assert advised(depthwise(known, (0.001, 0.01))).stays == KIND, "`advise --code` has no class for it"
    vague = advised(depthwise((None, None), (0.001, 0.01)), (*KINDS, "depthwise_sum"))
    assert not LayerChange(vague, 2, 0.03).is_made


@pytest.mark.parametrize(("low", "enough"), [(1.9, True), (None, False)])
def test_a_layer_without_an_interval_is_measured_again(low, enough):
    how = Measuring("results", None, wait=False, quiet=True, files=(), any_answer=True)
    known = (Estimate(2.0, low, 2.1), Estimate(0.2, 0.19, 0.21))
    assert how.is_enough(depthwise(known, (0.001, 0.01))) is enough


@pytest.mark.parametrize(
    ("backend_name", "save_as", "expected"),
    [
        ("jax", "file", ["wide", "alone", "pointwise"]),
        ("jax", "builtin", ["wide"]),
        ("jax", "layers", ["wide", "pointwise"]),
        ("tensorflow", "file", ["wide", "alone"]),
    ],
)
def test_layers_are_asked_about_where_they_have_other_forms(backend_name, save_as, expected, monkeypatch):
    common = {"size": [8], "backend": [backend_name]}
    cases = [
        {**common, "channels": ["8:8"], "groups": [4], "label": "wide"},
        {**common, "channels": ["8:8"], "groups": [8], "in_use": "depthwise_sum", "label": "alone"},
        {**common, "channels": ["8:16"], "kernel_size": [1], "label": "pointwise"},
        {**common, "channels": ["8:16"], "kernel_size": [3], "label": "dense"},
        {**common, "channels": ["16:16"], "groups": [16], "in_use": "depthwise_sum", "label": "a, depthwise"},
    ]
    space = gb.Space(cases=cases, source="net.keras")
    monkeypatch.setattr("grouped_bench.harness.inspect.networks.read_network", lambda *_, **__: space)
    monkeypatch.setattr("grouped_bench.backends.base.Backend.installed", lambda _: True)
    by_setting, _, left_out = grouped_layers("net.keras", [], None, save_as, {"backend": backend_name})
    ((_, found),) = by_setting.items()
    assert [one.label for one in found] == expected
    assert (len(left_out) == 1) == (save_as == "file")
    how = measuring(Measuring("results", None, wait=False, quiet=True, files=()), save_as, backend_name)
    tried = {one.label: [name for name in how.tried if how.takes(name, one.case)] for one in found}
    assert tried.get("pointwise", ["shifted_matmul"]) == ["shifted_matmul"]
    assert "merged_groups" in tried["wide"] or save_as == "builtin"


def test_where_time_goes_is_said_where_the_layers_promise_something_else():
    sides = (StepCost(Estimate(one, one * 0.9, one * 1.1), 2.0) for one in (0.3, 0.29))
    whole = Whole(*sides, Estimate(1.03, 0.98, 1.09), "undecided", 1e-7)
    moves = (Move("Conv2D", -0.04), Move("Transpose", 0.03))
    found = gb.Optimized("net.keras", (), whole, "the whole model may be as fast as before", moves=moves)
    text = " ".join(optimization.render(found, "table", 80).split())
    assert "Where that goes, by operations: Conv2D 40.0 ms less; Transpose 30.0 ms more." in text


def test_of_several_environments_the_fastest_copy_is_kept_and_compared_with_the_first(monkeypatch, saved):
    times = {"TF_X=0": (15.0, 1.0), "TF_X=1": (16.0, 0.5)}

    def in_one(_, found, cohorts):
        sides = times[found.setting.env]
        before, after = (StepCost(Estimate(one, one * 0.9, one * 1.1), 1.0) for one in sides)
        return dataclasses.replace(found, refusal=None, whole=Whole(before, after, Estimate(9, 8, 10), "faster", 1e-7))

    monkeypatch.setattr(api._Network, "optimized", in_one)
    found = gb.optimize(saved, env={"TF_X": ["0", "1"]}, passes="training")
    assert found.setting.env == "TF_X=1"
    assert found.leads == ()
    text = " ".join(optimization.render(found, "table", 80).split())
    assert "With TF_X=0: 15.0 s → 1.00 s a step." in text
    assert "Best: TF_X=1, 30× [" in text
    assert "faster than the model is with TF_X=0" in text
