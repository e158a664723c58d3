"""What a step's result is waited for by, and what layers are called."""

import pytest

from grouped_bench.measure.models.project import keras_model, own_step


class Lazy:
    """A tensor that is computed when it is waited for, in the way of one framework."""

    def __init__(self, **own):
        self.waits = []
        vars(self).update({name: value or (lambda name=name: self.waits.append(name)) for name, value in own.items()})


def test_every_tensor_in_nested_results_is_waited_for():
    first, second, plain = Lazy(block_until_ready=None), Lazy(block_until_ready=None), Lazy(other=None)
    own_step.wait_for({"a": [first, (plain, None, 3)], "b": second})
    assert (first.waits, second.waits, plain.waits) == (["block_until_ready"], ["block_until_ready"], [])


def test_a_gpu_of_tensorflow_is_waited_for_and_a_processor_is_not():
    on_gpu, on_cpu = Lazy(numpy=None, device="/device:GPU:0"), Lazy(numpy=None, device="/device:CPU:0")
    own_step.wait_for([on_gpu, on_cpu])
    assert (on_gpu.waits, on_cpu.waits) == (["numpy"], [])


def test_a_gpu_of_pytorch_is_waited_for(monkeypatch):
    waited = []
    module = type("torch", (), {"cuda": type("cuda", (), {"synchronize": staticmethod(waited.append)})})
    monkeypatch.setitem(own_step.sys.modules, "torch", module)
    own_step.wait_for(Lazy(is_cuda=True, device="cuda:1"))
    assert waited == ["cuda:1"]


@pytest.mark.parametrize(
    ("taken", "name"),
    [([], "Dense 2x3"), (["Dense 2x3"], "Dense 2x3 (2)"), (["Dense 2x3", "Dense 2x3 (2)"], "Dense 2x3 (3)")],
)
def test_layers_that_would_have_one_name_are_numbered(taken, name):
    assert keras_model._numbered("Dense 2x3", taken) == name
