"""The guide's examples, run as they stand: on a small model, with its copy beside it."""

import re
from pathlib import Path

import numpy as np
import pytest

import grouped_bench as gb
from grouped_bench.layers import choice

GUIDE = (Path(gb.__file__).parent / "layers" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- with a model -->\n```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def names(backend, monkeypatch, tmp_path):
    import keras

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(choice.VARIABLE, str(tmp_path / "none"))
    model = keras.Sequential([keras.Input((6, 6, 32)), keras.layers.Conv2D(32, 3, groups=8)])
    model.compile("sgd", "mse", jit_compile=False)
    model.save("faster.keras")
    Path("grouped_layers.py").touch()
    monkeypatch.setattr(gb, "optimize", lambda given, **how: gb.Optimized("net", (), None, None, _given=given))
    return {"model": model, "x": np.zeros((2, 6, 6, 32), "float32"), "y": np.zeros((2, 4, 4, 32), "float32")}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_guide_runs(example, names):
    exec(example, names)


def test_there_are_examples():
    assert len(EXAMPLES) == 4
