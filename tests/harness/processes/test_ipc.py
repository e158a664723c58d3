"""What a process printed last: its own words, and not what every start prints."""

import tempfile

import pytest

from grouped_bench.harness.processes.ipc import tail

CUDA = "E0000 00:00:1796030718.505513   11157 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error"
OLDER = "2026-11-29 10:00:00.123456: E external/local_xla/cuda_dnn.cc:8310] Unable to register cuDNN factory: twice"
ABSL = "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR"
ONEDNN = "I0000 00:00:1796029455.330859    8008 port.cc:153] oneDNN custom operations are on. You may see differences"


def told(*lines):
    with tempfile.TemporaryFile() as file:
        file.write("\n".join(lines).encode())
        file.flush()
        return tail(file)


@pytest.mark.parametrize(
    ("printed", "last"),
    [
        ([ABSL, ONEDNN, CUDA], ""),
        ([OLDER, "my own words", CUDA], "my own words"),
        (["a", "b", "c", "", "d"], "b | c | d"),
        (["F0000 00:00:1796030718.505513   11157 tensor.cc:12] Check failed: cuInit"], "Check failed: cuInit"),
        (["E0000 00:00:1796030718.505513   11157 dnn.cc:3] no memory"], "no memory"),
        (["W0000 00:00:1796030718.505513   11157 dnn.cc:3] slow", "2026-11-29 10:00:00.1: I a.cc:1] well"], ""),
    ],
)
def test_the_last_words_are_those_of_the_process_itself(printed, last):
    assert told(*printed) == last


def test_like_deaths_have_one_reason():
    """Times and processes differ, and five reasons would be told where there is one."""
    lines = [f"E0000 00:00:179603071{process}.505513   1115{process} dnn.cc:3] no memory" for process in range(5)]
    assert set(map(told, lines)) == {"no memory"}
