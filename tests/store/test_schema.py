"""The schema: every column of the contract under its type, and keys that name columns."""

import pyarrow as pa
import pytest

from grouped_bench.store import schema

TEXT, WHOLE, REAL = pa.string(), pa.int64(), pa.float64()
# The table "The Parquet file" of the contract, row by row.
CONTRACT = {
    **{"run_id": TEXT, "machine": TEXT, "started_at": pa.timestamp("us", tz="UTC")},
    **dict.fromkeys(("backend", "backend_version", "execution", "device", "device_name", "cache"), TEXT),
    **dict.fromkeys(("scope", "variant", "computes"), TEXT),
    **{"rank": WHOLE, "pass": TEXT, "dtype": TEXT, "data_format": TEXT, "padding": TEXT, "bias": pa.bool_()},
    **dict.fromkeys(("batch_size", "in_channels", "out_channels", "groups", "cardinality", "width"), WHOLE),
    **dict.fromkeys(("size", "kernel_size", "stride", "dilation"), pa.list_(WHOLE)),
    **{"multiplicity": WHOLE, "label": TEXT},
    **dict.fromkeys(("params", "params_total", "macs", "min_bytes"), WHOLE),
    **{"status": TEXT, "reason": TEXT},
    "relative_error": REAL,
    "first_calls_s": pa.list_(REAL),
    **dict.fromkeys(("latency_s", "latency_low_s", "latency_high_s"), REAL),
    **{"speedup": REAL, "speedup_low": REAL, "speedup_high": REAL, "verdict": TEXT},
    **{"peak_memory_bytes": WHOLE, "memory_source": TEXT},
    "energy_j": REAL,
    "samples_s": pa.list_(pa.list_(REAL)),
    "reference_s": pa.list_(pa.list_(REAL)),
    "visit_process": pa.list_(WHOLE),
    "iterations": WHOLE,
    "flags": pa.list_(TEXT),
    "env": TEXT,
    "in_force": TEXT,
}
# What the flags are derived from, after the columns of the contract.
ADDED = {
    **{"visit_stolen": pa.list_(REAL), "visit_throttled": pa.list_(REAL), "reference": TEXT, "threads": WHOLE},
    **dict.fromkeys(("env_speedup", "env_speedup_low", "env_speedup_high"), REAL),
    **{"env_verdict": TEXT, "visit_turn": pa.list_(WHOLE)},
    "choice": pa.string(),
    "in_use": pa.string(),
    "layout": pa.string(),
}


def test_every_column_of_the_contract_is_there_under_its_type():
    assert {column.name: column.type for column in schema.COLUMNS} == CONTRACT | ADDED


def test_the_order_is_that_of_the_contract():
    assert schema.NAMES == (*CONTRACT, *ADDED) == tuple(schema.arrow_schema().names)


@pytest.mark.parametrize("column", schema.IN_FRAME, ids=schema.FRAME_NAMES)
def test_a_column_says_what_it_means_and_in_which_unit(column):
    assert len(column.meaning) > 5
    unit = "s" if column.name.endswith("_s") else "B" if "bytes" in column.name else "J" if "_j" in column.name else ""
    assert column.unit == unit
    if column in schema.COLUMNS:
        told = schema.arrow_schema().field(column.name).metadata
        assert told == {b"unit": column.unit.encode(), b"meaning": column.meaning.encode()}
    else:
        assert column.meaning.endswith("; not in the file")


@pytest.mark.parametrize("names", [schema.COHORT_KEY, schema.ANALYTIC, schema.RAW])
def test_keys_name_columns_once_each(names):
    assert set(names) <= set(CONTRACT | ADDED)
    assert len(set(names)) == len(names)


def test_the_key_of_a_cohort_is_the_case_and_the_setting_and_not_the_variant():
    case = {"scope", "rank", "pass", "dtype", "data_format", "padding", "bias", "batch_size", "in_channels"}
    case |= {"out_channels", "groups", "cardinality", "width", "size", "kernel_size", "stride", "dilation"}
    assert set(schema.COHORT_KEY) == case | {"backend", "execution", "device", "cache", "env", "threads", "layout"}


def test_statuses_are_those_of_the_contract():
    assert set(schema.STATUSES) == {
        *("ok", "unsupported", "oom", "timeout", "crashed", "incorrect", "predicted_oom", "interrupted", "error")
    }


# Derived columns


def test_a_derived_column_stands_behind_the_first_that_it_is_made_from():
    names = schema.FRAME_NAMES
    assert tuple(name for name in names if name in schema.NAMES) == schema.NAMES
    pairs = dict(zip(names[1:], names, strict=False))
    assert {"case": "scope", "size_text": "size", "first_call_s": "first_calls_s"}.items() <= pairs.items()
    assert [name for name in names if name not in schema.NAMES] == [
        *("case", "size_text", "kernel_size_text", "stride_text", "dilation_text"),
        *("first_call_s", "visits", "processes"),
    ]


def test_a_task_has_the_derived_columns_as_far_as_it_is_known():
    made = schema.Task(size=(28, 14), first_calls_s=(0.4, None, 0.6), visit_process=(0, 1, 0), groups=4)
    assert (made["size_text"], made["first_call_s"], made["visits"], made["processes"]) == ("28x14", 0.5, 3, 2)
    assert made["case"] == "groups 4"
    empty = schema.Task(first_calls_s=())
    assert {name: empty[name] for name in schema.FRAME_NAMES if name not in schema.NAMES} == {
        **dict.fromkeys(("size_text", "kernel_size_text", "stride_text", "dilation_text")),
        **{"case": "unknown case", "first_call_s": None, "visits": None, "processes": None},
    }
