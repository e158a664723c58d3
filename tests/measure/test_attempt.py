"""What a reason keeps of an exception's message."""

from grouped_bench.measure.attempt import LONGEST_REASON, reason_of


def test_a_reason_is_the_telling_part_on_one_line():
    error = ValueError(
        "Graph execution error:\n\nDetected at node conv defined at (most recent call last):\n"
        "input and filter must have the same depth: 32 vs 8\n\t [[{{node grouped_layer_1/convolution}}]] "
        "[Op:__inference_inference_97]"
    )
    assert reason_of(error) == "ValueError: input and filter must have the same depth: 32 vs 8"


def test_a_reason_of_an_eager_operation_is_that_of_a_graph():
    error = ValueError(
        "{{function_node __wrapped__Conv3D_device_/job:localhost/replica:0/task:0/device:CPU:0}} "
        "input and filter must have the same depth: 32 vs 8 [Op:Conv3D] name: "
    )
    assert reason_of(error) == "ValueError: input and filter must have the same depth: 32 vs 8"


def test_brackets_of_the_message_itself_stay():
    assert reason_of(ValueError("shapes [1, 2] and [[3]] differ")) == "ValueError: shapes [1, 2] and [[3]] differ"


def test_a_reason_has_an_end():
    assert len(reason_of(ValueError("x" * 10_000))) == LONGEST_REASON
