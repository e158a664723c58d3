"""Errors: rule, value and way out in one printable line, whatever the value is."""

from pathlib import Path

import pytest

from grouped_bench import errors
from grouped_bench.errors import GroupedBenchError, shown


class Unprintable:
    def __repr__(self):
        raise ValueError("too many digits")


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def test_an_error_tells_rule_value_and_way_out():
    error = GroupedBenchError("Groups must be positive", received=0, remedy="Give 1 or more")
    assert str(error) == "Groups must be positive. Received: 0. Give 1 or more."
    assert (error.rule, error.received, error.remedy) == ("Groups must be positive", 0, "Give 1 or more")


@pytest.mark.parametrize("name", ["SpaceError", "UnavailableError", "RunError", "OutputError", "HostError"])
def test_every_error_of_a_user_has_the_one_ancestor(name):
    assert issubclass(getattr(errors, name), GroupedBenchError)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it came", "as it came"),
        (1.5, "1.5"),
        (Path("runs/a.parquet"), "runs/a.parquet"),
        (["a"], "['a']"),
        ("\x1b[31mred\n", "\\x1b[31mred\\n"),
        ("漢字", "漢字"),
        pytest.param(nested(100_000), "list too large to show", id="nested"),
        (Unprintable(), "Unprintable too large to show"),
        pytest.param(10**5000, "int too large to show", id="digits"),
    ],
)
def test_any_value_can_be_shown(value, text):
    assert shown(value) == text


@pytest.mark.parametrize("character", ["x", "\x00"])
def test_a_long_value_is_cut(character):
    assert len(shown(character * 10_000)) == 120
    assert shown(character * 10_000)[79] == "…"


def test_the_end_of_a_long_path_and_what_follows_it_stay():
    assert shown(f"/{'folder/' * 40}run.parquet (No space left on device)").endswith(
        "run.parquet (No space left on device)"
    )


def test_no_part_of_a_message_reaches_the_terminal_as_a_control_code():
    error = GroupedBenchError("the key `a\x1b[2J` must be known", received="b\x07", remedy="Use c\r")
    assert str(error).isprintable()


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_a_text_of_nothing_is_shown_in_quotes(text):
    assert str(GroupedBenchError("A name must be given", received=text, remedy="Give one")) == (
        f"A name must be given. Received: {text!r}. Give one."
    )
