"""Examples of a user's own: what their file must hold."""

import numpy as np
import pytest

from grouped_bench.errors import SpaceError
from grouped_bench.measure.models.learning.data import Examples, read


def arrays(**changes):
    rng = np.random.default_rng(0)
    found = {
        **{"x_train": rng.normal(size=(20, 6, 2)), "y_train": np.arange(20) % 3},
        **{"x_test": rng.normal(size=(9, 6, 2)), "y_test": np.arange(9) % 3},
    }
    return {name: value for name, value in (found | changes).items() if value is not None}


@pytest.fixture
def written(tmp_path):
    def write(**changes):
        path = tmp_path / "mine.npz"
        np.savez(path, **arrays(**changes))
        return path

    return write


def test_what_is_written_is_read(written, tmp_path):
    found = read(written())
    found.write(tmp_path / "a.npz")
    again = read(tmp_path / "a.npz")
    assert all(np.array_equal(found.x[name], again.x[name]) for name in found.x)
    assert all(np.array_equal(found.y[name], again.y[name]) for name in found.y)


def test_a_file_without_validation_gives_a_fifth_of_its_training(written):
    found = read(written())
    assert {name: len(values) for name, values in found.y.items()} == {"train": 16, "validation": 4, "test": 9}
    assert isinstance(found, Examples)


def test_own_validation_is_taken(written):
    found = read(written(x_validation=np.zeros((5, 6, 2)), y_validation=np.zeros(5, int)))
    assert (len(found.y["train"]), len(found.y["validation"])) == (20, 5)


BROKEN = np.full((20, 6, 2), np.nan)


@pytest.mark.parametrize(
    ("changes", "received"),
    [
        ({"y_train": None}, "without y_train"),
        ({"x_test": None, "y_test": None}, "without x_test, y_test"),
        ({"y_train": np.arange(19) % 3}, "20 examples in x_train and 19 in y_train"),
        ({"y_train": np.zeros(20, int)}, "one class in y_train"),
        ({"x_train": BROKEN}, "values that are not finite"),
        ({"x_train": np.full((20, 6, 2), 1e300)}, "values that are not finite"),
        ({"y_train": np.arange(20) % 3 - 1}, "classes from -1 to 1"),
        ({"y_train": np.arange(20) % 3 + 5}, "no example of class 0"),
        ({"y_test": np.full(9, 7)}, "no example of class 3"),
        ({"y_test": np.full(9, 5000)}, "classes from 5000"),
        ({"y_train": np.arange(20) / 3}, "y_train is float64"),
        ({"y_train": np.arange(40).reshape(20, 2) % 3}, r"y_train is int64 of shape \(20, 2\)"),
        ({"x_train": np.zeros((20, 6))}, r"x_train is float64 of shape \(20, 6\)"),
        ({"x_train": np.zeros((0, 6, 2)), "y_train": np.zeros(0, int)}, "x_train is float64 of shape"),
        ({"x_train": np.array(["a"] * 20).reshape(20, 1, 1)}, "x_train is <U1"),
        ({"x_test": np.zeros((9, 7, 2))}, r"x_test has examples of shape \(7, 2\)"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(written, changes, received):
    with pytest.raises(SpaceError, match=received):
        read(written(**changes))


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays(x_train=np.array([{"a": 1}] * 20, dtype=object)))
    with pytest.raises(SpaceError, match=r"must be an \.npz file"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04nothing"])
def test_what_is_no_npz_file_is_refused(tmp_path, content):
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(SpaceError, match=r"must be an \.npz file"):
        read(tmp_path / "mine.npz")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SpaceError, match="No such file"):
        read(tmp_path / "none.npz")
