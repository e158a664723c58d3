"""Looks in words: 80 columns, JSON, and a section of the page that a stranger's record cannot harm."""

import json
import re

import pytest
from frames import HOSTILE, frame, metadata
from html_reader import Reader
from looks import cohort, instruction, look, primitive

from grouped_bench.analyse.reasons.causes import causes
from grouped_bench.report import explanation
from grouped_bench.report.page.html import page
from grouped_bench.store.checks import metadata_problem

SMALL = frame(groups=[8], channels=[64], passes=["training"])
HARMLESS = {"primitives": [primitive()], "instructions": [instruction()], "causes": ["One."]}
HARMLESS["kernels"] = [{"name": "k", "count": 1, "seconds": 1.0}]
SPLIT = look(of=cohort(variants=["split_concat"]), primitives=[primitive(count=96, seconds=0.02)])
LOOKS = [
    look(instructions=[instruction(lhs_dilate="1x1x32", macs=924_844_032), instruction(count=2)], latency_s=2.9),
    SPLIT | {"causes": causes(SPLIT)},
    look(of=cohort(variants=["split_sum"]), status="oom", reason="64 GiB wanted"),
    look(of=cohort(variants=["regular"]), kernels=[{"name": "aten::mkldnn_convolution", "count": 3, "seconds": 0.004}]),
]


def test_the_text_says_what_ran_what_it_reaches_and_why():
    assert explanation.render(LOOKS, "table").splitlines() == [
        "Conv2D 128→128 k3x3 on 28x28 groups 32 batch 8 training",
        "tensorflow graph on cpu",
        "peaks: 180 GFLOP/s, 20 GB/s; a call that computes nothing: 200 µs",
        "",
        "grouped: 2.90 s per call, 17 GFLOP/s (9.4% of the peak), least traffic 1.3 GB/s",
        "  (6.5% of the peak)",
        "  XLA 1 × convolution f32[4,3,3,32,4] size=28x28x32 lhs_dilate=1x1x32",
        "    feature_group_count=32, 925 M MACs",
        "  XLA 2 × convolution f32[4,3,3,32,4] size=3x3 pad=1_1x1_1",
        "    feature_group_count=32, 28.9 M MACs",
        "  → No known cause explains this time.",
        "",
        "split_concat: 10.0 ms per call, 17 GFLOP/s (9.4% of the peak), least traffic",
        "  1.3 GB/s (6.5% of the peak)",
        "  oneDNN 96 × convolution jit:avx512_core",
        "    g32mb8_ic128oc128_ih28oh28kh3sh1dh0ph1_iw28ow28kw3sw1dw0pw1, 20 ms",
        "  → A call runs 96 convolutions for its 32 groups, each with its own launch and",
        "      small operands.",
        "",
        "split_sum: oom: 64 GiB wanted",
        "",
        "regular: 10.0 ms per call, 17 GFLOP/s (9.4% of the peak), least traffic 1.3 GB/s",
        "  (6.5% of the peak)",
        "  PyTorch 3 × aten::mkldnn_convolution, 4.0 ms",
        "  → No known cause explains this time.",
        "",
        "Fastest here: split_concat, about 290× faster than grouped. These latencies come",
        "  from one short visit and have no interval. `grouped-bench advise --measure`",
        "  with the same case measures them, and names the form to use.",
    ]


def test_each_setting_has_a_heading_of_its_own():
    other = look() | {"setting": "jax xla on cpu"}
    text = explanation.render([look(), look(), other], "table")
    assert text.count("tensorflow graph on cpu") == text.count("\n\nConv2D") == text.count("jax xla on cpu") == 1


@pytest.mark.parametrize(("device", "named"), [("cpu", "PyTorch"), ("gpu:0", "GPU")])
def test_a_kernel_is_told_of_the_device_that_ran_it(device, named):
    """On a GPU each kernel was logged by the driver; on a CPU, PyTorch's profiler alone knows of kernels."""
    found = look(kernels=[{"name": "k", "count": 3, "seconds": 0.004}])
    found["task"] |= {"device": device}
    assert explanation.tell(found).ran == (f"{named} 3 × k, 4.0 ms",)


def test_without_peaks_nothing_is_said_of_them():
    bare = look(peak=None, call_s=None, share_of_peak=None, share_of_bandwidth=None)
    text = explanation.render([bare], "table")
    assert "peak" not in text and "The libraries logged no kernels." in text


def test_a_share_far_above_a_peak_is_not_said():
    """A peak that was read on a busy moment would be said to be reached 29 times over."""
    used = explanation.tell(look(share_of_peak=29.0, share_of_bandwidth=1.1)).used
    assert "%" not in used.partition("least traffic")[0]
    assert used.endswith("(110% of the peak)")


def test_traces_of_time_are_left_out():
    parts = [primitive(seconds=0.1), primitive("reorder", seconds=0.0009)]
    assert explanation.tell(look(primitives=parts)).ran == explanation.tell(look(primitives=parts[:1])).ran


def test_json_holds_all_of_it():
    told = json.loads(explanation.render(LOOKS, "json"))
    assert told["schema"] == 1
    assert [one["variant"] for one in told["explanations"]] == ["grouped", "split_concat", "split_sum", "regular"]
    assert told["explanations"][0]["instructions"][0]["lhs_dilate"] == "1x1x32"


def recorded(looks):
    """Metadata as a file gives it back."""
    return json.loads(json.dumps(metadata(explanations=looks)))


def test_a_run_may_hold_looks_and_the_page_shows_them():
    facts = recorded(LOOKS)
    assert metadata_problem(facts) is None
    text = page(SMALL, [facts])
    section = text[text.index('id="why"') : text.index('id="left-out"')]
    assert "lhs_dilate=1x1x32" in section and "96 convolutions for its 32 groups" in section
    assert "split_sum: Conv2D" in section and "oom: 64 GiB wanted" in section
    assert {"#why"} <= {tag.get("href") for tag in Reader(text).all("a")}
    assert "#why" not in page(SMALL, [metadata()]) and 'id="why"' not in page(SMALL, [metadata()])


def test_a_page_holds_so_many_looks_and_counts_the_rest():
    text = page(SMALL, [recorded([look()] * 62)])
    assert text.count("<summary>What ran</summary>") == 60
    assert "2 more explanations in the file" in text
    assert "more looks" not in page(SMALL, [recorded(LOOKS)])


def test_what_a_stranger_writes_acts_nowhere():
    texts = dict.fromkeys(("variant", "case", "setting", "reason"), HOSTILE)
    parts = {
        "primitives": [primitive() | {"kind": HOSTILE, "problem": HOSTILE}],
        "instructions": [instruction() | {"shape": HOSTILE, "window": HOSTILE}],
        "kernels": [{"name": HOSTILE, "count": 1, "seconds": 1.0}],
    }
    facts = recorded([look(**parts) | texts | {"causes": [HOSTILE]}, look() | texts | {"status": HOSTILE}])
    assert metadata_problem(facts) is None
    text, harmless = (page(SMALL, [one]) for one in (facts, recorded([look(**HARMLESS), look(status="oom")])))
    assert [tag for tag, _ in Reader(text).tags] == [tag for tag, _ in Reader(harmless).tags]
    assert HOSTILE not in text
    plain = explanation.render(facts["explanations"], "table")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", plain)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"variant": 3}, "explanations.0.variant in the metadata"),
        ({"latency_s": -1.0}, "explanations.0.latency_s in the metadata"),
        ({"share_of_peak": "all"}, "explanations.0.share_of_peak in the metadata"),
        ({"causes": "none"}, "explanations.0.causes in the metadata"),
        ({"primitives": [{}]}, "explanations.0.primitives.0.kind in the metadata"),
        ({"kernels": [{"name": "x", "count": 1, "seconds": 1e300}]}, "explanations.0.kernels.0.seconds in the meta"),
        ({"instructions": [instruction() | {"macs": -1}]}, "explanations.0.instructions.0.macs in the metadata"),
    ],
)
def test_looks_of_another_shape_are_refused(changed, told):
    assert metadata_problem(recorded([look() | changed])).startswith(told)


@pytest.mark.parametrize("width", [40, 160])
def test_a_line_takes_the_columns_that_there_are(width):
    told = [len(line) for line in explanation.render(LOOKS, "table", width).splitlines() if "g32mb8" not in line]
    assert (width - 20 if width > 80 else 30) < max(told) <= width  # the name of a problem cannot be broken
