"""A data set of runs: whole, readable by pandas alone, and without a name of anybody."""

import json
import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from frames import frame, metadata

import grouped_bench as gb
from grouped_bench.errors import OutputError, RunError
from grouped_bench.harness.facts import leaks as module
from grouped_bench.store.runs import write_run
from grouped_bench.store.schema import COLUMNS


def written(out, name="r1", **facts):
    """A run under `out`, with some facts of its environment changed."""
    told = metadata() | {"run_id": name, "machine": "amd-epyc-zen4-avx512-2-aaaaaa"}
    told["environment"] = {**told["environment"], **facts}
    return write_run(frame(groups=[2, 8]), told, out / told["machine"] / f"{name}.parquet")


def test_pandas_alone_reads_it_and_the_card_says_what_is_in_it(tmp_path):
    paths = [written(tmp_path / "out", name) for name in ("r1", "r2")]
    files = gb.publish(tmp_path / "set", out=tmp_path / "out")
    assert [str(path.relative_to(tmp_path / "set")) for path in files] == [
        "README.md",
        "data/amd-epyc-zen4-avx512-2-aaaaaa/r1.parquet",
        "data/amd-epyc-zen4-avx512-2-aaaaaa/r2.parquet",
    ]
    tasks = pd.read_parquet(tmp_path / "set" / "data")
    assert len(tasks) == sum(pq.read_metadata(path).num_rows for path in paths)
    assert {"run_id", "variant", "latency_s", "verdict"} <= set(tasks)
    card = (tmp_path / "set" / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert (front["license"], front["size_categories"]) == ("cc-by-4.0", ["n<1K"])
    assert all(f"| `{column.name}` |" in card for column in COLUMNS)
    assert f"{len(tasks)} tasks in 2 runs" in card
    assert "| `amd-epyc-zen4-avx512-2-aaaaaa` | 2 |" in card


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"command": ["/home/ann/run.py"]}, "metadata.environment.command: /home/ann/run.py"),
        ({"note": "C:\\Users\\ann\\x"}, r"C:\\Users\\ann"),
        ({"variables": {"AWS_SECRET_ACCESS_KEY": "x"}}, "variable AWS_SECRET_ACCESS_KEY"),
        ({"note": "ask ann@example.org"}, "ann@example.org"),
        ({"note": "measured on GreatHost.local"}, "GreatHost"),
        ({"note": "by annabelle"}, "annabelle"),
    ],
)
def test_what_names_somebody_is_refused_and_nothing_is_written(facts, words, tmp_path, monkeypatch):
    monkeypatch.setattr(module.platform, "node", lambda: "greathost.local")
    monkeypatch.setattr(module.getpass, "getuser", lambda: "annabelle")
    written(tmp_path / "out", **facts)
    with pytest.raises(RunError, match="must name no path, user, host or variable") as caught:
        gb.publish(tmp_path / "set", out=tmp_path / "out")
    assert words.replace("\\\\", "\\") in str(caught.value).replace("\\\\", "\\")
    assert not list(tmp_path.glob("set*"))


def test_addresses_shapes_and_versions_are_no_paths(tmp_path):
    written(tmp_path / "out", note="https://keras.io/api/ f32[4,3]/8 1/2 and/or 550.54.15 train/val")
    assert gb.publish(tmp_path / "set", out=tmp_path / "out")


def test_a_folder_that_exists_is_left_alone(tmp_path):
    written(tmp_path / "out")
    (tmp_path / "set").mkdir()
    with pytest.raises(OutputError, match="must be written to a new folder"):
        gb.publish(tmp_path / "set", out=tmp_path / "out")
    assert not list((tmp_path / "set").iterdir())


def test_what_has_a_name_like_a_part_of_it_stays(tmp_path):
    written(tmp_path / "out")
    (tmp_path / "set.part").mkdir()
    gb.publish(tmp_path / "set", out=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "set", "set.part"]


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    written(tmp_path / "out")

    def full(*told):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OutputError, match="No space left"):
        gb.publish(tmp_path / "set", out=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_command_says_what_it_wrote(tmp_path, call):
    written(tmp_path / "out")
    code, out, err = call("publish", tmp_path / "set", "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert out.startswith(f"Wrote {tmp_path / 'set'}: 1 run")
    code, out, err = call("publish", tmp_path / "set", "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert json.dumps(err)


def test_our_own_runs_may_be_published(tmp_path):
    """What `run` records names nobody: the reference runs of this repository."""
    from checkout import ROOT

    files = gb.publish(tmp_path / "set", out=ROOT / "results")
    assert len(files) > 5
    card = files[0].read_text()
    assert "| oneDNN on |" in card
    assert "| oneDNN on and oneDNN off |" in card  # of the runs that have both values of an environment
