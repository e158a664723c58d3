"""The samples as a long table: every sample once, under its task, visit, process and round."""

import pandas as pd
import pytest
from frames import fail, frame, metadata

from grouped_bench.analyse.statistics.samples import samples
from grouped_bench.errors import RunError
from grouped_bench.store.runs import as_written

VARIANTS = ("regular", "grouped", "split_concat")


def made(**columns):
    """Three variants in two visits of three rounds; the second sat one round out, the third failed."""
    one = frame(groups=[8], channels=[64], passes=["training"], variants=VARIANTS)
    one["samples_s"] = [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[1.5, None, 3.5], [4.5, 5.5, 6.5]], [[9.0] * 3] * 2]
    one["reference_s"] = [[[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]] * 3
    one["visit_process"] = [[0, 7]] * 3
    for name, values in columns.items():
        one[name] = values
    return as_written(fail(one, one["variant"] == "split_concat", "incorrect", "off"), metadata(), "run")[0]


def test_every_sample_of_an_ok_task_is_there_once():
    found = samples(made())
    assert list(found) == ["task", "case", "variant", "visit", "process", "round", "seconds", "reference_seconds"]
    assert found["variant"].tolist() == ["regular"] * 6 + ["grouped"] * 5
    assert set(found["case"]) == {"Conv2D 64→64 k3x3 on 28x28 groups 8 batch 8 training"}
    assert found.loc[found["variant"] == "grouped"].drop(columns=["case", "variant"]).values.tolist() == [
        [1, 0, 0, 0, 1.5, 0.1],
        [1, 0, 0, 2, 3.5, 0.3],
        [1, 1, 7, 0, 4.5, 0.4],
        [1, 1, 7, 1, 5.5, 0.5],
        [1, 1, 7, 2, 6.5, 0.6],
    ]
    assert [str(found[name].dtype) for name in ("task", "visit", "process", "round")] == ["int64"] * 4


def test_samples_join_the_frame_by_task():
    run = made()
    joined = samples(run).join(run[["latency_s", "computes"]], on="task")
    assert (joined["computes"] == joined["variant"].map({"regular": "dense", "grouped": "grouped"})).all()
    assert joined.groupby(["case", "variant"])["seconds"].median().tolist() == [4.5, 3.5]


def test_of_the_setting_stands_there_what_varies():
    found = samples(made(env=["A=1", "A=2", "A=2"], backend=["tensorflow", "tensorflow", "jax"]))
    assert list(found)[:5] == ["task", "case", "variant", "backend", "env"]
    assert found["env"].tolist() == ["A=1"] * 6 + ["A=2"] * 5


def test_without_a_reference_its_seconds_are_null():
    found = samples(made(reference_s=[None] * 3))
    assert len(found) == 11
    assert found["reference_seconds"].isna().all()


@pytest.mark.parametrize("rows", [slice(0, 0), slice(2, 3)])
def test_without_a_sample_the_columns_are_there(rows):
    found = samples(made().iloc[rows])
    assert found.empty
    assert list(found) == list(samples(made()))
    assert pd.concat([found, samples(made())])["round"].dtype == "int64"


def test_lists_that_do_not_go_together_are_refused():
    with pytest.raises(RunError, match="matching lengths"):
        samples(made(visit_process=[[0]] * 3))
