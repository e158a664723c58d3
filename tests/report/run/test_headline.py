"""The headline of each kind of run: an effect, an action and how sure both are, in plain words."""

import pytest
from frames import fail, frame

from grouped_bench.analyse.answer import answers
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.rows import plain
from grouped_bench.report.run.headline import headline
from grouped_bench.report.text.factors import as_known


def of(made):
    (answer,) = answers(plain(made))
    return headline(answer)


def network(**options):
    made = frame(**{"groups": [1, 4, 32], "channels": [64], "passes": ["training"], **options})
    return made.assign(multiplicity=2)


def blurred(made):
    return made.assign(speedup_low=0.5, speedup_high=2.0, verdict="undecided")


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        (Estimate(57.3, 50.0, 66.0), "57×"),
        (Estimate(1.531, 1.4, 1.7), "1.53×"),
        (Estimate(57.3, 20.9, 160.0), "at least 20×"),
        (Estimate(57.3, 109.0, 900.0), "at least 100×"),
        (Estimate(1.2, 0.7, 2.1), "up to 2.1×"),
        (Estimate(57.3), "about 57×"),
    ],
)
def test_a_factor_is_told_as_far_as_it_is_known(estimate, said):
    assert as_known(estimate) == said


def test_a_network_says_what_a_step_takes_before_and_after_and_what_to_replace():
    found = of(network())
    assert "faster convolutions: " in found.effect and found.effect.endswith(" a training step.")
    assert found.action == (
        "Replace Keras' groups= by grouped_native in 2 layers (4 convolutions). Same function, checked."
    )
    assert found.certainty.startswith("3 layers: a faster form in 2, ")
    assert of(network(passes=["inference"])).effect.endswith(" a call.")


def test_a_gain_on_a_busy_machine_is_told_by_the_bound_that_holds():
    made = network(groups=[32])
    wide = made.assign(speedup_low=made["speedup"] / 3, speedup_high=made["speedup"] * 3)
    assert of(wide).effect.startswith("At least ")


def test_the_form_of_a_module_is_that_of_its_framework():
    torch = {"backend": "torch", "execution": "eager", "layout": "contiguous"}
    assert (
        " by split_concat in 2 layers" in of(network(**torch, variants=["regular", "grouped", "split_concat"])).action
    )
    assert of(network(**torch)).action.startswith("Replace torch.nn's groups= by grouped_native")
    alone = frame(groups=[32], channels=[64], passes=["training"], **torch)
    assert " faster than torch.nn's groups= (" in of(alone).effect


def test_one_case_says_how_clear_its_fastest_form_is_and_which_is_next():
    found = of(frame(groups=[32], channels=[64], passes=["training"]))
    assert found.effect.startswith("grouped_native is ") and " faster than Keras' groups= (" in found.effect
    assert found.action == "Use grouped_native. Same function, checked."
    assert found.certainty.startswith("The gain is ") and " split_concat is next, " in found.certainty
    tied = frame(groups=[32], channels=[64], passes=["training"])
    columns = ["latency_s", "speedup", "speedup_low", "speedup_high"]
    values = tied.loc[tied["variant"] == "grouped_native", columns].to_numpy()
    tied.loc[tied["variant"] == "split_concat", columns] = values * [1.01, 0.99, 0.99, 0.99]
    assert of(tied).certainty.endswith(" It cannot be separated from split_concat.")


def test_where_nothing_is_decided_the_order_is_bounded():
    made = frame(groups=[32], channels=[64], passes=["training"])
    assert of(blurred(made)).effect == "No winner: the first 3 cannot be separated."
    close = made["variant"].isin(["grouped", "grouped_native", "split_concat"])
    near = made.copy()
    near.loc[close, ["speedup", "speedup_low", "speedup_high", "verdict"]] = [1.0, 0.99, 1.01, "equivalent"]
    near.loc[near["variant"] == "split_concat", ["speedup", "speedup_low", "speedup_high"]] = [0.1, 0.09, 0.11]
    near.loc[near["variant"] == "split_concat", "verdict"] = "slower"
    near.loc[close, "latency_s"] = near.loc[near["variant"] == "regular", "latency_s"].iloc[0]
    near.loc[near["variant"] == "split_concat", "latency_s"] *= 10
    near.loc[near["variant"] == "grouped_native", ["speedup_low", "speedup_high"]] = [0.93, 1.07]
    assert of(near).effect.startswith("No winner: the first 2 are within ")
    assert of(near).effect.endswith(" behind.")


def test_where_keras_own_form_is_the_fastest_there_is_nothing_to_change():
    found = of(frame(groups=[1, 4], channels=[64], passes=["training"], variants=["regular", "grouped"]))
    assert found.effect.startswith("Nothing to gain: ")
    assert found.action is None


def test_what_was_not_measured_is_counted():
    made = network()
    failed = fail(made, (made["groups"] == 32) & (made["variant"] == "grouped"), "timeout", "slow")
    assert of(failed).certainty.endswith("not measured in 1.")
    nothing = fail(made, made["groups"] > 0, "oom", None)
    assert of(nothing).effect == "Nothing to compare: Keras' own form was not measured in any case."


def test_cases_of_a_sweep_say_where_and_by_how_much_at_best():
    found = of(frame(groups=[4, 32], channels=[64, 128], passes=["training"]))
    assert found.effect.startswith("grouped_native beats Keras' groups= in all 4 cases, by ")
    assert found.certainty == "Clear in all 4 cases."
    assert found.action == "Replace Keras' groups= by grouped_native in 4 cases. Same function, checked."


def test_a_case_of_one_group_cannot_gain_and_is_not_counted():
    made = frame(groups=[1, 4, 32], channels=[64], passes=["training"])
    assert " in both cases, by " in of(made).effect
    assert of(made).certainty == "Clear in both cases."


def test_wide_gains_are_told_by_the_surest_and_many_winners_are_not_named():
    made = frame(groups=[4, 32], channels=[64], passes=["training"])
    wide = made.assign(speedup_low=made["speedup"] / 2, speedup_high=made["speedup"] * 2)
    assert "; the best by at least " in of(wide).effect
