"""What a journal from elsewhere may hold: each broken rule is told with its place, and nothing is made of it."""

import copy
import json

import pytest
from killed_runs import SPACE, fake_host

import grouped_bench as gb
from grouped_bench.errors import GroupedBenchError, RunError
from grouped_bench.harness.processes import probing
from grouped_bench.store.journal import Journal, read_journal
from grouped_bench.store.records import journal_problem


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """Header and records of a whole run."""
    folder = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probing, "Host", fake_host)
        patch.setattr(Journal, "remove", Journal.close)
        gb.run(gb.Space(**SPACE), out=folder, seed=3, visits=6, page=False)
    header, records, _ = read_journal(next(folder.rglob("*.journal")))
    return header, records


def changed(tree, path, value):
    """A copy of `tree` with the part at `path` replaced."""
    made = copy.deepcopy(tree)
    holder = made
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return made


def test_what_a_run_writes_is_a_journal(journal):
    assert {record["kind"] for record in journal[1]} == {"visit", "memory"}
    assert journal_problem(*journal) is None


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ((0, "seed"), "3", "seed: Input should be a valid integer"),
        ((0, "order", "files"), 3, "order.files: Input should be a valid list"),
        ((0, "tasks", 0), {}, "tasks.0.cohort: Field required"),
        ((0, "peaks", 0, "flops_per_s"), "fast", "peaks.0.flops_per_s: Input should be a valid number"),
        ((0, "peaks", 0, "bytes_per_s"), 0.0, "peaks.0.bytes_per_s: Input should be greater than 0"),
        ((1, 0, "kind"), "odd", "0: Input tag 'odd' found using 'kind' does not match any of the expected tags"),
        ((1, 0, "at"), None, "0.visit.at: Input should be a valid number"),
        ((1, 0, "at"), float("nan"), "0.visit.at: Input should be a finite number"),
        ((1, 0, "seconds"), -1.0, "0.visit.seconds: Input should be greater than or equal to 0"),
        ((1, 0, "time"), {"samples_s": "x"}, "0.visit.time.samples_s: Input should be a valid number"),
        ((1, 0, "samples"), {"regular": []}, "0.visit.samples.regular: List should have at least 1 item"),
        ((1, 0, "cohort"), 99, "line 2 has a task that the header does not name"),
        ((1, 0, "built"), {"nobody": {}}, "0.visit.built.nobody.first_call_s: Field required"),
        ((1, 0, "failed"), {"x": {"status": "ok", "reason": ""}}, "line 2 has a task that the header does not"),
        ((1, 0, "failed"), {"x": {"status": "no", "reason": ""}}, "0.visit.failed.x.status: String should match"),
        ((1, 0, "reference"), [1.0], "line 2 has rounds of more than one length"),
    ],
)
def test_what_no_run_writes_is_told_with_its_place(journal, path, value, words):
    found = journal_problem(*changed(journal, path, value))
    assert found.startswith(words)


@pytest.mark.parametrize(
    ("place", "path", "value"),
    [
        (1, ("cohort",), 99),
        (1, ("at",), None),
        (0, ("order",), {}),
        (0, ("space",), {"groups": "many"}),
        (0, ("control", "margin"), "wide"),
        (0, ("environment",), {"imports": 3}),
        (0, ("started_at",), "yesterday"),
        (0, ("tasks", 0, "groups"), 7),
    ],
)
def test_a_hostile_journal_is_not_gone_on_with(journal, place, path, value, tmp_path, monkeypatch):
    monkeypatch.setattr(probing, "Host", fake_host)
    lines = [journal[0], *journal[1]]
    lines[place] = changed(lines[place], path, value)
    file = tmp_path / "a.journal"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = file.read_bytes()
    with pytest.raises(GroupedBenchError):
        gb.resume(file, page=False)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_the_same_journal_unchanged_is_gone_on_with(journal, tmp_path, monkeypatch):
    """So that the refusals above are of what was changed."""
    monkeypatch.setattr(probing, "Host", fake_host)
    file = tmp_path / "a.journal"
    file.write_text("".join(json.dumps(line) + "\n" for line in [journal[0], *journal[1]]))
    assert gb.resume(file, page=False).metadata["finished"]


def test_refusals_are_run_errors_with_file_and_way_out(journal, tmp_path):
    file = tmp_path / "a.journal"
    file.write_text(json.dumps({**journal[0], "seed": None}) + "\n")
    with pytest.raises(RunError) as caught:
        gb.load(file)
    assert str(caught.value) == (
        "A journal must contain what `grouped-bench run` writes. Received: a.journal: seed: "
        "Input should be a valid integer. Measure the run again."
    )
