"""Hostile and broken input for every reader: space files, options, Parquet files, journals, and what shows them.

Nothing but an error in words may come of it: no other exception, no hang, no file.

python tests/support/fuzzing.py --inputs 100000            # some twenty minutes
python tests/support/fuzzing.py --inputs 100000 --guided   # space files, their bytes chosen by coverage; needs atheris
"""

import argparse
import copy
import importlib
import json
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree

import killed_runs
import pyarrow as pa
import pyarrow.parquet as pq

import grouped_bench as gb
from grouped_bench.api.runs import joined
from grouped_bench.errors import GroupedBenchError
from grouped_bench.harness import session
from grouped_bench.harness.inspect.estimate import estimate, to_dict
from grouped_bench.harness.plan import make_plan
from grouped_bench.harness.processes import probing
from grouped_bench.report.comparison.table import render
from grouped_bench.report.page import html
from grouped_bench.report.run import tables
from grouped_bench.report.text.cells import display_width
from grouped_bench.space.axes import OPTION_AXES, Control
from grouped_bench.space.space import Space
from grouped_bench.store import schema
from grouped_bench.store.journal import Journal

HANG_S = 60
MOST_PLANNED = 300
# Of so many runs that can be shown one becomes a page, whose figures take a second.
PAGE_EVERY = 100
INPUTS = ("space.toml", "run.parquet", "run.journal", "run.json")
WEIGHTS = {"space_file": 50, "options": 30, "run": 8, "journal": 4, "resumed": 4, "compared": 2, "benchmarks": 2}
ODD = [
    *(0, 1, -1, 3, 2**31, 2**63 - 1, -(2**63), 10**30, 0.5, 1e308, float("inf"), float("nan"), True, False, None),
    *("", "all", "1,2", "3:64", "28x28", "x", "1x", ":", ",", "cpu", "gpu:0", "50%", "10m", "-1", "1e5", "８", "1\n2"),
    *("\x00", "\x1b[31m", "\u202e", "<script>alert(1)</script>", "](javascript:x)", "|`|", "a" * 300, "\u2028"),
    *([], {}, [[]], [{}], {"a": {"b": []}}, [1, "2", None], [3, 5], "ok", "faster", "graph,xla", "8GiB", "same"),
]  # fmt: skip
TOML = [
    *(b"[[case]]\n", b"[control]\n", b"[[", b"]]", b"=", b'"', b"'''", b"{", b"}", b"[", b",", b"\n", b"#", b"\xff"),
    *(b"1979-05-27", b"inf", b"0o7", b"a.b.c", b"case", b"control", b"groups", b"[" * 2000, b"9" * 5000, b"\\u0000"),
]  # fmt: skip


# What pytest-benchmark writes of one benchmark, as far as it is read.
BENCHMARKS = {
    "machine_info": {"cpu": {"brand_raw": "Processor 9", "count": 2}, "machine": "x86_64", "system": "Linux"},
    "commit_info": {"id": "a" * 40, "time": "2026-11-23T01:22:33+00:00", "dirty": False},
    "benchmarks": [
        {"fullname": "test_a", "group": "a", "params": {"groups": 4}, "extra_info": {"reference_s": 1e-3},
         "stats": {"median": 2e-3, "data": [2e-3, 3e-3]}},
    ],
    "datetime": "2026-11-23T01:22:33+00:00",
}  # fmt: skip


class HangError(Exception):
    """An input took longer than HANG_S."""


def on_alarm(signum, frame):
    raise HangError


def make_seeds(folder):
    """A run's file and a journal, of fake workloads, in `folder`."""
    probing.Host = killed_runs.fake_host
    sweep = session.Sweep
    run = gb.run(gb.Space(**{**killed_runs.SPACE, "groups": 2}), out=folder, seed=3, visits=6, page=False)
    remove, Journal.remove = Journal.remove, Journal.close
    gb.run(gb.Space(**{**killed_runs.SPACE, "groups": 2}), out=folder / "kept", seed=3, visits=6, page=False)
    Journal.remove = remove
    # A journal may ask for more visits than anybody waits for.
    session.Sweep = type("Ended", (sweep,), {"run": lambda self: "settled"})
    return run.path.read_bytes(), next((folder / "kept").rglob("*.journal")).read_bytes()


class Fuzzer:
    """Makes inputs from a seed and feeds them to the readers, in `folder`."""

    def __init__(self, folder, seed, run, journal):
        self.folder, self.rng, self.outcomes, self.shown = folder, random.Random(seed), Counter(), 0
        self.run_bytes, self.journal_bytes = run, journal
        presets = resources.files("grouped_bench.space") / "presets"
        self.presets = [file.read_bytes() for file in presets.iterdir() if file.name.endswith(".toml")]
        self.sound, self.sound_benchmarks = folder / "sound.parquet", folder / "sound.json"
        self.sound_benchmarks.write_text(json.dumps(BENCHMARKS))
        self.sound.write_bytes(run)
        self.table = pq.read_table(self.sound)
        self.facts = json.loads(self.table.schema.metadata[schema.METADATA_KEY])

    def feed(self, inputs):
        """`inputs` inputs, shared out over the targets by weight; raises what a reader must not."""
        for target in self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=inputs):
            self.one(target)

    def one(self, target):
        signal.alarm(HANG_S)
        try:
            getattr(self, target)()
            self.outcomes[f"{target} accepted"] += 1
        except GroupedBenchError as error:
            assert str(error).isprintable(), f"an error that cannot be shown: {str(error)!r}"
            assert len(str(error)) < 2000, f"an error of {len(str(error))} characters"
            self.outcomes[f"{target} refused"] += 1
        finally:
            signal.alarm(0)

    def space_file(self):
        """A preset with bytes changed, or keys and values put together."""
        path = self.folder / "space.toml"
        path.write_bytes(self.damaged(self.rng.choice(self.presets)) if self.rng.random() < 0.5 else self.toml())
        self.plan(Space.from_toml(path))

    def options(self):
        """Axes and controls as the command line or Python would give them."""
        given = {name: self.rng.choice(ODD) for name in self.names()}
        control = {name: value for name, value in given.items() if name in Control.model_fields}
        space = Space(**{name: value for name, value in given.items() if name not in control})
        gb.plan_run(space, **control)
        self.plan(space)

    def run(self):
        """A run's file with bytes, values or facts changed: read, shown beside a sound one."""
        self.show([str(self.changed_run()), str(self.sound)])

    def changed_run(self):
        path = self.folder / "run.parquet"
        if self.rng.random() < 0.3:
            path.write_bytes(self.damaged(self.run_bytes))
        else:
            facts = self.changed(copy.deepcopy(self.facts)) if self.rng.random() < 0.6 else self.facts
            table = self.changed_table() if self.rng.random() < 0.7 else self.table
            pq.write_table(table.replace_schema_metadata({schema.METADATA_KEY: json.dumps(facts).encode()}), path)
        return path

    def journal(self):
        """A journal with bytes or values changed, as of a run that goes on."""
        self.show([str(self.changed_journal())])

    def changed_journal(self):
        path = self.folder / "run.journal"
        if self.rng.random() < 0.4:
            path.write_bytes(self.damaged(self.journal_bytes))
        else:
            lines = self.journal_bytes.splitlines()
            place = self.rng.randrange(len(lines))
            lines[place] = json.dumps(self.changed(json.loads(lines[place]))).encode()
            path.write_bytes(b"\n".join(lines) + b"\n")
        return path

    def compared(self):
        """A run's file or journal, changed, compared with a sound run."""
        self.compare(self.rng.choice([self.changed_run, self.changed_journal])(), self.sound)

    def benchmarks(self):
        """A file of pytest-benchmark with bytes or values changed, compared with a sound one."""
        path, sound = self.folder / "run.json", json.dumps(BENCHMARKS).encode()
        damaged = self.rng.random() < 0.3
        path.write_bytes(
            self.damaged(sound) if damaged else json.dumps(self.changed(copy.deepcopy(BENCHMARKS))).encode()
        )
        self.compare(path, self.sound_benchmarks)

    def compare(self, changed, sound):
        """Whichever of the two is head; told in every format."""
        given = self.rng.choice([{}, {"first_call": "50%"}, {"latency": 0.0, "memory": None}])
        sides = self.rng.sample([str(changed), str(sound)], 2)
        found = gb.compare(*sides, thresholds=given)
        texts = {name: render(found, name) for name in ("table", "markdown", "json", "junit")}
        texts["all"] = render(found, "table", everything=True)
        for name, text in texts.items():
            assert all(c.isprintable() or c == "\n" for c in text), f"{name} shows a control character"
        json.loads(texts["json"])
        ElementTree.fromstring(texts["junit"])
        assert max(display_width(line) for name in ("table", "all") for line in texts[name].splitlines()) <= 80
        assert len(texts["markdown"]) < 65_536

    def resumed(self):
        """A journal with one to three values of its header or of a record changed, gone on with to its first visit."""
        path = self.folder / "resumed" / "run.journal"
        path.parent.mkdir()
        lines = self.journal_bytes.splitlines()
        place = self.rng.choice([0, self.rng.randrange(len(lines))])
        lines[place] = json.dumps(self.changed(json.loads(lines[place]))).encode()
        path.write_bytes(b"\n".join(lines) + b"\n")
        try:
            gb.resume(path, page=False)
        finally:
            shutil.rmtree(path.parent)

    def plan(self, space):
        if sum(1 for _ in space.points()) <= MOST_PLANNED:
            made = make_plan(space)
            to_dict(made, estimate(made, Control(), {}))

    def show(self, names):
        runs = gb.load_all(names)
        frame, facts = joined(runs), [run.metadata for run in runs]
        for format_ in ("table", "markdown", "csv", "json"):
            text = tables.render(frame, facts, format=format_)
            assert all(c.isprintable() or c in "\r\n" for c in text), f"{format_} shows a control character"
        self.shown += 1
        if self.shown % PAGE_EVERY == 0:
            page = html.page(frame, facts)
            assert "<script" not in page
            assert "\x1b" not in page

    def names(self):
        return self.rng.sample([*OPTION_AXES, *Control.model_fields, "nope", "label"], self.rng.randint(1, 4))

    def toml(self):
        """Lines of keys and values, some of them broken."""
        lines = []
        for name in self.names():
            if self.rng.random() < 0.2:
                lines.append(self.rng.choice(TOML))
            value = (
                json.dumps(self.rng.choice(ODD)).replace("null", '""').replace("NaN", "nan").replace("Infinity", "inf")
            )
            lines.append(f"{name} = {value}".encode())
        return b"\n".join(lines)

    def damaged(self, content):
        """`content` with some bytes changed, cut, doubled or put in."""
        data = bytearray(content)
        for _ in range(self.rng.randint(1, 6)):
            place = self.rng.randrange(len(data) + 1)
            kind = self.rng.randrange(5)
            if kind == 0 and place < len(data):
                data[place] = self.rng.randrange(256)
            elif kind == 1:
                del data[place : place + self.rng.randint(1, 40)]
            elif kind == 2:
                data[place:place] = data[place : place + self.rng.randint(1, 200)]
            elif kind == 3:
                data[place:place] = self.rng.choice(TOML)
            elif self.rng.random() < 0.1:
                del data[place:]
        return bytes(data)

    def changed(self, tree):
        """`tree` with one to three of its parts, at any depth, replaced or removed."""
        for _ in range(self.rng.randint(1, 3)):
            parts, holder = [], tree
            while isinstance(holder, (dict, list)) and holder:
                keys = list(holder) if isinstance(holder, dict) else range(len(holder))
                parts.append((holder, self.rng.choice(keys)))
                holder = holder[parts[-1][1]]
                if self.rng.random() < 0.3:
                    break
            if parts:
                holder, key = parts[-1]
                if self.rng.random() < 0.2:
                    del holder[key]
                else:
                    holder[key] = copy.deepcopy(self.rng.choice(ODD))
        return tree

    def changed_table(self):
        """The table with up to four values replaced by odd ones of their column's type."""
        table = self.table
        for _ in range(self.rng.randint(1, 4)):
            field = self.rng.choice(list(schema.arrow_schema()))
            column = table[field.name]
            values = (column.cast(pa.int64()) if pa.types.is_timestamp(field.type) else column).to_pylist()
            values[self.rng.randrange(len(values))] = self.of_type(field.type)
            table = table.set_column(table.column_names.index(field.name), field, pa.array(values, field.type))
        return table

    def of_type(self, kind):
        if pa.types.is_list(kind):
            return [self.of_type(kind.value_type) for _ in range(self.rng.choice([0, 1, 2, 3, 7]))]
        choices = {
            pa.bool_(): [True, False],
            pa.int64(): [0, 1, -1, 3, 2**31, 2**63 - 1, -(2**63)],
            pa.float64(): [0.0, -1.0, 1e-320, 1.0, 1e308, float("inf"), float("nan")],
            pa.string(): [odd for odd in ODD if isinstance(odd, str)],
        }
        return self.rng.choice([*choices.get(kind, [0, -(2**60), 2**62]), None])


def guided(inputs, folder, seed):
    """Space files whose bytes atheris chooses by the coverage of the parser."""
    import atheris

    parsers = ("tomllib", "grouped_bench.space", "grouped_bench.units")
    for name in [name for name in sys.modules if name.startswith(parsers)]:
        del sys.modules[name]
    with atheris.instrument_imports(include=list(parsers)):
        space = importlib.import_module("grouped_bench.space.space")

    def one(data):
        path = Path(folder) / "space.toml"
        path.write_bytes(data)
        try:
            space.Space.from_toml(path)
        except GroupedBenchError as error:
            assert str(error).isprintable()

    corpus = Path(folder) / "corpus"
    corpus.mkdir()
    for file in (resources.files("grouped_bench.space") / "presets").iterdir():
        (corpus / file.name).write_bytes(file.read_bytes())
    atheris.Setup([sys.argv[0], f"-runs={inputs}", f"-seed={seed}", "-max_len=4096", str(corpus)], one)
    atheris.Fuzz()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.guided:
            guided(given.inputs, folder, given.seed)
            return
        print(json.dumps(fuzz(Path(folder), given.inputs, given.seed), indent=1))


def fuzz(folder, inputs, seed):
    """What became of so many inputs; raises at the first that a reader must not have answered so."""
    before = signal.signal(signal.SIGALRM, on_alarm)
    seeds = make_seeds(folder)
    fuzzer = Fuzzer(folder, seed, *seeds)
    for name in INPUTS:
        (folder / name).touch()
    files = sorted(folder.rglob("*"))
    try:
        fuzzer.feed(inputs)
    except BaseException:
        for name in INPUTS:
            Path(name).write_bytes((folder / name).read_bytes())
        raise
    finally:
        signal.signal(signal.SIGALRM, before)
    assert sorted(folder.rglob("*")) == files, "a reader wrote a file"
    return dict(sorted(fuzzer.outcomes.items()))


if __name__ == "__main__":
    main()
