"""Networks of PyTorch: every convolution of a pass is found, as PyTorch's own counter has it; nothing is computed."""

import pytest

from grouped_bench.harness.inspect.networks import distinct
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.space.space import Space

torch = pytest.importorskip("torch")
from grouped_bench.measure.models.reading.torch_networks import read_module, unfilled  # noqa: E402


class Varied(torch.nn.Module):
    """Grouped, strided, dilated, padded by a word and in other ways, shared, functional, and transposed."""

    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.shared = nn.Conv2d(8, 8, 3, padding="same", groups=4, dilation=2)
        self.depthwise = nn.Conv2d(8, 16, (3, 5), padding=(1, 2), groups=8, stride=(1, 2))
        self.circular = nn.Conv2d(16, 16, 3, padding=2, padding_mode="circular")
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2, groups=2, bias=False)
        self.normal = nn.BatchNorm2d(8)

    def forward(self, x):
        x = self.shared(self.shared(self.stem(x)))
        x = self.up(self.circular(self.depthwise(x)))
        return torch.nn.functional.conv2d(self.normal(x), torch.ones(4, 8, 1, 1))


def counted(model, *shape):
    """Multiply-accumulates as PyTorch's own counter of floating-point operations has them."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, *shape))
    return counter.get_total_flops() // 2


def test_the_work_is_what_pytorch_counts():
    model = Varied().eval()
    told = read_module(model, (3, 20, 24))
    assert told["macs"] + sum(one["macs"] for one in told["left_out"]) == counted(model, 3, 20, 24)
    assert [one["name"] for one in told["convolutions"]] == [
        *("stem", "shared", "shared", "depthwise", "circular", "convolution")
    ]
    assert [(one["name"], one["kind"]) for one in told["left_out"]] == [("up", "ConvTranspose2d")]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_every_rank_is_read(rank):
    layer = getattr(torch.nn, f"Conv{rank}d")(4, 8, 3, padding=1, groups=2)
    told = read_module(layer, (4, *[6] * rank))
    assert told["macs"] == counted(layer, 4, *[6] * rank)
    (point,) = Space(cases=distinct(told["convolutions"])).points()
    assert (point.case.rank, point.case.groups, point.case.padding) == (rank, 2, "same")


def test_padding_that_is_not_same_widens_the_input():
    """Stride 2 over an even extent: PyTorch pads both sides, and `same` the end alone."""
    (found,) = read_module(torch.nn.Conv2d(3, 8, 3, stride=2, padding=1), (3, 8, 9))["convolutions"]
    assert (found["padding"], found["size"], found["stride"]) == ("valid", [10, 11], [2, 2])
    (found,) = read_module(torch.nn.Conv2d(3, 8, 3, stride=2, padding=1), (3, 9, 9))["convolutions"]
    assert (found["padding"], found["size"]) == ("same", [9, 9])


def test_what_cannot_be_measured_is_named():
    half = torch.nn.Conv2d(3, 4, 3, dtype=torch.float64)
    assert read_module(half, (3, 8, 8))["left_out"][0]["reason"] == "dtype float64, which is not supported"

    class Folded(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Conv1d(4, 4, 3)

        def forward(self, x):
            return self.inner(x[0].permute(1, 0, 2))

    (told,) = read_module(Folded(), (4, 6, 8))["left_out"]
    assert (told["name"], told["reason"]) == ("inner", "its input (6, 4, 8) is not one example")


def test_reading_leaves_the_module_as_it_was():
    model = Varied()
    model.up.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    read_module(model, (3, 16, 16))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.train()
    assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 4, 20, 12)


def test_a_module_that_does_not_take_the_shape_is_refused_and_left_as_it_was():
    model = Varied().train()
    with pytest.raises(RefusedError) as caught:
        read_module(model, (4, 16, 16))
    assert "4,16,16, at which Varied ended with RuntimeError" in caught.value.told["received"]
    assert model.training
    with pytest.raises(RefusedError) as caught:
        read_module(model, None)
    assert caught.value.told["remedy"] == "Give it like --input-shape 3,224,224"


def test_parameters_that_are_not_filled_touch_no_memory():
    from grouped_bench.measure.models.reading.process import _resident

    before = _resident()
    with unfilled():
        model = torch.nn.Linear(16_384, 16_384)  # a GiB
    assert _resident() - before < 2**27
    assert model.weight.shape == (16_384, 16_384)
    assert torch.nn.Linear(2, 2).weight.abs().sum() > 0
