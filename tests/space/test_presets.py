"""Presets: each can be planned, and what one says that it reproduces is derived here from its source."""

import itertools
from collections import Counter

import pytest

from grouped_bench import variants
from grouped_bench.backends import onednn
from grouped_bench.harness.plan import make_plan
from grouped_bench.space.axes import DEFAULT_VARIANTS
from grouped_bench.space.space import Space, preset_about, preset_names

CONTRACT = (
    *("quick", "resnext50", "alexnet-groups", "shufflenetv2-g2", "shufflenetv2-g2-aligned", "regnet-width-sweep"),
    *("mobilenet-depthwise", "keras-20471", "tf-49147", "tf-pr25818", "tf-pr31492"),
)
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
        assert len(cohort.variants) == (6 if cohort.case.groups == 32 else 1)
        assert cohort.variants[0] == "regular"
    labels = [cohort.label for cohort in cohorts]
    assert all(labels)
    assert len(set(labels)) == len(labels)


def test_quick_shows_the_five_variants_in_every_rank_and_pass():
    plan = make_plan(Space.preset("quick"))
    rows = plan.to_columns()
    assert plan.tasks >= 20
    assert {row["variant"] for row in rows} == set(DEFAULT_VARIANTS["layer"])
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
    assert set(CONTRACT) <= set(preset_names())


@pytest.mark.parametrize("name", sorted(set(CONTRACT) - {"quick"}))
def test_a_preset_of_an_experiment_cites_it(name):
    text = preset_about(name)
    assert any(word in text for word in ("arXiv", "github.com", "Krizhevsky", "twin of shufflenetv2-g2"))
    assert all(figure.source for figure in Space.preset(name).published)


def cases(name):
    return [cohort.case for cohort in make_plan(Space.preset(name)).cohorts]


def test_alexnet_groups_has_the_weights_of_the_paper():
    plan = make_plan(Space.preset("alexnet-groups"))
    grouped = [exact(cohort).params for cohort in plan.cohorts]
    assert grouped == [256 * 5 * 5 * 48, 384 * 3 * 3 * 192, 256 * 3 * 3 * 192] == [307_200, 663_552, 442_368]
    assert variants.get("regular").counts(plan.cohorts[0].case).params == 614_400


@pytest.mark.parametrize(("name", "spread"), [("shufflenetv2-g2", 0.02), ("shufflenetv2-g2-aligned", 0.125)])
def test_the_widths_of_guideline_two_have_nearly_equal_work(name, spread):
    plan = make_plan(Space.preset(name))
    work = [exact(cohort).macs for cohort in plan.cohorts]
    assert [case.groups for case in cases(name)] == [1, 2, 4, 8]
    assert max(abs(macs / work[0] - 1) for macs in work) <= spread
    aligned = [case.in_channels // case.groups % 16 == 0 for case in cases(name)]
    assert all(aligned) == (name == "shufflenetv2-g2-aligned")


def test_regnet_sweeps_group_widths_at_constant_channels():
    found = Counter(case.in_channels for case in cases("regnet-width-sweep"))
    widths = {case.in_channels // case.groups for case in cases("regnet-width-sweep")}
    assert found == {384: 8, 240: 7}
    assert {8, 16, 24, 32, 40, 48, 64, 80, 96, 120, 128} == widths


def test_mobilenet_depthwise_has_the_thirteen_layers_and_their_share_of_the_work():
    plan = make_plan(Space.preset("mobilenet-depthwise"))
    assert sum(cohort.multiplicity for cohort in plan.cohorts) == 13
    assert all(c.case.groups == c.case.in_channels == c.case.out_channels for c in plan.cohorts)
    assert all(c.in_use == "depthwise_sum" in c.variants for c in plan.cohorts)
    assert sum(exact(c).macs * c.multiplicity for c in plan.cohorts) == pytest.approx(0.0306 * 569e6, rel=0.01)
    assert sum(exact(c).params * c.multiplicity for c in plan.cohorts) == pytest.approx(0.0106 * 4.2e6, rel=0.01)


def test_the_cases_of_issues_are_as_they_were_reported():
    (keras,), (native,), (volume,) = cases("keras-20471"), cases("tf-pr25818"), cases("tf-pr31492")
    assert keras.input_shape == (32, 64, 64, 512)
    assert (keras.out_channels, keras.kernel_size, keras.groups, keras.bias) == (128, (1, 1), 2, True)
    assert (native.input_shape, native.groups, native.kernel_size) == ((64, 64, 64, 256), 32, (3, 3))
    assert (volume.input_shape, volume.groups, volume.kernel_size) == ((32, 4, 32, 32, 256), 64, (3, 3, 3))
    stem, ten = make_plan(Space.preset("tf-49147")).cohorts
    assert (stem.case.in_channels, stem.case.out_channels, stem.multiplicity) == (3, 128, 1)
    assert (ten.case.input_shape, ten.case.groups, ten.multiplicity) == ((16, 224, 224, 128), 8, 10)
    assert ten.case.pass_ == "training"


@pytest.mark.parametrize("name", preset_names())
def test_no_case_of_a_preset_stands_in_it_twice(name):
    space = Space.preset(name)
    keys = [
        (point.case, *setting) for point in space.points() for setting in itertools.product(point.devices, point.envs)
    ]
    assert len(set(keys)) == len(keys)


CLASSES = {
    "zen3": ("flags\t\t: fpu avx avx2 fma f16c\n", True),
    "zen4": ("flags\t\t: fpu avx2 avx512f avx512_vnni avx512_bf16\n", False),
    "alder lake": ("flags\t\t: fpu avx2 avx_vnni\n", False),
    "neoverse v1": ("CPU part\t: 0xd40\nFeatures\t: fp asimd sve\n", False),
    "neoverse n1": ("CPU part\t: 0xd0c\nFeatures\t: fp asimd\n", True),
}


@pytest.fixture(params=CLASSES.values(), ids=CLASSES)
def leaves_off(request, tmp_path, monkeypatch):
    """Plays a processor; whether TensorFlow leaves oneDNN off there."""
    text, off = request.param
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(onednn, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    return off


def test_quick_asks_for_training_with_onednn_where_it_is_off_by_itself(leaves_off):
    plan = make_plan(Space.preset("quick"))
    envs = [cohort.setting.env for cohort in plan.cohorts if cohort.case.pass_ == "training" and cohort.case.rank == 2]
    assert envs == ([None, "TF_ENABLE_ONEDNN_OPTS=1"] if leaves_off else [None])
    assert plan.skipped == ()


@pytest.mark.parametrize("value", ["0", "1"])
def test_who_has_chosen_is_not_asked_again(value, leaves_off, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", value)
    assert {cohort.setting.env for cohort in make_plan(Space.preset("quick")).cohorts} == {None}
