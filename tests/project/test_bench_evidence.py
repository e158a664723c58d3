"""The measuring scripts' common ground: shares and their bounds, targets, files, the hog, and the page."""

import json
import sys
from dataclasses import replace

import evidence
import pytest
from scipy.stats import binomtest


@pytest.mark.parametrize(("hits", "of"), [(0, 40), (3, 300), (299, 300), (40, 40)])
def test_bounds_are_clopper_and_pearsons(hits, of):
    found, exact = evidence.proportion(hits, of), binomtest(hits, of).proportion_ci(method="exact")
    assert (found["low"], found["high"]) == pytest.approx((exact.low, exact.high), abs=1e-9)
    one_sided = binomtest(hits, of, alternative="less").proportion_ci(method="exact")
    assert evidence.upper_bound(hits, of) == pytest.approx(one_sided.high)


def test_nothing_counted_is_null():
    assert evidence.proportion(0, 0) == {"hits": 0, "of": 0, "share": None, "low": None, "high": None}
    assert evidence.upper_bound(0, 0) is None


@pytest.mark.parametrize(
    ("found", "at_least", "met"),
    [(0.01, False, True), (0.011, False, False), (0.01, True, True), (0.009, True, False), (None, True, None)],
)
def test_a_target_is_met_up_to_its_limit(found, at_least, met):
    assert evidence.target("so much", found, 0.01, "%", at_least=at_least)["met"] is met


@pytest.mark.parametrize(
    ("found", "unit", "text"),
    [(None, "%", "—"), (0.0, "%", "0%"), (0.0047, "%", "0.47%"), (1.455, "%", "146%"), (0.0, "s", "0 s"),
     (2.4e-8, "s", "24.0 ns"), (0.153, "×", "0.15×"), (3, "of 26", "3 of 26"), (2**20, "B", "1.00 MiB")],
)  # fmt: skip
def test_figures_carry_their_unit(found, unit, text):
    assert evidence.shown(found, unit) == text


def test_what_is_kept_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bench/twins.py", "--out", "/home/someone/x", "--save"])
    path = evidence.save("twins", {"share": float("nan"), "targets": [], "pair": (1, 2)}, tmp_path)
    (kept,) = evidence.load_all(tmp_path)
    assert path == tmp_path / kept["machine"] / "twins.json"
    assert kept["command"] == "python bench/twins.py --out x --save"
    assert kept["findings"] == {"share": None, "targets": [], "pair": [1, 2]}
    assert kept["environment"]["libraries"]["numpy"]
    assert "someone" not in path.read_text()


def test_a_smoke_is_not_kept(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["twins.py", "--smoke", "--save"])
    with pytest.raises(SystemExit):
        evidence.parse(evidence.make_parser("Twins."))
    assert "Leave out one of --smoke and --save" in capsys.readouterr().err


def test_what_was_found_before_the_end_stands():
    found = {"trials": []}
    with evidence.as_far_as_it_goes(found):
        found["trials"].append(1)
        raise KeyboardInterrupt
    assert found == {"trials": [1], "cut_short": "interrupted"}


def test_a_mistake_in_a_script_is_not_hidden():
    with pytest.raises(KeyError), evidence.as_far_as_it_goes({}):
        raise KeyError


def test_the_hog_ends_with_its_block():
    with evidence.hog() as process:
        assert process.poll() is None
    assert process.poll() is not None


@pytest.fixture
def folder(tmp_path, registry):
    import kept

    for name, findings in kept.everything().items():
        evidence.save(name, findings, tmp_path)
    return tmp_path


def test_the_page_tells_every_finding(folder):
    import evidence_page

    stale = folder / entry_machine(folder) / "power.png"
    stale.touch()
    evidence_page.write(folder)
    assert not stale.exists()
    page = (folder / "README.md").read_text()
    every = [one for entry in evidence.load_all(folder) for one in entry["findings"]["targets"]]
    assert all(f"| {one['asked'].replace(' %', '%')} |" in page for one in every)
    assert page.count("**missed**") == sum(one["met"] is False for one in every) > 0
    assert "Not measured here" not in page
    assert all(f"({entry['machine']}/{entry['name']}.json)" in page for entry in evidence.load_all(folder))
    for name in ("power", "peers", "peers-hog"):
        assert (folder / entry_machine(folder) / f"{name}.svg").stat().st_size
        assert f"{name}.svg)" in page
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    evidence_page.write(folder)
    assert before == {path: path.read_bytes() for path in folder.rglob("*.*")}


def test_the_best_of_each_side_is_compared_and_what_failed_is_not():
    import across
    import kept

    rows = kept.across_rows()
    found = across.summary(rows)
    assert [(one["best"]["variant"], one["other"]["backend"]) for one in found["cases"]] == [
        ("grouped_native", "torch"),
        ("split_concat", "jax"),
    ]
    assert [one["ratio"] for one in found["cases"]] == pytest.approx([1.2, 0.5])
    assert (found["targets"][0]["found"], found["targets"][0]["met"]) == (1, False)
    best = found["gains"]["the best of them"]
    assert (best["cases"], best["worst"], best["best"]) == pytest.approx((2, 4.0, 0.8 / 0.012))
    assert best["mean"] == pytest.approx((4.0 * 0.8 / 0.012) ** 0.5)
    failed = [replace(row, status="oom") if row.backend != "tensorflow" else row for row in rows]
    assert [one["ratio"] for one in across.summary(failed)["cases"]] == [None, None]


def test_parts_of_a_call_are_sums_over_its_primitives():
    import kept
    import parts

    from grouped_bench.measure.explain.onednn import Primitive

    def ran(kind, seconds):
        return Primitive(kind, "jit:x", "forward_training", "", "", "", seconds)

    call = [ran("reorder", 1.0), ran("convolution", 4.0), ran("reorder", 2.0)]
    told = parts.of_calls(call * 3, 3)
    assert (told["convolutions_s"], told["reorders_s"], told["kernels"]) == (4.0, 3.0, ["forward_training jit:x"])
    assert parts.of_calls(call, 2)["convolutions_s"] is None  # calls that were not alike
    assert parts.of_calls([ran("reorder", 1.0)], 1)["convolutions_s"] is None

    found = kept.parts_run()
    assert (found["whole"], found["same_kernels"]) == (1, 1)
    inference, training = found["passes"]
    assert inference["cases"] == 1 and inference["convolutions"] == pytest.approx(2.0)
    assert inference["latency_s"] == pytest.approx(2e-4) and inference["convolutions_s"] == pytest.approx(1e-4)
    assert training["cases"] == 0 and training["latency_s"] is None


def test_the_gates_false_alarms_and_finds_are_counted(registry):
    import kept

    found = kept.gate_run()
    assert found["pairs"] == 1
    assert (found["same"]["of"], found["same"]["verdicts"]["regression"]) == (2, 0)
    assert found["slower"]["verdicts"]["regression"] == found["slower"]["of"] == 2
    assert found["slower"]["by_variant"]["regular"] == found["slower"]["by_variant"]["grouped_native"]
    assert list(found["same"]["by_loads"]) == ["bursts and nothing"]
    assert 1.09 < found["slower"]["ratio"][1] < 1.11
    # Without the reference workload the machine's moods stay in the ratios.
    spread = {name: found[name]["ratio"][2] / found[name]["ratio"][0] for name in ("same", "same_raw")}
    assert spread["same_raw"] > spread["same"]
    assert [one["met"] for one in found["targets"]] == [None, None, True]  # too few comparisons to say


def test_a_simulated_verdict_that_the_truth_contradicts_is_counted():
    import simulated

    run = [(1.0, "equivalent", None), (1.1, "equivalent", None), (1.02, "undecided", None), (1.02, "slower", None)]
    found = simulated.outcome("drift", [run, run[:1]])
    assert (found["pairs"], found["decided"], found["wrong"], found["wrong_runs"], found["runs"]) == (5, 4, 2, 1, 2)


def test_the_page_says_what_is_missing(folder):
    import evidence_page

    for path in folder.rglob("power.json"):
        path.unlink()
    evidence_page.write(folder)
    assert "Not measured here: `python bench/power.py --save`" in (folder / "README.md").read_text()


def test_the_page_refuses_findings_that_lack_a_figure(folder):
    import evidence_page
    import jinja2

    path = next(folder.rglob("truth.json"))
    content = json.loads(path.read_text())
    del content["findings"]["visits"]
    path.write_text(json.dumps(content))
    with pytest.raises(jinja2.UndefinedError, match="visits"):
        evidence_page.write(folder)


def entry_machine(folder):
    return evidence.load_all(folder)[0]["machine"]
