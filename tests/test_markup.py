"""Text as Markdown in which nothing acts."""

import pytest

from grouped_bench.report.markup import escape, pipes, uncalled


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a\\|b"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("[x](y)", "\\[x\\](y)"),
        ("**b** `c` ~d~ #1", "\\*\\*b\\*\\* \\`c\\` \\~d\\~ \\#1"),
        ("grouped_native _it_", "grouped_native \\_it\\_"),
        ("one\ntwo\x1b", "one\\\\ntwo\\\\x1b"),
    ],
)
def test_markup_is_shown_as_it_is(text, shown):
    assert escape(text) == shown


def test_nobody_is_called():
    assert uncalled(escape("ask @all")) == "ask @<!-- -->all"


def test_a_row_of_a_table():
    assert pipes(["a", "b"]) == "| a | b |"
