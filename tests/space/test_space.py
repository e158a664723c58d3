"""Spaces: options, TOML and Python agree; what is not a space is refused in words and never crashes."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grouped_bench.api import plan, runs
from grouped_bench.commands.main import cli
from grouped_bench.errors import GroupedBenchError, SpaceError
from grouped_bench.harness.plan import make_plan
from grouped_bench.space.axes import AXIS_NAMES, OPTION_AXES
from grouped_bench.space.space import LARGEST_FILE, MOST_POINTS, Space, preset_names

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# axis: the options' words, the same in TOML, the same in Python
SPELLINGS = {
    "scope": ("layer,block", '["layer", "block"]', ["layer", "block"]),
    "rank": ("1,3", "[1, 3]", [1, 3]),
    "variant": ("regular,grouped", '["regular", "grouped"]', ["regular", "grouped"]),
    "groups": ("1,4", "[1, 4]", [1, 4]),
    "channels": ("64,3:64", '[64, "3:64"]', [64, (3, 64)]),
    "cardinality": ("1,8", "[1, 8]", [1, 8]),
    "width": ("4,64", "[4, 64]", [4, 64]),
    "kernel_size": ("1,3x5", '[1, "3x5"]', [1, (3, 5)]),
    "stride": ("1,2x1", "[1, [2, 1]]", [1, (2, 1)]),
    "dilation": ("1,2x1", '[1, "2x1"]', [1, (2, 1)]),
    "padding": ("same,valid", '["same", "valid"]', ["same", "valid"]),
    "size": ("28,28x14", '[28, "28x14"]', [28, (28, 14)]),
    "batch_size": ("1,8", "[1, 8]", [1, 8]),
    "pass": ("inference,training", '["inference", "training"]', ["inference", "training"]),
    "dtype": ("float32,mixed_float16", '["float32", "mixed_float16"]', ["float32", "mixed_float16"]),
    "data_format": ("channels_first", '"channels_first"', "channels_first"),
    "bias": (None, "true", True),
    "backend": ("tensorflow", '"tensorflow"', ["tensorflow"]),
    "execution": ("graph,xla", '["graph", "xla"]', ["graph", "xla"]),
    "device": ("cpu,gpu:1", '["cpu", "gpu:1"]', ["cpu", "gpu:1"]),
    "cache": ("hot,cold", '["hot", "cold"]', ["hot", "cold"]),
    "layout": ("keras,contiguous", '["keras", "contiguous"]', ["keras", "contiguous"]),
    "env": ("A=0,1", '{A = ["0", "1"]}', {"A": ["0", "1"]}),
    "threads": ("1,2", "[1, 2]", [1, 2]),
}


OF_BLOCKS = ("cardinality", "width")


class CapturedError(Exception):
    """What the command line handed to the library."""


@pytest.fixture
def space_of_options(monkeypatch):
    def capture(space, *, first_calls, out, quiet, **given_):
        raise CapturedError(space.replace(**given_))

    def parse(*words):
        error = CliRunner().invoke(cli, ["plan", *words]).exception
        assert isinstance(error, CapturedError)
        return error.args[0]

    monkeypatch.setattr(plan, "plan", capture)
    return parse


@pytest.fixture
def space_of_toml(tmp_path):
    def parse(text):
        path = tmp_path / "my.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Space.from_toml(path)

    return parse


def points(space):
    return list(space.points())


def refusal(action, *arguments, **keywords):
    with pytest.raises(SpaceError) as caught:
        action(*arguments, **keywords)
    return str(caught.value)


def test_every_axis_is_spelled_below():
    assert tuple(SPELLINGS) == OPTION_AXES


@pytest.mark.parametrize("axis", OPTION_AXES)
def test_options_toml_and_python_mean_the_same(axis, space_of_options, space_of_toml):
    option, toml, python = SPELLINGS[axis]
    words = [f"--{axis.replace('_', '-')}", *([] if option is None else [option])]
    scope = {"scope": "block"} if axis in OF_BLOCKS else {}
    of_options = points(space_of_options(*words, *(["--scope", "block"] if scope else [])))
    of_toml = points(space_of_toml(f"{axis} = {toml}\n" + 'scope = "block"' * len(scope)))
    of_python = points(Space(**{"passes" if axis == "pass" else axis: python}, **scope))
    assert of_options == of_toml == of_python
    assert axis == "backend" or of_python != points(Space(**scope))


@pytest.mark.parametrize("axis", [axis for axis in OPTION_AXES if axis != "bias"])
def test_toml_may_hold_the_comma_list_of_an_option(axis, space_of_toml):
    option, _, python = SPELLINGS[axis]
    scope = ["layer", "block"] if axis == "scope" else ["block"] if axis in OF_BLOCKS else ["layer"]
    found = points(space_of_toml(f'{axis} = "{option}"' + f"\nscope = {scope}" * (axis != "scope")))
    assert found == points(Space(**{"scope": scope, axis: python}))


def test_another_shape_than_the_networks_is_in_use_as_nothing():
    space = Space(cases=[{"groups": 4, "in_use": "depthwise_sum"}])
    assert [point.in_use for point in points(space.replace(groups=2))] == [None]
    assert [point.in_use for point in points(space.replace(batch_size=2))] == ["depthwise_sum"]


def test_multiplicity_and_label_are_of_tables_only(space_of_toml):
    (point,) = points(space_of_toml('[[case]]\nmultiplicity = 3\nlabel = "stage 2"'))
    assert (point.multiplicity, point.label) == (3, "stage 2")
    assert points(Space(multiplicity=3, label="stage 2")) == [point]
    assert "no such option" in CliRunner().invoke(cli, ["plan", "--label", "x"]).output.lower()


def test_a_space_is_the_product_of_its_axes():
    found = [(p.case.groups, p.case.in_channels, p.case.size) for p in Space(groups=[1, 4], channels="32,64").points()]
    assert found == [(1, 32, (28, 28)), (1, 64, (28, 28)), (4, 32, (28, 28)), (4, 64, (28, 28))]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_one_extent_stands_for_every_spatial_axis(rank):
    (point,) = points(Space(rank=rank, size=28, kernel_size="3"))
    assert (point.case.size, point.case.kernel_size) == ((28,) * rank, (3,) * rank)


def test_tables_are_united_and_outer_axes_are_their_defaults(space_of_toml):
    space = space_of_toml("channels = 32\n[[case]]\ngroups = [1, 4]\n[[case]]\ngroups = 8\nchannels = 16")
    assert [(p.case.groups, p.case.in_channels) for p in space.points()] == [(1, 32), (4, 32), (8, 16)]


def test_an_axis_that_is_given_replaces_that_axis_in_every_table():
    space = Space(cases=[{"groups": [1, 4], "channels": 32}, {"channels": 16}], control={"visits": 5})
    replaced = space.replace(groups=[2], passes="training")
    assert [(p.case.groups, p.case.in_channels, p.case.pass_) for p in replaced.points()] == [
        (2, 32, "training"),
        (2, 16, "training"),
    ]
    assert (replaced.control, replaced.source) == (space.control, space.source)
    assert len(points(space)) == 3


def test_a_space_brings_its_controls_and_options_win_over_them(space_of_toml):
    space = space_of_toml('groups = 4\n[control]\nvisits = 5\nprecision = "5%"')
    _, control = runs.plan_run(space, visits=9)
    assert (control.visits, control.precision) == (9, 0.05)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("groups = 1\nchannels = 8\ngroups = 2\nsize = 5", "line 3: groups = 2"),
        ('groups = 1\r\n"groups" = 2 # more\r\n', 'line 2: "groups" = 2 # more'),
        ("label = 'a\u2028b'\nlabel = 'c'\n\n", "line 2: label = 'c'"),
        ("groups = 1\ngroups = 2", "line 2: groups = 2"),
        ("[[case]]\ngroups = 1\ngroups = 1", "line 3: groups = 1"),
        ("[control]\nvisits = 1\n[control]\nseed = 2", "line 3: [control]"),
        ("env = {A = '1', A = '2'}", "line 1: env = {A = '1', A = '2'}"),
        ("env.A = '1'\n[env]\nA = '2'", "line 2: [env]"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_with_its_line(text, line, space_of_toml):
    assert refusal(space_of_toml, text) == (
        f"my.toml must give each key and table once. Received: {line}. "
        "Leave one out; several values of a key are a list."
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("groups = ", "my.toml must be valid TOML. Received: Invalid value (at end of document). Correct that line."),
        ("\x00", "my.toml must be valid TOML. Received: Invalid statement (at line 1, column 1). Correct that line."),
        ("groups = " + "[" * 10_000, "Received: maximum recursion depth exceeded"),
        ("groups = " + "9" * 5000, "my.toml must be valid TOML. Received: Exceeds the limit"),
        ("case = 3", "my.toml: the cases must be a list of tables, and the controls one table. Received: {'case': 3, "),
        ("[case]\ngroups = 1", "Received: {'case': {'groups': 1}, 'control': None}. Write [[case]] "),
        ("case = [1]", "the cases must be a list of tables"),
        ("control = 3", "Received: {'case': None, 'control': 3}"),
        ("[[control]]\nvisits = 3", "the cases must be a list of tables, and the controls one table"),
        ("group = 4", "my.toml: every key must be known. Received: group = 4. Use an axis (scope, rank, variant, "),
        ("source = 'x'", "every key must be known. Received: source = x."),
        ("passes = 'training'", "every key must be known. Received: passes = training."),
        ("[[case]]\ngroup = 4", "my.toml [[case]] 1: every key must be known. Received: group = 4. Use one of scope, "),
        ("[[case]]\n[[case]]\ngroups = 0", "my.toml [[case]] 2: `groups` takes positive integers. Received: 0. "),
        ("[control]\nspeed = 1", "my.toml [control]: every key must be known. Received: speed = 1."),
        ("[control]\nvisits = 0", "my.toml [control]: `visits` takes a positive integer. Received: 0. Write it like "),
        ("a" + ".a" * 12_000 + " = 1", "every key must be known. Received: a = dict too large to show"),
        ("groups = 0x" + "f" * 5000, "`groups` must be at most 16,777,216. Received: int too large to show"),
        (b"\xff\xfe", "A space file must be a readable UTF-8 file. Received: 'utf-8' codec can't decode byte 0xff"),
    ],
)  # fmt: skip
def test_a_bad_space_file_is_refused_in_words(text, words, space_of_toml):
    assert words in refusal(space_of_toml, text)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.toml", "No such file or directory: "),
        ("", "Is a directory: "),
        ("nul\0", "embedded null byte: "),
        ("x" * 5000, "File name too long: "),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(name, words, tmp_path):
    told = refusal(Space.from_toml, tmp_path / name)
    assert told.startswith(f"A space file must be a readable UTF-8 file. Received: {words}")
    assert told.endswith("Name a TOML file of axes.")


@pytest.mark.parametrize("path", ["large.toml", "/dev/zero"])
def test_no_more_than_the_limit_of_a_file_is_read(path, tmp_path):
    (tmp_path / "large.toml").write_bytes(b"#" * (LARGEST_FILE + 1))
    told = refusal(Space.from_toml, tmp_path / path)
    assert told == f"A space file must be at most 4 MiB. Received: {tmp_path / path}. Name a TOML file of axes."


def test_a_file_of_the_largest_size_is_read(space_of_toml):
    assert len(points(space_of_toml(b"groups = [1, 4]".ljust(LARGEST_FILE)))) == 2


WORDS_OF_TOO_MANY = (
    "a space must have at most 100,000 points. Received: 100,010 points. "
    "Give some axis fewer values, or split the space into several runs."
)
TOO_MANY = {"groups": list(range(1, 138)), "channels": list(range(1, 147)), "variant": ["a", "b", "c", "d", "e"]}


def test_too_many_points_are_refused_before_any_is_made():
    assert 137 * 146 * 5 == 100_010 > MOST_POINTS
    assert refusal(Space, **TOO_MANY) == f"Space: {WORDS_OF_TOO_MANY}"
    assert refusal(Space, cases=[TOO_MANY], source="my.toml") == f"my.toml: {WORDS_OF_TOO_MANY}"
    assert "4,985,014,995 points" in refusal(
        Space, **{name: list(range(1, 1000)) for name in ("groups", "size", "channels")}
    )


def test_every_axis_multiplies_the_points():
    more = {**TOO_MANY, "variant": "regular,grouped,split_sum", "cache": "hot,cold"}
    assert "120,012 points" in refusal(Space, **more)


def test_options_cannot_make_too_many_points_of_a_space_that_had_few():
    few = {axis: values for axis, values in TOO_MANY.items() if axis != "groups"}
    assert refusal(Space(**few).replace, groups=TOO_MANY["groups"]) == f"Space: {WORDS_OF_TOO_MANY}"


@pytest.mark.parametrize("tables", [1, 2])
def test_exactly_the_limit_is_accepted(tables):
    axes = {"groups": list(range(1, 200 // tables + 1)), "channels": list(range(1, 101)), "variant": list("abcde")}
    assert len(Space(cases=[axes] * tables).products) == tables


@pytest.mark.parametrize("name", ["nope", "../space", "", None, []])
def test_an_unknown_preset_is_refused_with_those_there_are(name):
    assert refusal(Space.preset, name).startswith("A preset must be known. Received: ")
    assert refusal(Space.preset, name).endswith(f"Use one of {', '.join(preset_names())}.")


@pytest.mark.parametrize("key", ["foo", "source", "cases", "control", "pass_"])
def test_an_option_that_is_no_axis_is_refused(key):
    assert refusal(Space().replace, **{key: 1}).startswith(f"options: every key must be known. Received: {key} = 1. ")


@pytest.mark.parametrize("cases", [3, "abc", {"groups": 1}, [3], [[("groups", 1)]]])
def test_cases_that_are_no_tables_are_refused(cases):
    assert refusal(Space, cases=cases).startswith(
        "Space: the cases must be a list of tables, and the controls one table."
    )


@pytest.mark.parametrize("control", [3, "visits", [("visits", 3)]])
def test_controls_that_are_no_table_are_refused(control):
    assert refusal(Space, control=control).startswith("Space: the cases must be a list of tables, and the controls one")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
GOOD = st.sampled_from([word for option, _, python in SPELLINGS.values() for word in (option, python)])
ANYTHING = st.recursive(
    SCALARS | GOOD | st.integers(1, 64),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [*AXIS_NAMES, "passes", "cases", "control", "published", "left_out", "source"]
) | st.text().filter(lambda k: k != "self")
TABLES = st.dictionaries(st.sampled_from(AXIS_NAMES), GOOD | ANYTHING, max_size=3)


@patient
@given(axes=st.dictionaries(KEYS, ANYTHING | st.lists(TABLES, max_size=3), max_size=4))
def test_arbitrary_arguments_raise_nothing_but_space_errors(axes):
    try:
        space = Space(**axes)
    except SpaceError as error:
        assert str(error).isprintable()
        return
    assert len(space.products) == len(space.tables)


VALID = {
    "scope": st.sampled_from(["layer", "block"]),
    "rank": st.integers(1, 3),
    "groups": st.integers(1, 8),
    "channels": st.integers(1, 64) | st.tuples(st.integers(1, 64), st.integers(1, 64)),
    "kernel_size": st.integers(1, 5) | st.lists(st.integers(1, 5), min_size=1, max_size=3),
    "size": st.integers(1, 2**24) | st.just("28x14"),
    "padding": st.sampled_from(["same", "valid", "causal"]),
    "pass": st.sampled_from(["inference", "training"]),
    "variant": st.sampled_from(["regular", "grouped", "split_sum", "nope", "all"]),
    "execution": st.sampled_from(["graph", "xla", "nope"]),
    "backend": st.sampled_from(["tensorflow", "nope"]),
    "bias": st.booleans(),
}
SWEEPS = st.fixed_dictionaries({}, optional={axis: st.lists(v, min_size=1, max_size=2) for axis, v in VALID.items()})


@patient
@given(axes=SWEEPS)
def test_the_record_of_a_space_is_json_that_makes_the_space_again(axes):
    space = Space(**axes, control={"visits": 3})
    record = json.loads(json.dumps(space.to_dict(), allow_nan=False))
    assert points(Space(**record)) == points(space)


@patient
@given(cases=st.lists(SWEEPS, min_size=1, max_size=3))
def test_a_plan_of_valid_values_is_made_or_refused_in_words(cases):
    space = Space(cases=cases)
    try:
        plan = make_plan(space)
    except GroupedBenchError:
        return
    made = {cohort.case for cohort in plan.cohorts} | {skip.cohort.case for skip in plan.skipped}
    assert made == {point.case for point in space.points()}


TOML_VALUES = st.recursive(
    st.sampled_from(["1", "0", "-1", "1.5", "true", "nan", '"abc"', '"28x28"', "1979-05-27", "'''x'''"])
    | st.sampled_from([toml for _, toml, _ in SPELLINGS.values()])
    | st.integers().map(str),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]") | inner.map("{{a = {}}}".format)
    ),
    max_leaves=6,
)
TOML_LINES = st.builds(
    "{} = {}".format, st.sampled_from([*AXIS_NAMES, "case", "control", "about", "x.y"]), TOML_VALUES
) | st.sampled_from(
    [
        "[[case]]",
        "[control]",
        "[case]",
        "[[published]]",
        "value = 3",
        'what = "x"',
        "[[control]]",
        "[groups]",
        "# text",
        "visits = 3",
    ]
)


@patient
@given(
    text=st.binary() | st.text().map(str.encode) | st.lists(TOML_LINES, max_size=6).map(lambda x: "\n".join(x).encode())
)
def test_arbitrary_files_raise_nothing_but_space_errors(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "arbitrary.toml"
    path.write_bytes(text)
    try:
        space = Space.from_toml(path)
    except SpaceError as error:
        assert str(error).isprintable()
        return
    assert space.source == "arbitrary.toml"
