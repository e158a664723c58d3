"""Text as Markdown in which nothing acts."""

import pytest

from grouped_bench.report.text.markup import escape, pipes, uncalled


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


@pytest.mark.parametrize(
    ("text", "parted"),
    [
        ("ask @all", "ask @|all"),
        ("a@b.example", "a@|b.example"),
        ("see #12, # 3", "see \\#|12, \\# 3"),
        ("https://x.example ftp://y", "https:|//x.example ftp:|//y"),
        ("www.x.example _WWW.y", "www|.x.example \\_WWW|.y"),
        ("GH-12 gh-x high-5", "GH|-12 gh-x high-5"),
        ("0123456789abcdef" * 2 + "01234567", "012345|6789ab|cdef01|234567|89abcd|ef0123|4567"),
        ("0123456789 20261123-012233-ab12", "0123456789 20261123-012233-ab12"),
    ],
)
def test_nobody_is_called_and_nothing_is_linked(text, parted):
    assert uncalled(escape(text)) == parted.replace("|", "<!-- -->")


def test_a_row_of_a_table():
    assert pipes(["a", "b"]) == "| a | b |"
