"""What a run publishes about its machine: enough to explain an answer, no path, host name or secret."""

import json

import pytest

from grouped_bench.measure import environment


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/someone/sweep.toml", "sweep.toml"),
        ("~/work/x.toml", "x.toml"),
        ("--space=/a/b/c.toml", "--space=c.toml"),
        ("../up/one", "one"),
        ("--groups", "--groups"),
        ("28x28", "28x28"),
    ],
)
def test_paths_are_reduced_to_names(text, told):
    assert environment.without_paths(text) == told


def test_only_variables_that_change_an_answer_are_published(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/home/someone/dump")
    monkeypatch.setenv("TF_VAR_password", "secret")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/home/someone/.terraformrc")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    facts = environment.describe(["/usr/bin/grouped-bench", "run"])
    assert facts["variables"]["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert facts["variables"]["XLA_FLAGS"] == "--xla_dump_to=dump"
    told = json.dumps(facts)
    assert "secret" not in told
    assert "terraform" not in told
    assert "someone" not in told
    assert facts["command"] == ["grouped-bench", "run"]


@pytest.mark.parametrize(
    ("model", "slug"),
    [
        ("AMD EPYC 7763 64-Core Processor", "amd-epyc-7763-64-core-2"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "intel-xeon-2"),
        ("NVIDIA H100 80GB HBM3", "nvidia-h100-80gb-hbm3-2"),
    ],
)
def test_the_machine_is_named_by_model_and_count(model, slug):
    assert environment.machine_slug(model, 2) == slug
