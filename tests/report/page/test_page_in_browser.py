"""The page in a real browser: it can be used, linked, printed and heard, asks for nothing and obeys no record."""

import json
import re

import browser as browsers
import pandas as pd
import pytest
from frames import HOSTILE, fail, frame, metadata

from grouped_bench.analyse.rows import plain
from grouped_bench.report.drawing import registry
from grouped_bench.report.drawing.style import mark_of
from grouped_bench.report.findings.findings import Finding
from grouped_bench.report.page import explorer
from grouped_bench.report.page import html as pages

LIGHT_AND_DARK = pytest.mark.parametrize("scheme", ["light", "dark"])
TIP = "#explore-tip"
POINTS = "#explore-chart svg .mark-symbol.role-mark path[transform]"


@pytest.fixture(scope="module")
def browser():
    with browsers.started() as started:
        yield started


def measured():
    made = frame(groups=[1, 8], channels=[64, 128])
    made = fail(made, (made["variant"] == "grouped") & (made["groups"] == 8), "oom", "needs 12 GiB")
    made["samples_s"] = [[[value * (1 + 0.01 * i) for i in range(4)]] * 6 for value in made["latency_s"]]
    return made


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A page of 40 tasks, 4 of which failed, with a finding that rests on 7 rows."""
    made, place = measured(), tmp_path_factory.mktemp("page") / "report.html"
    told = [Finding("Nothing rests on this."), Finding("This rests on <b>some</b>.", tuple(plain(made)[2:9]))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages.findings, "of_rows", lambda *_: told)
        return pages.write(made, [metadata()], place)


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """A page that has something to change."""
    made = frame(groups=[4, 8], channels=[64, 128], passes=["training"])
    return pages.write(made, [metadata()], tmp_path_factory.mktemp("page") / "answered.html")


@pytest.fixture
def opened(browser, path):
    """Opens the page at a fragment; afterwards it must have complained of nothing and asked for nothing."""
    made = []

    def opens(fragment="", *, at=path, **context):
        made.append(browsers.Opened(browser, at, fragment, **context))
        return made[-1]

    yield opens
    for each in made:
        each.close()
        assert (each.told, each.asked) == ([], [])


def rows(page, column):
    """The texts of a column of the table, as shown."""
    place = 1 + page.locator("#explore-head th").all_inner_texts().index(column)
    return page.locator(f"#explore-body tr > :nth-child({place})").all_inner_texts()


def tick(page, column, *texts):
    if page.locator("#explore-filters").is_hidden():
        page.locator("#explore-fold").click()
    page.locator("#explore-filters summary", has_text=f"{column}:").first.click()
    for text in texts:
        page.locator("#explore-filters details[open] label").get_by_text(text, exact=True).click()


def wait_drawn(page, count):
    page.wait_for_selector(f'#explore-chart[data-drawn="{count}"]')


def centre(point):
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_it_opens_draws_and_asks_for_nothing(opened):
    page = opened().drawn()
    assert page.locator("#explore-count").inner_text() == "40 of 40 tasks selected."
    assert page.locator("#explore-chart").get_attribute("data-drawn") == "36"
    assert "4 tasks not drawn: status not ok" in page.locator("#explore-drawn").inner_text()
    assert page.locator("#explore-problem").inner_text() == ""


def test_filters_choose_rows_for_the_table_and_the_chart(opened):
    page = opened().drawn()
    tick(page, "groups", "8")
    assert page.locator("#explore-count").inner_text() == "20 of 40 tasks selected."
    assert set(rows(page, "groups")) == {"8"}
    assert page.locator("#explore-fold").inner_text() == "Filters: groups"
    wait_drawn(page, 16)
    page.keyboard.press("Escape")
    assert not page.locator("#explore-filters details[open]").count()
    tick(page, "variant", "regular", "grouped")
    assert set(rows(page, "variant")) == {"regular", "grouped"}
    page.keyboard.press("Escape")
    assert page.locator("#explore-count").inner_text() == "8 of 40 tasks selected."
    page.locator("#explore-reset").click()
    assert page.locator("#explore-count").inner_text() == "40 of 40 tasks selected."


def test_words_are_searched_in_every_text(opened):
    page = opened().ready()
    page.locator("#explore-q").fill("12 gib TRAINING")
    assert rows(page, "status") == ["oom"] * 2
    assert rows(page, "reason") == ["needs 12 GiB"] * 2
    page.locator("#explore-q").fill("nowhere")
    assert page.locator("#explore-page").inner_text() == "no rows"


def test_columns_sort_by_their_numbers_and_unknown_ones_come_last(opened):
    page = opened().ready()
    head = page.locator('[data-column="latency_s"]')
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert head.get_by_role("button").evaluate("button => button === document.activeElement")
    shown = rows(page, "latency")
    assert shown[-4:] == ["—"] * 4
    numbers = [float(text.split()[0]) * {"ms": 1, "µs": 1e-3}[text.split()[1]] for text in shown[:-4]]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 10
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert rows(page, "latency") == [*reversed(shown[:-4]), *["—"] * 4]


def test_every_column_can_be_shown(opened):
    page = opened().ready()
    assert "started_at" not in page.locator("#explore-head").inner_text()
    page.locator("#explore-every").check()
    heads = page.locator("#explore-head th").count()
    assert heads == 3 + len([c for c in explorer.schema.NAMES if c not in explorer.schema.RAW])


def test_pointing_at_a_point_tells_its_row(opened):
    page = opened("#explore?is.variant=regular&is.groups=8&is.in_channels=64&is.pass=training").drawn()
    wait_drawn(page, 1)
    assert page.locator(TIP).is_hidden()
    page.mouse.move(*centre(page.locator(POINTS).first))
    page.wait_for_selector(TIP, state="visible")
    told = page.locator(TIP).inner_text()
    assert "variant regular" in told
    assert re.search(r"latency 1[12]\.\d ms", told)
    page.mouse.move(5, 5)
    page.wait_for_selector(TIP, state="hidden")


def test_two_tasks_are_pinned_and_compared(opened):
    page = opened(
        "#explore?is.variant=regular&is.variant=grouped_native&is.groups=8&is.in_channels=64&is.pass=training"
    ).drawn()
    wait_drawn(page, 2)
    page.mouse.click(*centre(page.locator(POINTS).first))
    page.wait_for_selector("#explore-compare", state="visible")
    page.locator("button.pin", has_text=re.compile("^pin")).focus()
    page.keyboard.press("Enter")
    assert page.locator(":focus").inner_text() == "unpin"
    heads = page.locator("#explore-pinned thead th").all_inner_texts()
    assert sorted(head[3:] for head in heads[1:3]) == ["grouped_native", "regular"]
    told = dict(line.split("\t", 1) for line in page.locator("#explore-pinned tbody tr").all_inner_texts())
    assert told["samples here"].split("\t")[:2] == ["24", "24"]
    assert set(told["latency"].split("\t")[2]) <= set("0123456789.×")
    page.locator("#explore-samples").scroll_into_view_if_needed()
    page.wait_for_selector('#explore-samples[data-drawn="48"]')
    assert page.locator("#explore-body tr.pinned").count() == 2
    page.locator("#explore-unpin").click()
    assert page.locator("#explore-compare").is_hidden()


def test_a_view_can_be_linked(opened):
    first = opened().drawn()
    tick(first, "pass", "training")
    first.locator("#explore-y").select_option("speedup")
    first.locator("#explore-facet").select_option("in_channels")
    first.locator("#explore-colour").select_option("macs")
    first.locator('[data-column="groups"] button').click()
    first.locator("#explore-q").fill("grouped")
    first.locator("button.pin").nth(3).click()
    fragment = first.evaluate("location.hash")
    assert fragment.startswith("#explore?")
    second = opened(fragment).drawn()
    for page in (first, second):
        wait_drawn(page, 10)
    for read in ("#explore-count", "#explore-pinned", "#explore-body", "#explore-drawn"):
        assert second.locator(read).inner_text() == first.locator(read).inner_text()
    for axis in ("x", "y", "colour", "facet", "q"):
        assert second.locator(f"#explore-{axis}").input_value() == first.locator(f"#explore-{axis}").input_value()
    assert second.evaluate("window.scrollY") > 0


def test_a_finding_leads_to_its_rows(opened):
    page = opened().drawn()
    page.get_by_role("link", name="The 7 rows behind finding 2").click()
    page.locator("#explore-count", has_text=re.compile(r"^\s*7 of")).wait_for()
    assert page.locator("#explore-finding-text").inner_text() == "This rests on <b>some</b>."
    assert rows(page, "variant") == [row["variant"] for row in plain(measured())[2:9]]
    page.locator("#explore-all-rows").click()
    assert page.locator("#explore-count").inner_text().startswith("40 of")


@pytest.mark.parametrize(
    "fragment",
    [
        "#explore?x=nothing&y=__proto__&colour=constructor&facet=%00&sort=-toString&page=-7&finding=99&pins=-1,1e9,x,0.5",
        "#explore?is.variant=<img src=x onerror=alert(1)>&q=<script>alert(1)</script>&is.__proto__=1&page=1e400",
        "#explore?" + "&is.groups=8" * 2000,
        "#explore?%E0%A4%A",
    ],
)
def test_a_fragment_from_anyone_is_no_crash(opened, fragment):
    page = opened(fragment).drawn() if "q=" not in fragment else opened(fragment).ready()
    assert page.locator("#explore-problem").inner_text() == ""
    assert re.fullmatch(r"\d+ of 40 tasks selected\.", page.locator("#explore-count").inner_text())
    assert not page.locator("img").count()


@pytest.mark.parametrize(
    "x, colour, facet", [("variant", "groups", ""), ("macs", "latency_s", "variant"), ("size", "verdict", "groups")]
)
def test_any_axes_can_be_drawn(opened, x, colour, facet):
    page = opened(f"#explore?x={x}&colour={colour}&facet={facet}").drawn()
    titles = {column["name"]: column["title"] for column in explorer.record(frame(), plain(frame()), [])["columns"]}
    titles["first_calls_s"] += " (median)"
    for y in ("speedup", "peak_memory_bytes", "macs", "relative_error", "first_calls_s", "groups", "latency_s"):
        page.evaluate(f"location.hash = '#explore?x={x}&y={y}&colour={colour}&facet={facet}'")
        title = page.locator("#explore-chart .role-axis-title").get_by_text(titles[y], exact=True)
        title.first.wait_for(state="attached")
        assert titles[x] in page.locator("#explore-chart .role-axis-title").all_text_contents()


def test_what_has_no_colour_is_not_called_drawn(opened, tmp_path):
    made = frame(groups=[1, 8], channels=[64, 128], passes=["training"])
    made["energy_j"] = [None if row % 2 else 0.1 * (row + 1) for row in range(len(made))]
    page = opened("#explore?colour=energy_j", at=pages.write(made, [], tmp_path / "colours.html")).drawn()
    wait_drawn(page, 10)
    assert page.locator(POINTS).count() == 10
    assert "10 tasks not drawn: status not ok, or no case or latency or energy." in (
        page.locator("#explore-drawn").inner_text()
    )


def test_an_interval_that_says_nothing_does_not_leave_its_panel(opened, tmp_path):
    made = frame(groups=[2, 8], channels=[64], passes=["training"])
    made["speedup_low"], made["speedup_high"] = 1e-12, 1e12
    page = opened("#explore?y=speedup", at=pages.write(made, [], tmp_path / "wide.html")).drawn()
    assert page.locator("#explore-chart svg g.mark-rule[clip-path]").count()
    assert "10 very wide ones may be cut" in page.locator("#explore-drawn").inner_text()
    panel = max(each.bounding_box()["height"] for each in page.locator("#explore-chart svg .background").all())
    heights = [point.bounding_box()["y"] for point in page.locator(POINTS).all()]
    assert max(heights) - min(heights) > 0.45 * panel


def test_a_variant_has_its_colour(opened):
    page = opened("#explore?is.variant=grouped").drawn()
    wait_drawn(page, 4)
    (colour,) = {mark_of(row).colour for row in plain(measured()) if row["variant"] == "grouped"}
    fills = page.locator(POINTS).evaluate_all("points => points.map(point => point.getAttribute('fill'))")
    assert {fill.lower() for fill in fills} == {colour.lower()}


def test_no_other_script_runs(browser, path):
    opened = browsers.Opened(browser, path)
    page = opened.ready()
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))"
    )
    page.evaluate("fetch('https://example.org/').catch(() => 0)")
    assert page.evaluate("window.ran") is None
    assert len([told for told in opened.told if "Content Security Policy" in told]) >= 2
    opened.close()


@pytest.fixture(scope="module")
def hostile_path(tmp_path_factory):
    made = frame(groups=[2, 8], channels=[64], passes=["training"])
    for name in ("variant", "machine", "label", "device_name", "backend"):
        made[name] = [f"{HOSTILE}{i % 4}</td><img src=x onerror=alert(2)>" for i in range(len(made))]
    made = fail(made, made.index == 0, HOSTILE, HOSTILE)
    made["flags"] = [[HOSTILE]] * len(made)
    facts = {"run_id": HOSTILE, "machine": HOSTILE, "command": [HOSTILE], "environment": {HOSTILE: {"a": HOSTILE}}}
    return pages.write(made, [facts], tmp_path_factory.mktemp("page") / "hostile.html")


def test_what_a_record_says_stays_text(opened, hostile_path):
    page = opened("#explore?x=variant&facet=backend", at=hostile_path).drawn()
    scripts = page.locator("script").count()
    assert scripts == 4  # two packed, one of ours, the charts' library
    assert not page.locator("img").count()
    page.locator("#explore-every").check()
    assert "<script>alert('x')</script>\\x1b" in rows(page, "label")[0]
    page.mouse.move(*centre(page.locator(POINTS).first))
    page.wait_for_selector(TIP, state="visible")
    assert "<script>alert('x')</script>" in page.locator(TIP).inner_text()
    for place in (0, 1):
        page.locator("button.pin").nth(place).click()
    assert "<script>" in page.locator("#explore-pinned").inner_text()
    page.locator("#explore-fold").click()
    page.locator("#explore-filters summary").first.click()
    assert page.locator("script").count() == scripts
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@LIGHT_AND_DARK
@pytest.mark.parametrize("width", [320, 1280, 3840])
def test_it_fits_any_width(opened, width, scheme):
    page = opened("#explore?pins=1,2", width=width, color_scheme=scheme).drawn()
    page.wait_for_selector("#explore-samples[data-drawn]")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
    assert dark == (scheme == "dark")


@LIGHT_AND_DARK
@pytest.mark.parametrize("fragment", ["", "#explore?pins=1,2&is.groups=8&finding=2&every=yes"])
def test_it_can_be_heard_and_used_by_keyboard(opened, scheme, fragment):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(fragment, color_scheme=scheme).drawn()
    page.locator("#explore-fold").click()
    page.locator("#explore-filters summary").first.click()
    found = Axe().run(page).response["violations"]
    grave = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not grave, json.dumps([(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in grave], indent=1)


@LIGHT_AND_DARK
def test_it_prints_black_on_white_what_fits_on_paper(opened, scheme):
    page = opened("#explore?pins=1,2", color_scheme=scheme).drawn()
    assert len(page.pdf()) > 10_000
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 without its margins
    for hidden in (
        "nav",
        "[data-copies]",
        "#explore-filters",
        "#explore-x",
        "#explore-q",
        "#explore-before",
        "button.pin >> nth=0",
    ):
        assert page.locator(hidden).is_hidden(), hidden
    for shown in (
        "#findings",
        "#explore-chart svg",
        "#explore-pinned table",
        "#explore-body tr:last-child",
        "figcaption details .alt >> nth=0",
        "#cohort-1",
    ):
        assert page.locator(shown).is_visible(), shown
    for place in ("body", "#explore-head th:nth-child(2)"):
        style = page.locator(place).evaluate("e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]")
        assert style == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"], place
    assert page.locator(".rows table").bounding_box()["width"] <= 718
    sizes = page.evaluate("[...document.querySelectorAll('td')].map((e) => parseFloat(getComputedStyle(e).fontSize))")
    assert min(sizes) >= 8 * 96 / 72 - 0.1


def test_a_chart_that_was_never_drawn_leaves_no_hole_on_paper(opened):
    page = opened(height=100).ready()
    page.emulate_media(media="print")
    assert page.locator("#explore-chart").get_attribute("data-drawn") is None
    assert page.locator("#explore-chart").is_hidden()


def test_without_scripts_it_still_tells(opened):
    page = opened(java_script_enabled=False).page
    assert page.locator("noscript").is_visible()
    assert page.locator("#explore-x").is_hidden()
    assert page.locator(".evidence").is_hidden()
    for shown in (".effect", ".answer svg >> nth=0", "#finding-1", ".card svg >> nth=0", "#cohort-1"):
        assert page.locator(shown).is_visible()


@LIGHT_AND_DARK
@pytest.mark.parametrize("width, height", [(1280, 800), (390, 844)])
def test_the_first_screen_has_effect_action_and_picture(opened, answered, width, height, scheme):
    page = opened(at=answered, width=width, height=height, color_scheme=scheme).ready()
    for shown in (".effect", ".action", ".certainty", "[data-copies]", "#figure-winners svg:visible"):
        box = page.locator(shown).bounding_box()
        assert box["y"] < height - 100, shown
        assert box["width"] <= width, shown
    assert page.locator("#figure-winners svg:visible").count() == 1
    size = page.locator(".effect").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert size > 1.4 * page.locator(".action").evaluate("e => parseFloat(getComputedStyle(e).fontSize)") * 0.95


@LIGHT_AND_DARK
def test_figures_are_drawn_with_the_ink_of_the_page(opened, answered, scheme):
    page = opened(at=answered, color_scheme=scheme).ready()
    inks = page.locator("#figure-winners .wide svg text").evaluate_all("all => all.map(e => getComputedStyle(e).fill)")
    assert set(inks) == {"rgb(232, 232, 232)" if scheme == "dark" else "rgb(0, 0, 0)"}
    page.emulate_media(media="print")
    assert (
        page.locator("#figure-winners .wide svg text").first.evaluate("e => getComputedStyle(e).fill") == "rgb(0, 0, 0)"
    )


def test_the_code_is_copied_by_one_click(opened, answered):
    page = opened(at=answered, permissions=["clipboard-read", "clipboard-write"]).ready()
    page.locator("[data-copies]").click()
    page.get_by_text("Copied.", exact=True).wait_for()
    code = page.evaluate("navigator.clipboard.readText()")
    assert code == page.locator("#code").text_content()
    assert "layer = " in code
    page.emulate_media(media="print")
    assert page.locator("#code").is_hidden()
    assert page.locator("[data-copies]").is_hidden()


def test_without_scripts_no_button_promises_to_copy(opened, answered):
    page = opened(at=answered, java_script_enabled=False).page
    assert page.locator("[data-copies]").is_hidden()
    page.locator("summary", has_text="Code").click()
    assert page.locator("#code").is_visible()


def test_the_explorer_opens_on_cases_that_are_not_mixed(opened):
    page = opened().drawn()
    assert page.locator("#explore-x").input_value() == "case"
    assert page.locator("#explore-facet").input_value() == "setting"
    titles = page.locator("#explore-chart .role-axis-title").all_text_contents()
    assert {"case", "latency"} <= set(titles)
    heads = page.locator("#explore-head th").all_inner_texts()
    assert heads[1:5] == ["case", "setting", "variant", "latency"]


@pytest.mark.parametrize("measured", [frame().head(0), fail(frame(), frame()["groups"] > 0, "crashed", None)])
def test_nothing_measured_is_no_crash(opened, tmp_path, measured):
    page = opened(at=pages.write(measured, [], tmp_path / "nothing.html")).ready()
    page.locator("#explore-chart").scroll_into_view_if_needed()
    page.get_by_text("No tasks to draw.").wait_for()
    assert page.locator("#explore-problem").inner_text() == ""
    assert page.locator("#explore-body tr").count() == min(50, len(measured))


def test_many_tasks_open_and_what_does_not_fit_is_said(opened, tmp_path, monkeypatch):
    many = pd.concat([frame(groups=[1, 8], channels=range(8, 1608, 8), passes=["training"])] * 2, ignore_index=True)
    monkeypatch.setattr(registry, "draw", lambda *_: [])
    monkeypatch.setattr(explorer, "MOST_ROWS", 3500)
    monkeypatch.setattr(explorer, "MOST_SAMPLES", 3500 * 5)
    # A panel for each of so many latencies is more than anyone can have asked for.
    page = opened("#explore?pins=7&facet=latency_s", at=pages.write(many, [], tmp_path / "many.html")).drawn()
    wait_drawn(page, 3500)
    assert page.locator("#explore-chart canvas").count() == 1
    assert "The first 3,500 of 4,000 tasks are here" in page.locator("#explorer").inner_text()
    assert "at most 5 quantiles per task" in page.locator("#explore-sampled").inner_text()
    page.locator("#explore-after").click()
    assert page.locator("#explore-page").inner_text() == "rows 51 to 100 of 3,500"
