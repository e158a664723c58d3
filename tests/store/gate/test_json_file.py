"""JSON from elsewhere: read whole, or refused for a reason, and never waited for."""

import os

import pytest

from grouped_bench.store.gate import json_file
from grouped_bench.store.gate.json_file import DoubledKeyError, UnreadableError, read_tree


def test_a_pipe_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(json_file.Path, "read_text", lambda *_, **__: pytest.fail("it would wait"))
    for name in ("pipe", "none"):
        with pytest.raises(UnreadableError, match="no such file"):
            read_tree(tmp_path / name)


def test_a_key_occurs_once_and_a_file_has_a_limit(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    path.write_text('{"a": 1, "b": {"c": 1, "c": 2}}')
    with pytest.raises(DoubledKeyError, match="c"):
        read_tree(path)
    monkeypatch.setattr(json_file, "LARGEST_FILE", 3)
    with pytest.raises(UnreadableError, match="at most 3 are read"):
        read_tree(path)
