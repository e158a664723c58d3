"""Answers about networks: kept for the same network, setting and machine, and for no other."""

import json
import os
import zipfile

import pytest

from grouped_bench.space.case import HostKey
from grouped_bench.store.networks.answers import SUFFIX, Answers, digest_of

KEY, QUESTION = HostKey("tensorflow"), {"model": "a", "making": "b"}


def kept(folder):
    return [path for path in folder.rglob(f"*{SUFFIX}") if not path.name.startswith(".")]


def test_an_answer_is_kept_for_the_same_question_alone(tmp_path, monkeypatch):
    Answers(tmp_path, KEY, QUESTION).keep("prove", {"error": 1e-7})
    again = Answers(tmp_path, KEY, QUESTION)
    assert again.kept_at is None
    assert again.get("prove") == {"error": 1e-7}
    assert again.get("visit 0") is None
    assert again.kept_at.startswith("20")
    others = [
        (HostKey("tensorflow", threads=1), QUESTION),
        (HostKey("tensorflow", env="TF_ENABLE_ONEDNN_OPTS=0"), QUESTION),
        (KEY, {**QUESTION, "model": "c"}),
    ]
    assert [Answers(tmp_path, *one).get("prove") for one in others] == [None] * len(others)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert Answers(tmp_path, KEY, QUESTION).get("prove") is None
    monkeypatch.setattr("grouped_bench.store.identity.name_here", lambda: "another-machine")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert Answers(tmp_path, KEY, QUESTION).get("prove") is None


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"prove": 3}', '{"prove": []}', "[" * 100_000])
def test_a_file_that_is_damaged_is_asked_again_and_replaced(text, tmp_path):
    Answers(tmp_path, KEY, QUESTION).keep("prove", {"error": 1e-7})
    (path,) = kept(tmp_path)
    path.write_text(text)
    found = Answers(tmp_path, KEY, QUESTION)
    assert found.get("prove") is None
    found.keep("prove", {"error": 2e-7})
    assert json.loads(path.read_text())["prove"] == {"error": 2e-7}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_takes_nothing_is_no_failure(tmp_path):
    tmp_path.chmod(0o500)
    found = Answers(tmp_path, KEY, QUESTION)
    found.keep("prove", {"error": 1e-7})
    assert found.get("prove") == {"error": 1e-7}


def test_a_full_disk_is_no_failure_and_leaves_no_part(tmp_path, monkeypatch):
    def full(path, *_, **__):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    Answers(tmp_path, KEY, QUESTION).keep("prove", {"error": 1e-7})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_when_a_model_was_saved_does_not_matter_and_its_weights_do(tmp_path):
    def saved(name, date, weights):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("metadata.json", date)
            archive.writestr("model.weights.h5", weights)
        return digest_of(str(tmp_path / name))

    assert saved("a.keras", "1", "w") == saved("b.keras", "2", "w") != saved("c.keras", "1", "v")
