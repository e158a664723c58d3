"""Presets: each can be planned, and what one says that it reproduces is derived here from its source."""

import itertools
from collections import Counter

import pytest

from grouped_bench import variants
from grouped_bench.plan import make_plan
from grouped_bench.space.axes import axis_field
from grouped_bench.space.space import Space, preset_about, preset_names

BATCH_NORM, FULLY_CONNECTED = 68_224, 2_049_000


def resnext50():
    """(in, out, kernel, stride, groups, input extent) of each convolution, from table 1 of arXiv 1611.05431, C=32, d=4.

    A stage doubles the channels of the one before and halves the extent, in the 3x3 convolution of its first block
    and in the projection beside it (stage conv2 follows a max pooling instead). A block is 1x1, 3x3, 1x1.
    """
    found = Counter({(3, 64, 7, 2, 1, 224): 1})
    channels, extent = 64, 56
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width, out = 32 * 4 * 2**stage, 256 * 2**stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            found[channels, width, 1, 1, 1, extent] += 1
            found[width, width, 3, stride, 32, extent] += 1
            found[width, out, 1, 1, 1, extent // stride] += 1
            if not block:
                found[channels, out, 1, stride, 1, extent] += 1
            channels, extent = out, extent // stride
    return found


@pytest.fixture(scope="module")
def cohorts():
    return make_plan(Space.preset("resnext50")).cohorts


def exact(cohort):
    """Counts of the cohort as the network has it: grouped where the paper groups, dense elsewhere."""
    return variants.get("grouped").counts(cohort.case)


def test_the_derivation_has_the_fifty_three_convolutions_of_the_network():
    assert sum(resnext50().values()) == 1 + 3 * (3 + 4 + 6 + 3) + 4
    assert sum(2 * out * count for (_, out, *_), count in resnext50().items()) == BATCH_NORM  # one a convolution
    assert FULLY_CONNECTED == 2048 * 1000 + 1000


def test_resnext50_holds_every_convolution_of_the_paper_as_often_as_it_stands_there(cohorts):
    found = Counter()
    for cohort in cohorts:
        case = cohort.case
        assert (case.rank, case.batch_size, case.padding, case.bias, case.dilation) == (2, 1, "same", False, (1, 1))
        for pair in (case.size, case.kernel_size, case.stride):
            assert pair[0] == pair[1]
        key = (case.in_channels, case.out_channels, case.kernel_size[0], case.stride[0], case.groups, case.size[0])
        found[key] += cohort.multiplicity
    assert found == resnext50()


def test_resnext50_has_the_parameters_and_the_work_that_the_paper_tells(cohorts):
    params = sum(exact(cohort).params * cohort.multiplicity for cohort in cohorts)
    assert params == 22_911_680
    assert params + FULLY_CONNECTED + BATCH_NORM == 25_028_904  # the paper's 25.0 M
    assert sum(exact(cohort).macs * cohort.multiplicity for cohort in cohorts) == 4_228_431_872  # the paper's 4.2 G


def test_resnext50_counts_agree_with_a_sum_over_the_derived_shapes(cohorts):
    params = sum(k * k * cin // g * cout * count for (cin, cout, k, _, g, _), count in resnext50().items())
    macs = sum(
        k * k * cin // g * cout * (extent // s) ** 2 * count
        for (cin, cout, k, s, g, extent), count in resnext50().items()
    )
    assert (params, macs) == (22_911_680, 4_228_431_872)


def test_resnext50_compares_variants_where_the_paper_groups_and_labels_every_case(cohorts):
    for cohort in cohorts:
        assert len(cohort.variants) == (5 if cohort.case.groups == 32 else 1)
        assert cohort.variants[0] == "regular"
    labels = [cohort.label for cohort in cohorts]
    assert all(labels)
    assert len(set(labels)) == len(labels)


def test_quick_shows_the_five_variants_in_every_rank_and_pass():
    plan = make_plan(Space.preset("quick"))
    rows = plan.to_columns()
    assert plan.tasks >= 20
    assert {row["variant"] for row in rows} == set(axis_field("variant").default)
    assert {row["rank"] for row in rows} == {1, 2, 3}
    assert {row["pass"] for row in rows} == {"inference", "training"}
    assert {row["device"] for row in rows} == {"cpu"}


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_says_what_it_reproduces_and_leaves_nothing_out(name):
    plan = make_plan(Space.preset(name))
    assert plan.cohorts
    assert not plan.skipped
    assert len(preset_about(name)) > 30


def test_the_presets_named_in_the_contract_are_there():
    assert {"quick", "resnext50"} <= set(preset_names())


@pytest.mark.parametrize("name", preset_names())
def test_no_case_of_a_preset_stands_in_it_twice(name):
    space = Space.preset(name)
    keys = [(point.case, *setting) for point in space.points() for setting in itertools.product(point.devices)]
    assert len(set(keys)) == len(keys)
