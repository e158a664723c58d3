"""ONNX files: convolutions by ONNX's own inference of shapes; weights stay on the disk; bad files in words."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from grouped_bench.measure.models.reading import onnx_networks  # noqa: E402
from grouped_bench.measure.models.reading.onnx_networks import read_onnx, without_weights  # noqa: E402
from grouped_bench.measure.models.reading.refused import RefusedError  # noqa: E402


def weights(name, *shape):
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def network(nodes, tensors, shape=(1, 8, 10, 10), opset=18):
    """A graph from `x` to `y`."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "net", [value("x", TensorProto.FLOAT, shape)], [value("y", TensorProto.FLOAT, None)], tensors
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def saved(model, path):
    path.write_bytes(model.SerializeToString())
    return str(path)


@pytest.fixture
def two(tmp_path):
    """A grouped convolution and one behind it."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["h"], "first", group=4, pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Conv", ["h", "v"], ["y"], "second", auto_pad="SAME_UPPER", dilations=[2, 2]),
    ]
    return saved(
        network(nodes, [weights("w", 16, 2, 3, 3), weights("b", 16), weights("v", 64, 16, 3, 3)]), tmp_path / "n.onnx"
    )


def test_convolutions_are_found_with_their_shapes(two):
    first, second = read_onnx(two, None)["convolutions"]
    assert (first["groups"], first["channels"], first["padding"], first["size"]) == (4, [8, 16], "valid", [12, 12])
    assert (first["bias"], second["bias"], second["padding"], second["size"]) == (True, False, "same", [5, 5])
    assert (second["dilation"], second["channels"], second["name"]) == ([2, 2], [16, 64], "second")


def test_weights_are_not_read(two, tmp_path):
    """A tensor above the limit is left out of what is read, and its extents are kept."""
    made = onnx.ModelProto.FromString(without_weights(two))
    held = {one.name: (tuple(one.dims), len(one.raw_data)) for one in made.graph.initializer}
    assert held["v"] == ((64, 16, 3, 3), 0)
    assert held["b"] == ((16,), 64)
    assert len(without_weights(two)) < 4096


def test_the_weights_of_a_constant_are_not_read_either(tmp_path):
    nodes = [
        helper.make_node("Constant", [], ["w"], value=weights("w", 64, 8, 5, 5)),
        helper.make_node("Conv", ["x", "w"], ["y"], "c"),
    ]
    path = saved(network(nodes, []), tmp_path / "n.onnx")
    assert len(without_weights(path)) < 4096
    assert read_onnx(path, None)["convolutions"][0]["channels"] == [8, 64]


def test_all_that_is_small_is_read_byte_for_byte(tmp_path):
    model = network([helper.make_node("Conv", ["x", "w"], ["y"], "c")], [weights("w", 4, 8, 3, 3)])
    assert without_weights(saved(model, tmp_path / "n.onnx")) == model.SerializeToString()


def test_open_extents_come_from_the_shape_that_is_given(tmp_path):
    model = network([helper.make_node("Conv", ["x", "w"], ["y"], "c")], [weights("w", 4, 8, 3, 3)], ("N", 8, "H", "W"))
    path = saved(model, tmp_path / "n.onnx")
    assert refused(path)["received"] == "no --input-shape for n.onnx, whose x takes (8, None, None)"
    assert read_onnx(path, (8, 20, 30))["convolutions"][0]["size"] == [20, 30]
    assert refused(path, (3, 20, 30))["received"].startswith("--input-shape 3,20,30 for n.onnx")


def test_a_batch_that_the_file_fixes_is_one_call(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "c")]
    path = saved(network(nodes, [weights("w", 4, 8, 3, 3)], (6, 8, 10, 10)), tmp_path / "n.onnx")
    told = read_onnx(path, None)
    assert (len(told["convolutions"]), told["macs"]) == (1, 8 * 8 * 9 * 8 * 4)


def test_what_is_not_measured_is_named(tmp_path):
    inner = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["z"], "inner")],
        "branch", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )  # fmt: skip
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w"], ["h"], "up"),
        helper.make_node("If", ["when"], ["y"], then_branch=inner, else_branch=inner),
    ]
    when = numpy_helper.from_array(np.array(True), "when")
    told = read_onnx(saved(network(nodes, [weights("w", 8, 8, 3, 3), when]), tmp_path / "n.onnx"), None)
    assert [(one["name"], one["reason"]) for one in told["left_out"]] == [
        ("inner", "in a branch or a loop, which may be taken any number of times"),
        ("inner", "in a branch or a loop, which may be taken any number of times"),
        ("up", "a transposed convolution, which is not measured"),
    ]
    assert told["left_out"][2]["macs"] == 100 * 8 * 8 * 9


def refused(path, shape=None):
    with pytest.raises(RefusedError) as caught:
        read_onnx(str(path), shape)
    return caught.value.told


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 40, b"\x3a\xff\xff\xff\xff\x0f", b"PK\x03\x04", b"\x0a\x80", b"<html></html>"],
)
def test_a_file_of_something_else_is_refused(content, tmp_path):
    (tmp_path / "n.onnx").write_bytes(content)
    assert refused(tmp_path / "n.onnx")["rule"] == "A .onnx file must hold a network"


def test_a_file_that_is_cut_short_is_refused(two, tmp_path):
    from pathlib import Path

    whole = Path(two).read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    assert refused(tmp_path / "cut.onnx")["received"] == "cut.onnx (cut short)"


def test_external_data_need_not_be_there(tmp_path):
    model = network([helper.make_node("Conv", ["x", "w"], ["y"], "c")], [weights("w", 16, 8, 9, 9)])
    onnx.save_model(
        model, str(tmp_path / "n.onnx"), save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    (tmp_path / "weights.bin").unlink()
    assert read_onnx(str(tmp_path / "n.onnx"), None)["convolutions"][0]["channels"] == [8, 16]


def test_an_opset_that_is_too_new_is_refused(tmp_path):
    nodes = [helper.make_node("Novel", ["x"], ["h"]), helper.make_node("Conv", ["h", "w"], ["y"], "c")]
    path = saved(network(nodes, [weights("w", 4, 8, 3, 3)], opset=999), tmp_path / "n.onnx")
    try:
        told = read_onnx(path, None)
    except RefusedError as caught:
        assert "opset" in caught.told["remedy"]
    else:
        assert told["left_out"][0]["reason"] == "ONNX infers no extents of its input or kernel"


def test_a_graph_that_is_too_large_is_refused(two, monkeypatch):
    monkeypatch.setattr(onnx_networks, "LARGEST_GRAPH", 200)
    assert "without its weights" in refused(two)["received"]


def test_a_network_of_ten_thousand_layers_is_read(tmp_path):
    count = 10_000
    nodes = [
        helper.make_node("Conv", [f"h{n}" if n else "x", "w"], [f"h{n + 1}" if n < count - 1 else "y"], f"c{n}")
        for n in range(count)
    ]
    path = saved(network(nodes, [weights("w", 8, 8, 1, 1)]), tmp_path / "n.onnx")
    assert len(read_onnx(path, None)["convolutions"]) == count
