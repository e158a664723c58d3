"""Published figures: held to their rules, carried by a run, and shown beside the same quantity of ours."""

import json

import pytest
from frames import HOSTILE, fail, frame
from hypothesis import given
from hypothesis import strategies as st

from grouped_bench.analyse.network.published import NOT_HERE, besides
from grouped_bench.analyse.rows import plain
from grouped_bench.errors import SpaceError
from grouped_bench.space.published import MOST_PUBLISHED, Published, recorded_published
from grouped_bench.space.space import Space

ONE = {"what": "parameters", "value": 307_200, "source": "Somebody 2012"}


def of_space(*tables, label="conv2", **options):
    return Space(cases=[{"label": label}], published=list(tables), source="my.toml", **options)


def published(**more):
    return Published(**{**ONE, **more})


def measured(label="conv2", **options):
    chosen = {"groups": [4], "channels": [64], "passes": ["inference"], **options}
    return frame(**chosen, label=label)


def ours(made, **more):
    (found,) = besides(plain(made), [published(**more)])
    return found.ours if found.problem is None else found.problem


# What a table may hold


def test_a_figure_is_read_from_toml_and_carried_by_the_record(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text('label = "conv2"\n[[published]]\nwhat = "parameters"\nvalue = 307200\nsource = "Somebody 2012"\n')
    space = Space.from_toml(path)
    record = json.loads(json.dumps(space.to_dict()))
    assert record["published"] == [{**ONE, "unit": ""}]
    assert Space(**record).published == space.published == (published(),)


def test_a_space_without_figures_says_nothing_of_them():
    assert set(Space().to_dict()) == {"source", "cases", "control"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({**ONE, "value": "many"}, "my.toml [[published]] 1: `value` takes a number. Received: many. Use the keys "),
        ({**ONE, "value": float("nan")}, "`value` takes a number. Received: nan."),
        ({**ONE, "value": True}, "`value` takes a number. Received: True."),
        ({"what": "x", "value": 1}, "`source` takes the citation, of at most 200 characters. Received: nothing."),
        ({**ONE, "what": ""}, "`what` takes the name of the figure, of at most 200 characters."),
        ({**ONE, "what": "x" * 201}, "`what` takes the name of the figure, of at most 200 characters"),
        ({**ONE, "colour": "red"}, "every key must be known. Received: colour = red."),
        ({**ONE, "ours": "accuracy"}, "`ours` takes params, macs (of one image, forward) or speedup."),
        ({**ONE, "variant": "a b"}, "`variant` takes a variant"),
        ({**ONE, "label": "conv9"}, "a label must be that of a case. Received: conv9. Use the label of "),
        ({**ONE, "over_label": "conv9", "ours": "speedup"}, "a label must be that of a case. Received: conv9."),
        ({**ONE, "ours": "speedup"}, "a speedup, and no other figure, must name over_label or over_variant."),
        ({**ONE, "ours": "params", "over_variant": "regular"}, "a speedup, and no other figure, must name over_label"),
        (3, "my.toml [[published]] 1: a published figure must be a table. Received: 3."),
    ],
)  # fmt: skip
def test_a_bad_table_is_refused_in_words(table, words):
    with pytest.raises(SpaceError) as caught:
        of_space(table)
    assert words in str(caught.value)


@pytest.mark.parametrize("tables", [3, "abc", {"what": "x"}, [ONE] * (MOST_PUBLISHED + 1)])
def test_figures_that_are_no_list_of_tables_are_refused(tables):
    with pytest.raises(SpaceError, match="published figures must be a list of at most 200 tables"):
        Space(published=tables)


@pytest.mark.parametrize("left_out", [3, "abc", [3]])
def test_what_is_left_out_is_a_list_of_texts(left_out):
    with pytest.raises(SpaceError, match="`left_out` takes a list of texts"):
        Space(left_out=left_out)


def test_figures_of_a_shape_do_not_outlive_it():
    space = of_space(ONE, left_out=["a layer"])
    assert space.replace(batch_size=1, passes="training").published == space.published
    assert space.replace(groups=2).published == ()
    assert space.replace(channels="3:64").published == ()
    assert space.replace(groups=2).left_out == ["a layer"]


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_of_a_strangers_record_only_what_a_run_writes_is_read(space):
    assert recorded_published(space) == []
    assert recorded_published({"published": space}) == []
    assert recorded_published({"published": [space, ONE]}) == [published()]


# The same quantity of ours


def test_parameters_are_those_of_the_layer_as_keras_has_it_or_of_the_variant_named():
    made = measured()
    assert ours(made, label="conv2", ours="params") == 9 * 16 * 64
    assert ours(made, label="conv2", ours="params", variant="regular") == 9 * 64 * 64
    assert ours(made, ours="params") == 9 * 16 * 64


def test_every_case_counts_as_often_as_it_stands_in_its_network():
    made = measured(groups=[1, 4], multiplicity=3)
    assert ours(made, ours="params") == 3 * (9 * 64 * 64 + 9 * 16 * 64)


@pytest.mark.parametrize("pass_", ["inference", "training"])
def test_work_is_that_of_one_image_forward_whatever_was_measured(pass_):
    assert ours(measured(passes=[pass_]), ours="macs") == 28 * 28 * 9 * 16 * 64


def test_a_speedup_is_over_another_variant_of_the_case():
    made = measured()
    latency = dict(zip(made["variant"], made["latency_s"], strict=True))
    found = ours(made, ours="speedup", variant="grouped_native", over_variant="regular")
    assert found == pytest.approx(latency["regular"] / latency["grouped_native"])


def test_a_speedup_may_be_over_another_case():
    made = measured(groups=[1, 4])
    made["label"] = [f"g={g}" for g in made["groups"]]
    native = made[made["variant"] == "grouped_native"].set_index("groups")["latency_s"]
    found = ours(made, label="g=4", ours="speedup", variant="grouped_native", over_label="g=1")
    assert found == pytest.approx(native[1] / native[4])


def test_a_label_is_found_among_those_of_a_case_that_stands_twice():
    assert ours(measured(label="conv1; conv2"), label="conv2", ours="params") == 9 * 16 * 64


def test_what_was_not_measured_is_said_and_never_a_number():
    made = measured()
    speedup = {"ours": "speedup", "variant": "grouped", "over_variant": "regular"}
    assert ours(made) == NOT_HERE
    assert ours(made, label="conv9", ours="params") == NOT_HERE
    assert ours(made, ours="params", variant="nope") == NOT_HERE
    assert ours(made.head(0), ours="params") == NOT_HERE
    assert ours(fail(made, made["variant"] == "grouped", "timeout", "slow"), **speedup) == "grouped timeout"


def test_ours_is_told_once_for_each_pass_and_a_foreign_figure_once():
    rows = plain(measured(passes=["inference", "training"]))
    found = besides(rows, [published(ours="params"), published(what=HOSTILE[:99], unit="%")])
    assert [(one.ours is None, one.row and one.row["pass"]) for one in found] == [
        (False, "inference"), (False, "training"), (True, None)
    ]  # fmt: skip
