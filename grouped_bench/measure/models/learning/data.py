"""Examples to learn from: their arrays, and what a file of a user's own must hold."""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np

from grouped_bench.errors import SpaceError

# What a file of a user's own must hold; validation examples may be among the training ones.
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SETS = (TRAIN, VALIDATION, TEST)
_VALIDATION_SHARE = 0.2
_MOST_CLASSES = 1000
_LARGEST_FILE = 4 * 2**30
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
        named = {f"x_{name}": self.x[name] for name in SETS} | {f"y_{name}": self.y[name] for name in SETS}
        np.savez(path, allow_pickle=False, **named)


def read(path: Path) -> Examples:
    """A user's own examples. Raises SpaceError."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise _refusal(f"{path.name}, larger than {_LARGEST_FILE // 2**30} GiB")
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            found = {name: np.asarray(file[name]) for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, TypeError, AttributeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise _refusal(f"{path.name} ({why})") from None
    return _checked(found, path.name)


def _checked(found: dict[str, np.ndarray], name: str) -> Examples:
    missing = [f"{kind}_{one}" for one in (TRAIN, TEST) for kind in "xy" if f"{kind}_{one}" not in found]
    if missing:
        raise _refusal(f"{name} without {', '.join(missing)}")
    sets = [one for one in SETS if f"x_{one}" in found and f"y_{one}" in found]
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
    with np.errstate(over="ignore"):
        is_finite = np.isfinite(x.astype(np.float32)).all()
    if not is_finite:
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
