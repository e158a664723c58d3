"""Files of torch.export: the convolutions of the module that was exported, read without PyTorch."""

import json
import zipfile

import pytest

from grouped_bench.measure.models.reading.exported import read_exported
from grouped_bench.measure.models.reading.refused import RefusedError


def graph(**changes):
    """What torch.export writes of one Conv2d, as far as it is read."""
    tensors = {
        name: {"dtype": 7, "sizes": [{"as_int": extent} for extent in extents]}
        for name, extents in (("x", (2, 8, 10, 10)), ("w", (16, 2, 3, 3)), ("b", (16,)))
    }
    inputs = [{"name": name, "arg": {"as_tensor": {"name": one}}} for name, one in (("input", "x"), ("weight", "w"))]
    node = {
        "target": "torch.ops.aten.conv2d.default",
        "inputs": [*inputs, {"name": "groups", "arg": {"as_int": 4}}],
        "metadata": {"nn_module_stack": "L__self__,,Net;L__self___a,a.b,torch.nn.modules.conv.Conv2d"},
        "name": "conv2d",
        **changes,
    }
    return {"graph_module": {"graph": {"nodes": [node], "tensor_values": tensors}}}


def written(told, path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/models/model.json", json.dumps(told) if isinstance(told, dict) else told)
    return str(path)


def test_a_convolution_has_its_module_s_name_and_the_usual_arguments(tmp_path):
    told = read_exported(written(graph(), tmp_path / "net.pt2"), None)
    (found,) = told["convolutions"]
    assert (found["name"], found["groups"], found["channels"], found["padding"]) == ("a.b", 4, [8, 16], "valid")
    assert (found["stride"], found["size"], found["bias"]) == ([1, 1], [10, 10], False)
    assert told["macs"] == 8 * 8 * 9 * 2 * 16


def test_a_convolution_of_a_function_has_the_name_of_its_node(tmp_path):
    told = read_exported(written(graph(metadata={}), tmp_path / "net.pt2"), None)
    assert told["convolutions"][0]["name"] == "conv2d"


def refused(path, shape=None):
    with pytest.raises(RefusedError) as caught:
        read_exported(str(path), shape)
    return caught.value.told


def test_open_extents_and_another_shape_are_refused(tmp_path):
    told = graph()
    told["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][2] = {"as_expr": {"expr_str": "s0"}}
    path = written(told, tmp_path / "net.pt2")
    assert refused(path)["remedy"] == "Leave dynamic_shapes out of torch.export.export"
    assert refused(path, (8, 10, 10))["remedy"] == "Leave it out, or export the network anew"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"graph_module": 3}', "[" * 100_000])
def test_a_file_of_something_else_is_refused(content, tmp_path):
    path = written(content, tmp_path / "net.pt2")
    assert refused(path)["rule"] == "A .pt2 file must be one that torch.export.save wrote"


def test_no_archive_is_refused(tmp_path):
    (tmp_path / "net.pt2").write_bytes(b"\x80\x02nothing")
    assert refused(tmp_path / "net.pt2")["rule"] == "A .pt2 file must be one that torch.export.save wrote"


def test_what_torch_exports_is_what_the_module_computes(tmp_path):
    torch = pytest.importorskip("torch")
    from grouped_bench.measure.models.reading.torch_networks import read_module

    model = torch.nn.Sequential(
        torch.nn.Conv2d(4, 8, 3, padding=1, stride=2),
        torch.nn.Conv2d(8, 8, 3, padding="same", groups=2, dilation=2, bias=False),
        torch.nn.ConvTranspose2d(8, 4, 2, stride=2, groups=4),
    ).eval()
    torch.export.save(torch.export.export(model, (torch.zeros(1, 4, 12, 12),)), tmp_path / "net.pt2")
    assert read_exported(str(tmp_path / "net.pt2"), None) == read_module(model, (4, 12, 12))
