"""What is asked of workers about a network and its copy, what is kept of it, and what is not tried at all."""

import pytest

from grouped_bench.harness.inspect.whole_model import WholeModel
from grouped_bench.space.case import HostKey, Setting
from grouped_bench.store.networks.answers import Answers

SETTING = Setting("tensorflow", "xla", "cpu")
SUBJECT = {"file": "net.keras", "making": "…"}


class Workers:
    """Answers every question at once, and keeps what was asked."""

    def __init__(self, fails=False):
        self.asked, self.fails = [], fails

    def ask(self, key, what, subject, **more):
        self.asked.append((what, subject["seed"], more))
        if self.fails:
            return {"status": "oom", "reason": "too large"}
        sides = [more["only"]] if more.get("only") else ["original", "faster"]
        return {"samples": {side: [None, 0.2] for side in sides}, "first_calls_s": {}, "stolen": 0, "throttled": 0}


@pytest.fixture
def whole(tmp_path):
    return lambda workers: WholeModel(
        workers, HostKey("tensorflow"), SUBJECT, Answers(tmp_path, HostKey("tensorflow"), SUBJECT)
    )


@pytest.mark.parametrize(
    ("expected", "only", "sides"),
    [
        ({}, None, (0.2, 0.2)),
        ({"original": 0.3, "faster": 0.1}, None, (0.2, 0.2)),
        ({"original": 7.0, "faster": 0.1}, "faster", (None, 0.2)),
    ],
)
def test_a_network_that_no_setting_can_save_is_not_timed_in_it(expected, only, sides, whole):
    workers = Workers()
    found = whole(workers).lead(SETTING, expected)
    assert [(what, more["only"]) for what, _, more in workers.asked] == [("visit", only)]
    assert (found.before_s, found.after_s) == sides
    assert found.step_s == 0.2


def test_what_was_found_is_not_asked_twice_and_a_failure_is(whole):
    workers = Workers()
    first, second = (whole(workers).lead(SETTING, {}) for _ in range(2))
    assert first == second
    assert len(workers.asked) == 1
    workers = Workers(fails=True)
    assert [whole(workers).lead(SETTING, {"original": 9.0, "faster": 1.0}) for _ in range(2)] == [None, None]
    assert len(workers.asked) == 2
