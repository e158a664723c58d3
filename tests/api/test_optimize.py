"""A network optimised for real, once; what is refused before anything is measured; and a copy that is no faster."""

import dataclasses
import json
import zipfile

import numpy as np
import pytest

import grouped_bench as gb
from grouped_bench.analyse.advise.optimized import StepCost, Whole
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.api import optimize as api
from grouped_bench.errors import OutputError, SpaceError
from grouped_bench.report import optimization


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


@pytest.mark.long
@pytest.mark.onednn(True)
def test_a_network_is_optimised_written_loaded_and_restored(saved, keras, tmp_path, monkeypatch):
    """Keras' groups= trains tens of times slower than what takes its place, so no load hides it."""
    before = saved.read_bytes()
    how = {"passes": "training", "batch_size": 4, "out": tmp_path / "runs"}
    found = gb.optimize(saved, tmp_path / "faster.keras", budget="20s", **how)
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
    stored = gb.optimize(saved, **how)
    assert [change.replacement.variant for change in stored.changes] == [row["to"]]
    assert stored.path is None
    told = json.loads(optimization.render(found, "json", 80))
    assert told["whole"]["verdict"] == "faster"
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
    found = gb.optimize(tmp_path / "net.keras", tmp_path / "faster.keras")
    assert not found.is_faster
    assert found.speedup == Estimate(1.0, 1.0, 1.0)
    assert "has no Conv layer with groups" in optimization.render(found, "table", 80)
    assert not (tmp_path / "faster.keras").exists()


def test_several_values_on_an_axis_are_refused(saved):
    for options in ({"batch_size": [1, 2]}, {"passes": ["training", "inference"]}):
        with pytest.raises(SpaceError):
            gb.optimize(saved, **options)


def test_a_copy_that_is_not_faster_is_told_and_not_written():
    side = StepCost(Estimate(1.0, 0.9, 1.1), 2.0)
    whole = Whole(side, side, Estimate(1.0, 0.98, 1.02), "equivalent", 1e-7)
    found = api.Optimized("net.keras", (), whole, "the whole model is as fast as before")
    assert not found.is_faster
    text = optimization.render(found, "table", 80)
    assert "Nothing is written: the whole model is as fast as before." in text
    assert not dataclasses.replace(found, refusal=None).is_faster


def test_of_several_environments_the_fastest_copy_is_kept_and_compared_with_the_first(monkeypatch, saved):
    times = {"TF_X=0": (15.0, 1.0), "TF_X=1": (16.0, 0.5)}

    def in_one(found, *_):
        before, after = (StepCost(Estimate(one, one * 0.9, one * 1.1), 1.0) for one in times[found.env])
        return dataclasses.replace(found, refusal=None, whole=Whole(before, after, Estimate(9, 8, 10), "faster", 1e-7))

    monkeypatch.setattr(api, "_in_one", in_one)
    found = gb.optimize(saved, env={"TF_X": ["0", "1"]}, passes="training")
    assert found.env == "TF_X=1"
    text = " ".join(optimization.render(found, "table", 80).split())
    assert "With TF_X=0: 15.0 s → 1.00 s a step." in text
    assert "Best: TF_X=1, 30× [" in text
    assert "faster than the model is with TF_X=0" in text
