"""The environment as an axis: what `--env` takes, how a combination is named, and what is refused in words."""

import pytest
from click.testing import CliRunner

from grouped_bench.commands import main
from grouped_bench.errors import SpaceError
from grouped_bench.harness.plan import make_plan
from grouped_bench.space import variables
from grouped_bench.space.space import Space


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("A=0,1", {"A": ("0", "1")}),
        (["A=0,1", "B=x"], {"A": ("0", "1"), "B": ("x",)}),
        ("A=", {"A": ("",)}),
        ("A=,1", {"A": ("", "1")}),
        ("XLA_FLAGS=--a=1 --b=2", {"XLA_FLAGS": ("--a=1 --b=2",)}),
        ({"A": "0,1"}, {"A": ("0", "1")}),
        ({"A": ["x,y", 1]}, {"A": ("x,y", "1")}),
        ({"A": 1}, {"A": ("1",)}),
        ("A=1,1", {"A": ("1",)}),
    ],
)
def test_values_are_read_from_texts_and_tables(given, values):
    assert variables.choices(given) == values


@pytest.mark.parametrize(
    ("given", "rule", "received"),
    [
        ("TF_ENABLE_ONEDNN_OPTS", "`env` takes NAME=value,value", "TF_ENABLE_ONEDNN_OPTS"),
        (["A=1", "B"], "`env` takes NAME=value,value", "B"),
        (3, "`env` takes NAME=value,value", "3"),
        ("=1", "The name of a variable must consist of letters, digits and _", ""),
        ("1A=1", "The name of a variable must consist of letters, digits and _", "1A"),
        ("A B=1", "The name of a variable must consist of letters, digits and _", "A B"),
        ({3: 1}, "The name of a variable must consist of letters, digits and _", "3"),
        (["A=1", "A=2"], "A variable must be given once, with all its values", "A"),
        ({}, "`env` must name a variable", "{}"),
        ([], "`env` must name a variable", "[]"),
        ({"A": []}, "A variable must have a value, or an empty one to unset it", "A without any"),
        ({"A": [True]}, "A value of a variable must be a text or a number", "A = True"),
        ({"A": ["a\0b"]}, "A value of a variable must be a text or a number", "A = 'a\\x00b'"),
    ],
)
def test_anything_else_is_refused_in_words(given, rule, received):
    with pytest.raises(SpaceError) as caught:
        Space(env=given)
    assert (caught.value.rule, str(caught.value.received)) == (rule, received)
    assert caught.value.remedy.startswith("Write it like --env TF_ENABLE_ONEDNN_OPTS=0,1")


@pytest.mark.parametrize(
    "name", ["KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "TMPDIR", "PYTHONPATH", "GROUPED_BENCH_PADDING"]
)
def test_variables_by_which_hosts_are_started_are_refused(name):
    with pytest.raises(SpaceError, match="must not set a variable with which grouped-bench starts") as caught:
        make_plan(Space(env=f"{name}=1"))
    assert caught.value.received == name


@pytest.mark.parametrize("bad", ["A", "1A=0", "KERAS_BACKEND=jax", ""])
def test_the_command_line_tells_it_in_one_line(bad):
    made = CliRunner().invoke(main.cli, ["plan", "--env", bad])
    assert isinstance(made.exception, SpaceError)
    assert "\n" not in str(made.exception)


def test_every_combination_has_a_text_that_a_shell_takes():
    found = variables.choices(["A=0,", "XLA_FLAGS=--a --b"])
    texts = variables.combinations(found)
    assert texts == ["A=0 XLA_FLAGS='--a --b'", "A= XLA_FLAGS='--a --b'"]
    assert variables.parsed(texts[1]) == {"A": "", "XLA_FLAGS": "--a --b"}
    assert variables.parsed(None) == {}


def test_a_value_replaces_and_an_empty_one_unsets():
    environment = {"A": "1", "B": "2", "C": "3"}
    assert variables.applied(environment, "A=5 B= D=7") == {"A": "5", "C": "3", "D": "7"}
    assert variables.applied(environment, None) == environment


def test_the_axis_multiplies_cohorts_and_those_of_one_case_are_a_family():
    made = make_plan(Space(env={"A": ["0", "1"]}, threads="1,2", groups="1,4", variant="regular,grouped"))
    assert len(made.cohorts) == 8
    settings = [(cohort.setting.env, cohort.setting.threads) for cohort in made.families[0]]
    assert settings == [("A=0", 1), ("A=0", 2), ("A=1", 1), ("A=1", 2)]
    assert len(made.families) == 2
    # A pair with the baseline in each of the eight, and two tasks of each of six cohorts with the first environment.
    assert made.pairs == 8 + 12
    assert made.cohorts[0].setting.title() == "tensorflow graph on cpu, A=0, 1 thread"


def test_a_space_without_the_axis_has_families_of_one():
    made = make_plan(Space(groups="1,4"))
    assert [len(family) for family in made.families] == [1, 1]
    assert made.pairs == 8


def test_a_toml_space_has_it_as_a_table(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text('groups = 4\nenv = {A = ["0", "1"], B = "x,y"}\n')
    envs = [cohort.setting.env for cohort in make_plan(Space.from_toml(file)).cohorts]
    assert envs == ["A=0 B=x", "A=0 B=y", "A=1 B=x", "A=1 B=y"]
