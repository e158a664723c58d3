"""The page of a learning run: what is on it, and that it loads nothing."""

import html
import re
from html.parser import HTMLParser

import pytest
from trainings import facts, responses, trainings

from grouped_bench.errors import OutputError
from grouped_bench.report.learning import figures, page

MADE = trainings({"g4": 0.05, "wide": -0.05}, 9)
KEPT = {
    name: {"before": responses(4, inside=0.1, seed=seed), "after": responses(4, inside=0.9, seed=seed)}
    for seed, name in enumerate(("dense", "g4"))
}
TOLD = facts(responses=KEPT)


class Reader(HTMLParser):
    """Ids, headings and whether every tag that must be closed is."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.open, self.links = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [value for name, value in attributes if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "path", "use", "rect", "image", "line", "circle"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass


@pytest.fixture(scope="module")
def text():
    return page.page(MADE, TOLD)


def test_it_has_the_answer_the_findings_and_the_tables(text):
    for words in (
        "Do groups learn better?",
        "reaches",
        "Findings",
        "Networks",
        "Comparisons",
        "Beside what was published",
    ):
        assert words in text


def test_it_has_every_figure_wide_and_narrow(text):
    assert text.count("<svg") == 6
    assert text.count('class="drawn narrow"') == text.count('class="drawn wide"') == 3
    assert all(re.search(r'aria-label="[^"]{20,}', part) for part in text.split("<svg")[1:])


def test_no_id_is_there_twice(text):
    ids = Reader(text).ids
    assert len(ids) == len(set(ids))


def test_it_loads_nothing_and_runs_nothing(text):
    assert "<script" not in text
    assert "default-src 'none'" in html.unescape(text)
    assert all(link.startswith(("#", "data:")) for link in Reader(text).links)


def test_what_a_stranger_wrote_is_escaped():
    told = {**TOLD, "study": TOLD["study"] | {"question": "<img src=x onerror=alert(1)>"}}
    assert "<img" not in page.page(MADE, told)


def test_without_seeds_there_is_a_page_all_the_same():
    text = page.page(trainings({}, 0), facts())
    assert "No comparison is decided" in text
    assert "<svg" not in text


def test_a_figure_says_what_is_seen_in_words():
    names = [one.name for one in figures.drawings(MADE, TOLD)]
    assert names == ["accuracy", "curves", "filters"]
    assert all(len(one.alt) > 60 and one.see and one.title for one in figures.drawings(MADE, TOLD))


def test_the_page_is_written_whole_or_not_at_all(tmp_path):
    assert page.write(MADE, TOLD, tmp_path / "a.html").read_text(encoding="utf-8").endswith("</html>")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="writable folder"):
        page.write(MADE, TOLD, tmp_path / "file" / "a.html")
