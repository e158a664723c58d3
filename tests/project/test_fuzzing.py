"""A short stretch of the fuzzing of every reader; `python tests/support/fuzzing.py --inputs 100000` is the long one."""

import fuzzing
import pytest

from grouped_bench.errors import SpaceError
from grouped_bench.harness import session
from grouped_bench.harness.processes import probing
from grouped_bench.space.space import Space


@pytest.fixture(autouse=True)
def as_before(elsewhere, monkeypatch):
    """What the fuzzer replaces is put back."""
    for module, name in ((probing, "Host"), (session, "Sweep")):
        monkeypatch.setattr(module, name, getattr(module, name))


def test_a_thousand_broken_inputs_are_read_or_refused_in_words(tmp_path):
    outcomes = fuzzing.fuzz(tmp_path / "fuzz", 1000, seed=5)
    assert sum(outcomes.values()) == 1000
    assert set(outcomes) == {f"{target} {what}" for target in fuzzing.WEIGHTS for what in ("accepted", "refused")}


@pytest.mark.parametrize(
    "answer",
    [
        ZeroDivisionError("a defect"),
        SpaceError("A rule", received="x" * 5000, remedy="Mend it" * 500),
    ],
)
def test_what_is_no_error_in_words_is_found(answer, tmp_path, monkeypatch):
    def fail(path):
        raise answer

    monkeypatch.setattr(Space, "from_toml", fail)
    with pytest.raises((ZeroDivisionError, AssertionError)):
        fuzzing.fuzz(tmp_path / "fuzz", 20, seed=5)


def test_a_file_that_a_reader_writes_is_found(tmp_path, monkeypatch):
    read = Space.from_toml
    monkeypatch.setattr(Space, "from_toml", lambda path: (path.with_name("more").touch(), read(path))[1])
    with pytest.raises(AssertionError, match="a reader wrote a file"):
        fuzzing.fuzz(tmp_path / "fuzz", 20, seed=5)
