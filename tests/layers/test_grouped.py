"""Layers that choose who computes: Keras' arguments, weights and checkpoints, and the choice told."""

import dataclasses

import numpy as np
import pytest
from cases import make_case
from frames import frame

from grouped_bench.analyse.rows import plain
from grouped_bench.errors import UnavailableError
from grouped_bench.layers import choice
from grouped_bench.layers.choice import Chosen, by_rule, chosen, measured
from grouped_bench.space.case import Case

FORMS = ["grouped", "grouped_native", "merged_groups", "depthwise_sum", "block_diagonal", "batched_matmul"]
SHAPES = {1: (9, 4), 2: (6, 6, 4), 3: (4, 4, 4, 4)}


@pytest.fixture
def keras(backend, monkeypatch, tmp_path):
    import keras

    monkeypatch.setenv(choice.VARIABLE, str(tmp_path / "none"))
    return keras


def layers(keras, rank, **options):
    import grouped_bench.layers as ours

    own = getattr(keras.layers, f"Conv{rank}D")(8, 3, groups=4, padding="same", activation="relu")
    new = getattr(ours, f"GroupedConv{rank}D")(8, 3, groups=4, padding="same", activation="relu", **options)
    models = [keras.Sequential([keras.Input(SHAPES[rank]), one]) for one in (own, new)]
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.1, 1, one.shape).astype(one.dtype) for one in models[0].get_weights()]
    for model in models:
        model.set_weights(weights)
    return models


@pytest.mark.onednn(True)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("name", [*FORMS, "auto"])
def test_whoever_computes_it_is_keras_layer(name, rank, keras, backend):
    if rank == 3 and name in ("depthwise_sum", "grouped_native"):
        pytest.skip("TensorFlow has none")
    own, new = layers(keras, rank, implementation=name)
    x = np.random.default_rng(1).standard_normal((2, *SHAPES[rank])).astype("float32")
    expected = own.predict(x, verbose=0)
    np.testing.assert_allclose(new.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-4)
    case = make_case(rank=rank, groups=4)
    onednn = True if backend.name == "tensorflow" else None
    usual = str(by_rule(case, backend.name, onednn, is_gpu=False))
    assert new.layers[0].implementation_.partition(" ")[0] == (usual.partition(" ")[0] if name == "auto" else name)


def test_it_shares_checkpoints_with_keras_layer_and_is_saved_as_itself(keras, tmp_path):
    own, new = layers(keras, 2, implementation="merged_groups")
    own.save_weights(tmp_path / "a.weights.h5")
    new.set_weights([0 * one for one in new.get_weights()])
    new.load_weights(tmp_path / "a.weights.h5")
    assert all(map(np.array_equal, own.get_weights(), new.get_weights()))
    new.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras").layers[0]
    assert again.implementation == "merged_groups"
    assert type(again) is type(new.layers[0])


def test_summary_says_who_computes(keras, capsys):
    _, new = layers(keras, 2, implementation="merged_groups")
    new.summary()
    told = capsys.readouterr().out
    assert "merged_groups" in told
    assert "Total params: 80" in told


def test_an_implementation_that_has_other_weights_or_no_name_is_refused(keras):
    for name in ("split_concat", "regular", "nothing"):
        with pytest.raises(UnavailableError):
            layers(keras, 2, implementation=name)


# Who is chosen


@pytest.mark.parametrize(
    ("backend", "onednn", "is_gpu", "shape", "expected"),
    [
        ("tensorflow", True, False, {}, "grouped_native"),
        ("tensorflow", False, False, {}, "merged_groups"),
        ("tensorflow", True, False, {"dtype": "bfloat16"}, "merged_groups"),
        ("tensorflow", True, False, {"rank": 3}, "merged_groups"),
        ("tensorflow", False, False, {"groups": 4}, "depthwise_sum"),
        ("tensorflow", False, True, {}, "grouped_native"),
        ("tensorflow", False, False, {"data_format": "channels_first"}, "grouped"),
        ("jax", None, False, {}, "merged_groups"),
        ("torch", None, False, {}, "grouped_native"),
    ],
)
def test_the_rule_of_a_class(backend, onednn, is_gpu, shape, expected):
    assert by_rule(make_case(**shape), backend, onednn, is_gpu=is_gpu).variant == expected


def rows_of(**options):
    return plain(frame(**{"groups": [4], "channels": [64], "passes": ["training"], **options}))


def test_what_was_measured_here_comes_before_the_rule():
    """`split_concat` has other weights; `merged_groups` was not measured."""
    rows = rows_of()
    case = Case.from_columns(rows[0])
    assert measured(case, "tensorflow", True, rows) == Chosen("grouped_native")
    for other in (("tensorflow", False), ("jax", None)):
        assert measured(case, *other, rows) is None
    assert measured(dataclasses.replace(case, kernel_size=(5, 5)), "tensorflow", True, rows) is None
    assert measured(dataclasses.replace(case, size=(7, 7), batch_size=99), "tensorflow", True, rows) is not None


def test_of_several_cohorts_the_one_of_the_same_size_and_pass_counts():
    made = frame(groups=[4], channels=[64], passes=["training", "inference"])
    quick = (made["variant"] == "grouped") & (made["pass"] == "inference")
    made.loc[quick, ["latency_s", "latency_low_s", "latency_high_s"]] = [1e-6, 0.9e-6, 1.1e-6]
    made.loc[quick, ["speedup", "speedup_low", "speedup_high"]] = [900, 890, 910]
    rows = plain(made)
    for pass_, expected in (("training", "grouped_native"), ("inference", "grouped")):
        case = Case.from_columns(next(row for row in rows if row.pass_ == pass_))
        assert measured(case, "tensorflow", True, rows) == Chosen(expected)


def test_keras_own_stays_where_nothing_is_clearly_faster():
    made = frame(groups=[4], channels=[64], passes=["training"], variants=["regular", "grouped", "grouped_native"])
    figures = ["latency_s", "latency_low_s", "latency_high_s", "speedup", "speedup_low", "speedup_high", "verdict"]
    made.loc[2, figures] = made.loc[1, figures]
    made.loc[2, "latency_s"] *= 0.999
    rows = plain(made)
    assert measured(Case.from_columns(rows[0]), "tensorflow", True, rows) == Chosen("grouped")


def test_a_convolution_without_groups_is_left_alone(keras):
    assert chosen(make_case(groups=1), "auto") == Chosen("grouped")


# What a machine refuses


@pytest.mark.onednn(False)
def test_what_is_named_and_refused_here_keras_computes_with_a_warning(on_tensorflow, keras):
    with pytest.warns(UserWarning, match="Keras' own convolution, since"):
        own, new = layers(keras, 2, implementation="grouped_native")
    assert new.layers[0].implementation_ == "grouped"
    for model in (own, new):
        model.compile("sgd", "mse", jit_compile=False)
    x = np.random.default_rng(1).standard_normal((2, *SHAPES[2])).astype("float32")
    new.train_on_batch(x, np.zeros((2, 6, 6, 8), "float32"))
    own.train_on_batch(x, np.zeros((2, 6, 6, 8), "float32"))
    for mine, theirs in zip(new.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.onednn(False)
def test_what_is_chosen_here_is_never_refused_here(on_tensorflow, keras, monkeypatch):
    """Even where a choice is wrong: rows of a run may say what this process cannot do."""
    from grouped_bench.layers import grouped

    monkeypatch.setattr(grouped, "chosen", lambda case, implementation: Chosen("grouped_native"))
    _, new = layers(keras, 2)
    assert new.layers[0].implementation_.startswith("merged_groups")


def test_a_choice_within_a_variant_can_be_named_as_it_is_told(keras):
    _, new = layers(keras, 2, implementation="merged_groups (m=2)")
    assert new.layers[0].implementation_ == "merged_groups (m=2)"
    assert str(Chosen.of("merged_groups (m=2)")) == "merged_groups (m=2)"
    assert Chosen.of("grouped") == Chosen("grouped")
