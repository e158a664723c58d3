"""`grouped-bench learn`: what it prints, what it refuses, and a run of it all by a real framework."""

import json
from collections import Counter

import pytest
from click.testing import CliRunner
from trainings import facts, trainings

import grouped_bench as gb
from grouped_bench.commands.main import cli
from grouped_bench.errors import GroupedBenchError
from grouped_bench.harness.learning import carry_out
from grouped_bench.space import studies
from grouped_bench.space.learning import Network, NetworkPair, NetworkPart, Study
from grouped_bench.store import learning as store


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What `learn` asks for, answered by a file that is there."""
    found = []

    def answered(request, resumed=None):
        found.append((request, resumed))
        path = tmp_path / "machine" / f"20260101-000000-abcd{store.SUFFIX}"
        store.write(path, trainings({"g4": 0.1}, 8), facts())
        return path

    monkeypatch.setattr(carry_out, "carry_out", answered)
    return found


def run(*arguments):
    return CliRunner().invoke(cli, ["learn", *arguments], catch_exceptions=False)


def test_the_answer_is_printed_and_the_page_written(asked, tmp_path):
    result = run("--out", str(tmp_path))
    assert result.exit_code == 0
    assert "reaches" in result.output.splitlines()[0] + result.output.splitlines()[1]
    assert "Page: file://" in result.output
    assert len(list(tmp_path.rglob("*.html"))) == 1


def test_no_page_without_a_report(asked, tmp_path):
    assert "Page" not in run("--out", str(tmp_path), "--no-report").output
    assert list(tmp_path.rglob("*.html")) == []


def test_json_is_json(asked, tmp_path):
    assert json.loads(run("--out", str(tmp_path), "--format", "json").output)["schema"] == 1


def test_options_reach_the_run(asked, tmp_path):
    options = {"preset": "resnext-mini", "data": "shapes", "seeds": 8, "epochs": 3, "budget": "90s", "seed": 5}
    run(*(f"--{name}={value}" for name, value in options.items()), "--out", str(tmp_path))
    (request, resumed), *_ = asked
    assert (request.study.name, request.study.epochs, request.data) == ("resnext-mini", 3, "shapes")
    assert (request.most_seeds, request.budget, request.seed, resumed) == (8, 90, 5, None)


def test_a_run_goes_on_with_what_it_was_asked_for(asked, tmp_path):
    run("--out", str(tmp_path))
    run("--out", str(tmp_path), "--resume", "latest")
    request, resumed = asked[-1]
    assert (request.study.name, request.data) == ("mini", "digits")
    assert resumed.name.endswith(store.SUFFIX)


@pytest.mark.parametrize(
    ("options", "received"),
    [
        ({"preset": "nope"}, "nope"),
        ({"seeds": 5}, "5"),
        ({"seeds": True}, "True"),
        ({"epochs": 0}, "0"),
        ({"budget": "soon"}, "soon"),
        ({"budget": -1}, "-1"),
        ({"data": "none.npz"}, "none.npz"),
        ({"resume": "latest"}, "latest"),
        ({"backend": "caffe"}, "caffe"),
    ],
)
def test_what_breaks_a_rule_is_refused_in_words(options, received, tmp_path):
    with pytest.raises(GroupedBenchError, match=rf"Received: .*{received}"):
        gb.learn(out=tmp_path, **options)
    assert list(tmp_path.rglob("*")) == []


TINY = Study(
    "tiny",
    "Do groups learn better?",
    "digits",
    tuple(
        Network(name, (NetworkPart("convolution", 8), NetworkPart("convolution", 8, groups=groups, stride=2)))
        for name, groups in (("dense", 1), ("g4", 4))
    ),
    (NetworkPair("groups", "g4", "dense"),),
    ("g4",),
    epochs=1,
    batch_size=50,
    examples=200,
)


@pytest.mark.long
def test_a_real_run_from_examples_to_page(monkeypatch, tmp_path, request):
    """Of two tiny networks, six seeds each; its file is read again, and goes on where it was cut."""
    pytest.importorskip("sklearn")
    monkeypatch.setitem(studies.STUDIES, "tiny", TINY)
    backend = request.config.getoption("backend")
    found = gb.learn("tiny", backend=backend, seeds=6, out=tmp_path, budget=None)
    assert Counter(one.network for one in found.trainings if one.phase == store.SEED) == {"dense": 6, "g4": 6}
    assert {one.status for one in found.trainings} == {"ok"}
    assert found.metadata["stopped_by"] in ("settled", "seeds")
    assert len(found.frame) == len(found.trainings)
    assert found.findings
    assert found.report().suffix == ".html"
    again = gb.load_learning("latest", tmp_path)
    assert again.trainings == found.trainings
    assert str(again) == str(found)
    cut = [one for one in found.trainings if one.seed != 5]
    store.write(found.path, cut, {**found.metadata, "finished": False, "stopped_by": "user"})
    whole = gb.learn(resume=found.path, seeds=6, out=tmp_path, budget=None)
    key = [(one.network, one.phase, one.seed, one.learning_rate) for one in found.trainings]
    assert sorted((one.network, one.phase, one.seed, one.learning_rate) for one in whole.trainings) == sorted(key)
