"""Networks of PyTorch and ONNX by name, file, and in memory: a space that is measured in their own framework."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grouped_bench.errors import SpaceError
from grouped_bench.harness.inspect.networks import read_network
from grouped_bench.harness.plan import make_plan
from grouped_bench.space.space import Space

torch = pytest.importorskip("torch")
OPERATORS = Path(__file__).parents[2] / "torchvision_operators"


@pytest.fixture
def libraries(monkeypatch):
    """timm and torchvision as a child can import them."""
    paths = [str(OPERATORS), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    found = subprocess.run([sys.executable, "-c", "import timm, torchvision"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip("no timm or torchvision")


def model():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 8, 3, groups=4)).eval()


def test_a_module_in_memory_is_a_space_of_its_framework():
    space = read_network(model(), (3, 12, 12))
    assert (space.source, {table["backend"] for table in map(dict, space.tables)}) == ("Sequential", {"torch"})
    assert {cohort.setting.backend for cohort in make_plan(space).cohorts} == {"torch"}
    other = space.replace(backend="tensorflow")
    assert make_plan(other).cohorts[0].case == make_plan(space).cohorts[0].case


def test_a_module_is_measured_by_modules_unless_another_layout_or_backend_is_asked():
    space = read_network(model(), (3, 12, 12))
    grouped = make_plan(space).cohorts[-1]
    assert grouped.setting.layout == "contiguous"
    assert set(grouped.variants) == {"regular", "grouped", "split_concat", "split_sum"}

    def layouts(**axes):
        return {cohort.setting.layout for cohort in make_plan(space.replace(**axes)).cohorts}

    again = Space(**space.to_dict())  # as a run that is resumed has it
    assert [cohort.setting for cohort in make_plan(again).cohorts] == [one.setting for one in make_plan(space).cohorts]
    assert layouts(backend="torch") == layouts(backend=["torch"], groups=2) == {"contiguous"}
    whole = make_plan(space.replace(layout="keras")).cohorts[-1]
    assert "grouped_native" in whole.variants  # layers of Keras have all their forms
    with pytest.raises(SpaceError, match=r"must have a form of torch\.nn"):
        make_plan(space.replace(variant="grouped_native"))
    assert layouts(layout="channels_last,keras") == {"channels_last", None}
    assert layouts(backend="tensorflow") == layouts(backend="jax,torch") == {None}


def test_a_module_without_a_shape_is_refused_with_the_way_out():
    with pytest.raises(SpaceError, match=r"no --input-shape for a network of PyTorch. Give it like .* 3,224,224"):
        read_network(model())


def test_files_of_other_frameworks_are_the_module_itself(tmp_path):
    """Exported, and in ONNX: the same convolutions."""
    onnx = pytest.importorskip("onnx")
    tables = read_network(model(), (3, 12, 12)).tables
    torch.export.save(torch.export.export(model(), (torch.zeros(1, 3, 12, 12),)), tmp_path / "net.pt2")
    assert read_network(tmp_path / "net.pt2").tables == tables
    pads = [{"pads": [1, 1, 1, 1]}, {"group": 4}]
    shapes = [(8, 3, 3, 3), (8, 2, 3, 3)]
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    names = ("x", "h", "y")
    graph = helper.make_graph(
        [helper.make_node("Conv", [names[n], f"w{n}", f"b{n}"], [names[n + 1]], str(n), **pads[n]) for n in range(2)],
        "net",
        [helper.make_tensor_value_info("x", kind, (1, 3, 12, 12))],
        [helper.make_tensor_value_info("y", kind, None)],
        [
            *(helper.make_tensor(f"w{n}", kind, shape, [0.0] * (72 * shape[1])) for n, shape in enumerate(shapes)),
            *(helper.make_tensor(f"b{n}", kind, (8,), [0.0] * 8) for n in range(2)),
        ],
    )
    onnx.save_model(helper.make_model(graph), str(tmp_path / "net.onnx"))
    of_a_framework = ("backend", "layout", "variant")
    found = (tables, read_network(tmp_path / "net.onnx").tables)
    ours, theirs = ([{k: v for k, v in one.items() if k not in of_a_framework} for one in some] for some in found)
    assert ours == theirs


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "calls", "distinct"), [("timm:resnext50_32x4d", 53, 24), ("torchvision:r3d_18", 20, 11)]
)
def test_networks_are_built_by_name_without_weights(name, calls, distinct, libraries):
    space = read_network(name)
    assert (len(space.tables), sum(table["multiplicity"] for table in space.tables)) == (distinct, calls)
    assert space.source == name


@pytest.mark.long
def test_a_network_of_a_billion_weights_is_read_within_the_memory(libraries):
    assert len(read_network("timm:vit_giant_patch14_224").tables) == 1


@pytest.mark.parametrize(("name", "known"), [("timm:resnext5O_32x4d", "resnext50_32x4d"), ("torchvision:nope", "")])
def test_an_unknown_name_is_refused_with_those_that_are_like_it(name, known, libraries):
    with pytest.raises(SpaceError) as caught:
        read_network(name)
    assert f"Received: {name.partition(':')[2]}. Use one like " in str(caught.value)
    assert known in str(caught.value)
