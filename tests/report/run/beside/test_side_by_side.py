"""Tasks that stand in several runs or settings, in one table a case."""

import pandas as pd
from frames import HOSTILE, fail, frame

from grouped_bench.analyse.rows import plain
from grouped_bench.report.run.beside.side_by_side import side_by_side


def tables(*frames):
    return side_by_side(plain(pd.concat(frames, ignore_index=True)))


def small(**columns):
    return frame(groups=(4,), channels=(64,), passes=("inference",), variants=("regular", "grouped_native"), **columns)


def test_one_run_in_one_setting_has_nothing_beside_it():
    assert tables(small()) == []
    assert side_by_side([]) == []


def test_old_beside_new_has_a_column_a_run_and_a_row_a_variant():
    (found,) = tables(small(run_id="old"), small(run_id="new", seed=2))
    assert found.title.startswith("Side by side: Conv2D 64→64 ")
    assert found.headers == ("variant", "old", "new")
    assert [row[0] for row in found.rows] == ["regular", "grouped_native"]
    assert all("±" in text for row in found.rows for text in row[1:])
    assert "no verdict" in found.notes[0]


def test_columns_are_named_by_what_differs():
    (found,) = tables(small(), small(backend="jax", execution="xla"), small(backend="torch", device="gpu:0"))
    assert found.headers[1:] == ("tensorflow graph cpu", "jax xla cpu", "torch graph gpu:0")


def test_what_failed_is_told_by_its_status_and_what_is_absent_by_a_dash():
    whole, other, third = (small(run_id=name) for name in "abc")
    failed = fail(other, other["variant"] == "grouped_native", "oom", "too much")
    (found,) = tables(whole, failed, third[third["variant"] == "grouped_native"])
    regular, native = found.rows
    assert regular[3] == "—"
    assert native[2] == "oom" and "±" in native[3]


def test_a_variant_that_one_place_alone_has_is_a_row_of_the_case():
    """It may be the fastest of all."""
    whole, other = small(run_id="a"), small(run_id="b")
    (found,) = tables(whole, fail(other, other["variant"] == "grouped_native", "oom", None))
    assert [row[0] for row in found.rows] == ["regular", "grouped_native"]
    assert "±" in found.rows[1][1] and found.rows[1][2] == "oom"
    (found,) = tables(whole, other[other["variant"] == "regular"])
    assert found.rows[1][2] == "—"


def test_a_case_of_which_no_variant_meets_is_left_out():
    whole, other = small(run_id="a"), small(run_id="b")
    assert tables(whole[whole["variant"] == "regular"], other[other["variant"] != "regular"]) == []


def test_layouts_stand_side_by_side_under_their_names():
    torch = {"backend": "torch", "execution": "eager"}
    (found,) = tables(small(**torch), small(**torch, layout="contiguous"), small(**torch, layout="channels_last"))
    assert found.headers[1:] == ("Keras layers", "torch.nn, contiguous", "torch.nn, channels_last")


def test_more_than_fits_is_said():
    (found,) = tables(*(small(run_id=f"run{number}") for number in range(8)))
    assert len(found.headers) == 1 + 6
    assert "2 more columns not shown." in found.notes
    axes = {"groups": range(1, 33), "channels": (64,), "passes": ("inference",), "variants": ("regular", "grouped")}
    several = tables(*(frame(**axes, run_id=name) for name in "ab"))
    assert len(several) == 30
    assert "2 more cases not shown." in several[-1].notes
    assert not any(sheet.notes for sheet in several[:-1])


def test_a_place_that_shares_no_task_takes_no_column():
    others = [
        frame(groups=(2**power,), channels=(64,), passes=("training",), variants=("regular",), run_id=f"alone{power}")
        for power in range(6)
    ]
    (found,) = tables(*others, small(run_id="a"), small(run_id="b"))
    assert found.headers == ("variant", "a", "b")
    assert len(found.notes) == 1


def test_hostile_names_are_made_plain():
    (found,) = tables(small(run_id=HOSTILE), small(run_id="b"))
    assert "\x1b" not in found.headers[1] and "\n" not in found.headers[1]
