"""The process that reads networks: functions of a user's own, memory, and what each refusal says."""

import pytest

from grouped_bench.measure.models.reading import process

NETWORKS = """
print("hello")

def keras_model():
    import keras
    return keras.Sequential([keras.Input((8, 8, 4)), keras.layers.Conv2D(8, 3, groups=2)])

def torch_module():
    import torch
    print("building")
    return torch.nn.Conv2d(4, 8, 3, groups=2)

def raises():
    raise ValueError("no\\nsuch thing")

def leaves():
    raise SystemExit(3)

def number():
    return 3

text = "no function"
"""


@pytest.fixture
def asked(backend, tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(tmp_path)

    def ask(function, shape=None):
        return process.read({"kind": "function", "name": f"own_networks:{function}", "input_shape": shape, "memory": 0})

    return ask


def test_a_function_may_return_a_keras_model(asked):
    told = asked("keras_model")
    assert (told["convolutions"][0]["groups"], told.get("backend")) == (2, None)


def test_a_function_may_return_a_module_of_pytorch(asked):
    pytest.importorskip("torch")
    told = asked("torch_module", [4, 8, 8])
    assert (told["convolutions"][0]["groups"], told["backend"]) == (2, "torch")


@pytest.mark.parametrize(
    ("function", "rule", "received"),
    [
        ("raises", "FUNCTION must return a network", "own_networks:raises ended with ValueError: no such thing"),
        ("leaves", "FUNCTION must return a network", "own_networks:leaves ended with SystemExit: 3"),
        ("number", "FUNCTION must return a Keras model or a module of PyTorch", "own_networks:number returned a int"),
        ("text", "FUNCTION must be a function of MODULE", "own_networks:text, a str"),
        ("nothing", "FUNCTION must be a function of MODULE", "own_networks:nothing, no function"),
    ],
)
def test_a_function_that_gives_no_network_is_refused(function, rule, received, asked):
    told = asked(function)["refused"]
    assert (told["rule"], told["received"]) == (rule, received)


def test_a_network_that_takes_too_much_memory_is_refused(monkeypatch):
    """What is held grows beyond the limit while a reader works."""
    held, answers = [100], []
    monkeypatch.setattr(process, "_resident", lambda: held[0])

    def reader(name, shape):
        held[0] = 1000
        while not answers:
            process.threading.Event().wait(0.01)
        return {}

    monkeypatch.setitem(process.READERS, "pt2", reader)
    process.read({"kind": "pt2", "name": "/a/net.pt2", "input_shape": None, "memory": 512}, answers.append)
    (told,) = answers
    assert told["refused"]["rule"] == "A network must be read within 0 MiB beside its framework"
    assert told["refused"]["received"] == "net.pt2"


def test_a_network_within_its_memory_is_read(monkeypatch):
    monkeypatch.setattr(process, "_resident", lambda: 100)
    monkeypatch.setitem(process.READERS, "pt2", lambda name, shape: {"convolutions": []})
    answers = []
    request = {"kind": "pt2", "name": "net.pt2", "input_shape": None, "memory": 512}
    assert process.read(request, answers.append) == {"convolutions": []}
    assert not answers


def test_memory_that_the_system_refuses_is_a_refusal(monkeypatch):
    def reader(name, shape):
        raise MemoryError

    monkeypatch.setitem(process.READERS, "pt2", reader)
    told = process.read({"kind": "pt2", "name": "net.pt2", "input_shape": None, "memory": 2**29})
    assert told["refused"]["rule"] == "A network must be read within 512 MiB beside its framework"
