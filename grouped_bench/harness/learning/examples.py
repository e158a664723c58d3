"""Examples that are made here: nothing is downloaded."""

from collections.abc import Callable
from typing import Any

import numpy as np

from grouped_bench.errors import UnavailableError
from grouped_bench.measure.models.learning.data import SETS, Examples

_TEST_EXAMPLES, _VALIDATION_EXAMPLES = 20_000, 2_000
# Of digits, of which there are 1,797 in all.
_DIGITS_TRAINING_SHARE = 0.5
_SHAPE_SIZE, _SHAPE_NOISE = 16, 0.6
# Of each position of each example, whether it is in the shape.
Drawing = Any


def made(name: str, count: int, seed: int) -> Examples:
    """Examples of a kind that is made here.

    Args:
        name: one of `KINDS`.
        count: training examples, as far as the kind has so many.
        seed: of all that is random in them.

    Raises:
        UnavailableError: the library that has them is not installed.
    """
    return KINDS[name](count, seed)


def _split(x: np.ndarray, y: np.ndarray, counts: tuple[int, int]) -> Examples:
    """The first examples to train, the next to validate, the rest to test."""
    places = np.split(np.arange(len(y)), np.cumsum(counts))
    x, y = x.astype(np.float32), y.astype(np.int32)
    return Examples(
        {one: x[part] for one, part in zip(SETS, places, strict=True)},
        {one: y[part] for one, part in zip(SETS, places, strict=True)},
    )


def _mnist1d(count: int, seed: int) -> Examples:
    """Greydanus' one-dimensional digits (arXiv 2011.14439), made anew: 40 positions of one channel."""
    try:
        from mnist1d.data import get_dataset_args, make_dataset
    except ImportError:
        raise _not_installed("mnist1d") from None
    arguments = get_dataset_args()
    arguments.seed, arguments.train_split = seed, 1.0
    # It makes as many of each of ten classes.
    arguments.num_samples = 10 * -(-(count + _VALIDATION_EXAMPLES + _TEST_EXAMPLES) // 10)
    told = make_dataset(arguments)
    return _split(np.asarray(told["x"])[..., None], np.asarray(told["y"]), (count, _VALIDATION_EXAMPLES))


def _digits(count: int, seed: int) -> Examples:
    """scikit-learn's 1,797 digits of 8x8, in an order of their own."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise _not_installed("scikit-learn") from None
    told = load_digits()
    order = np.random.default_rng(seed).permutation(len(told.target))
    training = min(count, round(_DIGITS_TRAINING_SHARE * len(order)))
    held = (len(order) - training) // 4
    return _split(told.images[order][..., None] / 8 - 1, told.target[order], (training, held))


def _shapes(count: int, seed: int) -> Examples:
    """Eight outlines and textures of 16x16, somewhere, of some size and contrast, under noise."""
    rng = np.random.default_rng(seed)
    total = count + _VALIDATION_EXAMPLES + _TEST_EXAMPLES
    y = rng.integers(len(_DRAWN), size=total)
    centre = rng.uniform(5, _SHAPE_SIZE - 5, (2, total, 1, 1))
    radius = rng.uniform(2.5, 5, (total, 1, 1))
    rows, columns = np.mgrid[:_SHAPE_SIZE, :_SHAPE_SIZE]
    # In units of the radius, from the centre.
    across, down = (columns - centre[0]) / radius, (rows - centre[1]) / radius
    every = np.stack([draw(across, down) for draw in _DRAWN])
    x = every[y, np.arange(total)] * rng.uniform(0.6, 1.2, (total, 1, 1))
    x = x + rng.normal(0, _SHAPE_NOISE, x.shape)
    return _split(x[..., None], y, (count, _VALIDATION_EXAMPLES))


def _disc(across: np.ndarray, down: np.ndarray) -> Drawing:
    return across**2 + down**2 <= 1


def _ring(across: np.ndarray, down: np.ndarray) -> Drawing:
    return abs(across**2 + down**2 - 0.8) <= 0.4


def _square(across: np.ndarray, down: np.ndarray) -> Drawing:
    return np.maximum(abs(across), abs(down)) <= 0.85


def _frame(across: np.ndarray, down: np.ndarray) -> Drawing:
    return abs(np.maximum(abs(across), abs(down)) - 0.8) <= 0.2


def _diamond(across: np.ndarray, down: np.ndarray) -> Drawing:
    return abs(across) + abs(down) <= 1.1


def _plus(across: np.ndarray, down: np.ndarray) -> Drawing:
    return (np.minimum(abs(across), abs(down)) <= 0.25) & (np.maximum(abs(across), abs(down)) <= 1)


def _cross(across: np.ndarray, down: np.ndarray) -> Drawing:
    return _plus((across + down) / 2**0.5, (across - down) / 2**0.5)


def _stripes(across: np.ndarray, down: np.ndarray) -> Drawing:
    return _square(across, down) & (np.sin(4 * across) > 0)


_DRAWN: tuple[Callable[[np.ndarray, np.ndarray], Drawing], ...] = (
    *(_disc, _ring, _square, _frame),
    *(_diamond, _plus, _cross, _stripes),
)
KINDS: dict[str, Callable[[int, int], Examples]] = {"mnist1d": _mnist1d, "digits": _digits, "shapes": _shapes}


def _not_installed(name: str) -> UnavailableError:
    return UnavailableError(
        f"The examples must have the library that makes them, {name}",
        received="it is not installed",
        remedy="Install it with `pip install 'grouped-bench[learn]'`, or use --data shapes",
    )
