"""`grouped-bench optimize`: its exit codes, its formats, and the way back."""

import json
import zipfile
from pathlib import Path

import pytest

import grouped_bench as gb
from grouped_bench.analyse.advise.optimized import StepCost, Whole
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.commands.main import cli

LAYER = {"class_name": "Conv2D", "registered_name": "grouped_layers>MergedGroupsConv2D", "config": {"merged": 2}}


def given(*words):
    return cli.main(["optimize", *words], standalone_mode=False)


@pytest.fixture
def found(monkeypatch):
    """Has `gb.optimize` find a network three times as fast, or not faster, and keeps what it was asked."""
    asked = []

    def answer(verdict):
        before, after = (StepCost(Estimate(one, one * 0.9, one * 1.1), 1.0, 100) for one in (0.3, 0.1))
        whole = Whole(before, after, Estimate(3.0, 2.8, 3.2), verdict, 1e-7)
        refusal = None if verdict == "faster" else "the whole model may be as fast as before"
        made = gb.Optimized("net.keras", (), whole, refusal, ("Left out: 2 × Dense.",))
        monkeypatch.setattr(gb, "optimize", lambda *names, **options: asked.append((names, options)) or made)
        return asked

    return answer


@pytest.mark.parametrize(("verdict", "code"), [("faster", 0), ("undecided", 3)])
def test_the_exit_code_says_whether_it_is_faster(verdict, code, found, capsys):
    asked = found(verdict)
    assert given("net.keras", "-o", "f.keras", "--pass", "training", "--env", "TF_X=0,1", "--budget", "9s") == code
    (names, options), text = asked[0], " ".join(capsys.readouterr().out.split())
    assert names == ("net.keras", "f.keras")
    assert options["passes"] == "training" and options["budget"] == "9s"
    assert "3.0× [2.8–3.2] faster: 300 ms → 100 ms a step" in text
    assert "Left out: 2 × Dense." in text
    assert ("name a file with -o" in text) == (code == 0)
    assert ("Nothing is written: the whole model may be as fast as before." in text) == (code == 3)


def test_json_has_the_figures_as_numbers(found, capsys):
    found("faster")
    given("net.keras", "--format", "json")
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == 1
    assert (told["whole"]["speedup"], told["whole"]["before"]["latency_s"]) == (3.0, 0.3)
    assert told["whole"]["after"]["peak_memory_bytes"] == 100


def test_restore_writes_keras_own_layers_again(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "faster.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": [LAYER]}}))
    given("--restore", str(tmp_path / "faster.keras"), "-o", str(tmp_path / "original.keras"))
    assert "1 layer computed by Keras' own convolution again" in capsys.readouterr().out
    with zipfile.ZipFile(tmp_path / "original.keras") as archive:
        (layer,) = json.loads(archive.read("config.json"))["config"]["layers"]
    assert (layer["registered_name"], layer["config"]) == (None, {})
    with pytest.raises(gb.GroupedBenchError, match="must not be replaced"):
        given("--restore", str(tmp_path / "faster.keras"), "-o", str(tmp_path / "original.keras"))
    with pytest.raises(gb.GroupedBenchError, match="itself must stay"):
        given("--restore", str(tmp_path / "faster.keras"), "-o", str(tmp_path / "faster.keras"), "--force")
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == ["faster.keras", "original.keras"]


@pytest.mark.parametrize("words", [(), ("net.keras", "--restore", "f.keras"), ("--restore", "f.keras")])
def test_what_does_not_go_together_is_refused(words):
    with pytest.raises(Exception, match=r"`optimize` takes MODEL or --restore|--restore must have a file"):
        given(*words)
