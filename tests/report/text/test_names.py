"""Names in little room: layers that begin alike are told apart, whatever the width."""

import pytest

from grouped_bench.report.text import cells
from grouped_bench.report.text.names import cut, told_apart

MOBILE = [f"expanded_conv_{block}_{part}" for block in range(11) for part in ("expand", "depthwise", "project")]


def test_what_most_names_begin_with_goes():
    assert told_apart(MOBILE, 14)[:4] == ["…0_expand", "…0_depthwise", "…0_project", "…1_expand"]


@pytest.mark.parametrize("width", [12, 13, 18, 24])
def test_no_two_layers_have_one_name(width):
    """Beside layers of other names, as in MobileNetV3Large."""
    names = ["conv", *MOBILE, "conv_1", "a_rather_long_name_of_a_layer", "features.denseblock4.denselayer16.conv2"]
    told = told_apart(names, width)
    assert len(set(told)) == len(names)
    assert all(cells.display_width(name) <= width for name in told)


def test_names_that_fit_stay_as_they_are():
    assert told_apart(["conv_1", "conv_2"], 6) == ["conv_1", "conv_2"]
    assert told_apart(["a_conv", "a_conv"], 6) == ["a_conv", "a_conv"]
    assert told_apart([], 6) == []


def test_a_name_by_itself_is_cut_in_its_middle():
    assert told_apart(["stage_0_block_0_pointwise_conv_1"], 16) == ["stage_0_…_conv_1"]
    assert cut("abcdefgh", 1) == "…"
    assert cut("層層層層層層", 7) == "層層…層"
