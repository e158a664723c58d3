"""Examples to learn from, made here or the user's own: nothing is downloaded."""

import dataclasses
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from grouped_bench.errors import SpaceError, UnavailableError

# What a file of a user's own must hold; validation examples may be among the training ones.
TRAIN, VALIDATION, TEST = "train", "validation", "test"
_SETS = (TRAIN, VALIDATION, TEST)
_VALIDATION_SHARE = 0.2
_TEST_EXAMPLES, _VALIDATION_EXAMPLES = 20_000, 2_000
# Of digits, of which there are 1,797 in all.
_DIGITS_TRAINING_SHARE = 0.5
_MOST_CLASSES = 1000
_LARGEST_FILE = 4 * 2**30
_SHAPE_SIZE, _SHAPE_NOISE = 16, 0.6
# Of each position of each example, whether it is in the shape.
Drawing = Any
_RULE = "A file of examples must be an .npz file with x_train, y_train, x_test and y_test"
_REMEDY = "Write it with numpy.savez: x_… of shape (examples, *size, channels), y_… of class numbers from 0"


@dataclasses.dataclass(frozen=True)
class Examples:
    """Arrays of examples (n, *size, channels), float32, and their classes (n,), by set."""

    x: dict[str, np.ndarray]
    y: dict[str, np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an example, channels last."""
        return tuple(self.x[TRAIN].shape[1:])

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.y[TRAIN].max()) + 1

    def write(self, path: Path) -> None:
        """Put them where `read` finds them."""
        named = {f"x_{name}": self.x[name] for name in _SETS} | {f"y_{name}": self.y[name] for name in _SETS}
        np.savez(path, allow_pickle=False, **named)


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


def read(path: Path) -> Examples:
    """A user's own examples. Raises SpaceError."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise _refusal(f"{path.name}, larger than {_LARGEST_FILE // 2**30} GiB")
        with np.load(path, allow_pickle=False) as file:
            found = {name: np.asarray(file[name]) for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, TypeError, AttributeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise _refusal(f"{path.name} ({why})") from None
    return _checked(found, path.name)


def _checked(found: dict[str, np.ndarray], name: str) -> Examples:
    missing = [f"{kind}_{one}" for one in (TRAIN, TEST) for kind in "xy" if f"{kind}_{one}" not in found]
    if missing:
        raise _refusal(f"{name} without {', '.join(missing)}")
    sets = [one for one in _SETS if f"x_{one}" in found and f"y_{one}" in found]
    x, y = {one: found[f"x_{one}"] for one in sets}, {one: found[f"y_{one}"] for one in sets}
    for one in sets:
        _check_set(x[one], y[one], one, name)
        if x[one].shape[1:] != x[TRAIN].shape[1:]:
            raise _refusal(f"{name}, whose x_{one} has examples of shape {x[one].shape[1:]}, not {x[TRAIN].shape[1:]}")
    classes = int(y[TRAIN].max()) + 1
    seen = np.unique(y[TRAIN])
    if len(seen) < 2:
        raise _refusal(f"{name} with one class in y_train")
    for one in sets:
        if int(y[one].max()) >= classes or len(seen) != classes:
            absent = sorted({*range(max(classes, int(y[one].max()) + 1))} - {*seen.tolist()})[0]
            raise _refusal(f"{name}, whose y_train has no example of class {absent}")
    x = {one: np.ascontiguousarray(values, dtype=np.float32) for one, values in x.items()}
    y = {one: values.astype(np.int32) for one, values in y.items()}
    if VALIDATION not in x:
        x, y = _with_validation(x, y)
    return Examples(x, y)


def _check_set(x: np.ndarray, y: np.ndarray, one: str, name: str) -> None:
    if x.dtype.kind not in "fiu" or not 3 <= x.ndim <= 5 or 0 in x.shape:
        raise _refusal(f"{name}, whose x_{one} is {x.dtype} of shape {x.shape}")
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise _refusal(f"{name}, whose y_{one} is {y.dtype} of shape {y.shape}")
    if len(x) != len(y):
        raise _refusal(f"{name} with {len(x):,} examples in x_{one} and {len(y):,} in y_{one}")
    if not np.isfinite(x.astype(np.float32)).all():
        raise _refusal(f"{name}, whose x_{one} has values that are not finite")
    if int(y.min()) < 0 or int(y.max()) >= _MOST_CLASSES:
        raise _refusal(
            f"{name}, whose y_{one} has classes from {y.min()} to {y.max()}; 0 to {_MOST_CLASSES - 1} may be"
        )


def _with_validation(
    x: dict[str, np.ndarray], y: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The sets with a share of the training examples, drawn once and for all, as validation examples."""
    order = np.random.default_rng(0).permutation(len(y[TRAIN]))
    held = max(1, round(_VALIDATION_SHARE * len(order)))
    parts = {VALIDATION: order[:held], TRAIN: order[held:]}
    if len(np.unique(y[TRAIN][parts[TRAIN]])) < len(np.unique(y[TRAIN])):
        raise _refusal("too few training examples of a class")
    return (
        {**x, **{one: x[TRAIN][places] for one, places in parts.items()}},
        {**y, **{one: y[TRAIN][places] for one, places in parts.items()}},
    )


def _refusal(received: str) -> SpaceError:
    return SpaceError(_RULE, received=received, remedy=_REMEDY)


def _split(x: np.ndarray, y: np.ndarray, counts: tuple[int, int]) -> Examples:
    """The first examples to train, the next to validate, the rest to test."""
    places = np.split(np.arange(len(y)), np.cumsum(counts))
    x, y = x.astype(np.float32), y.astype(np.int32)
    return Examples(
        {one: x[part] for one, part in zip(_SETS, places, strict=True)},
        {one: y[part] for one, part in zip(_SETS, places, strict=True)},
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
