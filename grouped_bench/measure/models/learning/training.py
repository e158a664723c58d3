"""A training of one network from one seed, in a worker; and what its filters respond with."""

import dataclasses
import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.measure import memory
from grouped_bench.measure.machine.disturbance import Watch
from grouped_bench.measure.models.learning import networks
from grouped_bench.measure.models.learning.data import TEST, TRAIN, VALIDATION, read
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.facts import Json
from grouped_bench.space.learning import Network

_MOMENTUM = 0.9
# Until a recipe names one.
_FIRST_RATE = 0.1
_EVALUATED_AT_ONCE = 500
# Positions of test data for each channel of both layers (Ioannou et al. take 20).
_POSITIONS_A_CHANNEL = 40


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is trained: plain stochastic gradient descent with Nesterov's momentum, its rate on half a cosine.

    Args:
        data: path of the examples, as `Examples.write` put them there.
        epochs, batch_size: of the training.
        learning_rate: at its beginning.
        seed: of weights and of the order of examples; not of the examples.
        responses: whether to correlate the filters, before and after.
    """

    data: str
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    responses: bool = False


class Trainer:
    """Trains one network from one seed after the other; what it traced and compiled once serves all of them.

    Args:
        backend: loaded.
        network: what is trained.
        recipe: its examples and the size of a batch; all recipes that follow have the same.
        carriers: a variant and its choice for each case, as `networks.Trainee` takes them.
    """

    def __init__(self, backend: Backend, network: Network, recipe: Recipe, carriers: Json) -> None:
        import keras

        self._backend, self._examples = backend, read(Path(recipe.data))
        chosen = {key: tuple(value) for key, value in carriers.items()}
        shape, classes = self._examples.shape, self._examples.classes
        self._trainee = networks.Trainee(network, shape, classes, recipe.batch_size, backend, chosen)
        self._model = self._trainee.model
        self._optimizer = keras.optimizers.SGD(_FIRST_RATE, momentum=_MOMENTUM, nesterov=True)
        self._model.compile(self._optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        self._optimizer.build(self._model.trainable_variables)
        # Its variables as they are before the first step, but for the rate.
        self._blank = [one for one in self._optimizer.variables if one is not self._optimizer._learning_rate]

    def train(self, recipe: Recipe) -> Json:
        """Accuracy and losses of one training.

        Returns `accuracy` of the test examples, `validation_accuracy`, `losses` and `validation_losses` by epoch,
        `training_s` of all epochs, each as long as their median, `first_epoch_s`, which of a process's first training
        traces and compiles, what disturbed it, and with `responses` the moments of responses of two layers before and
        after. A loss that is no number ends the training: `diverged`.
        """
        x, y = self._examples.x, self._examples.y
        self._begin(recipe.seed)
        before = self._responses() if recipe.responses else {}
        rng, watch = np.random.default_rng((recipe.seed, 1)), Watch("cpu")
        steps = max(1, len(y[TRAIN]) // recipe.batch_size)
        rates = _cosine(recipe.learning_rate, steps * recipe.epochs)
        losses: list[float] = []
        validated: list[float] = []
        seconds: list[float] = []
        for _ in range(recipe.epochs):
            order = rng.permutation(len(y[TRAIN]))
            start = read_clock()
            losses.append(self._epoch(np.array_split(order[: steps * recipe.batch_size], steps), rates))
            seconds.append(read_clock() - start)
            if not math.isfinite(losses[-1]):
                return {"diverged": True, "losses": losses[:-1], "validation_losses": validated}
            validated.append(_loss(self._scores(x[VALIDATION]), y[VALIDATION]))
        disturbed = watch.stop()
        found: Json = {
            "accuracy": _accuracy(self._scores(x[TEST]), y[TEST]),
            "validation_accuracy": _accuracy(self._scores(x[VALIDATION]), y[VALIDATION]),
            "losses": losses,
            "validation_losses": validated,
            "training_s": recipe.epochs * statistics.median(seconds[1:] or seconds),
            "first_epoch_s": seconds[0],
            **disturbed,
        }
        if recipe.responses:
            found["responses"] = {"before": before, "after": self._responses()}
        return found

    def peak_memory(self, batch_size: int) -> Json:
        """Peak bytes of a warmed-up training step as the framework counts them; None where it does not."""
        backend, examples = self._backend, self._examples
        with backend.on("cpu"):
            inputs = backend.array(examples.x[TRAIN][:batch_size], "float32")
            upstream = backend.array(np.ones((batch_size, examples.classes), np.float32), "float32")
            step = backend.step(self._model, inputs, upstream, backend.executions[0])
            backend.synchroniser("cpu")(step())
            held = sum(map(memory.tensor_bytes, (inputs, upstream, *self._model.weights)))
            return {"peak_bytes": backend.peak_memory(step, "cpu", held)}

    def _begin(self, seed: int) -> None:
        import keras

        keras.utils.set_random_seed(seed)
        self._trainee.begin(seed)
        for one in self._blank:
            one.assign(np.zeros(one.shape, one.dtype))

    def _epoch(self, batches: Sequence[np.ndarray], rates: Iterator[float]) -> float:
        """The mean loss of its steps."""
        x, y = self._examples.x[TRAIN], self._examples.y[TRAIN]
        losses = []
        for batch in batches:
            self._optimizer.learning_rate = next(rates)
            losses.append(self._model.train_on_batch(x[batch], y[batch]))
        # Keras tells the mean of all steps since it was told to forget.
        self._model.reset_metrics()
        return float(np.asarray(losses[-1]))

    def _scores(self, x: np.ndarray) -> np.ndarray:
        parts = [x[start : start + _EVALUATED_AT_ONCE] for start in range(0, len(x), _EVALUATED_AT_ONCE)]
        made = [np.asarray(self._model.predict_on_batch(_padded(part)))[: len(part)] for part in parts]
        return np.concatenate(made).astype(np.float64)

    def _responses(self) -> Json:
        """Moments of the responses of the last two layers of filters, over as many test examples as they need."""
        import keras

        layers = networks.response_layers(self._model)[-2:]
        if len(layers) < 2:
            return {}
        sizes = [math.prod(layer.output.shape[1:-1]) for layer in layers]
        channels = sum(int(layer.output.shape[-1]) for layer in layers)
        x = self._examples.x[TEST]
        x = x[: math.ceil(_POSITIONS_A_CHANNEL * channels / max(sizes))]
        seen = keras.Model(self._model.input, [layer.output for layer in layers])
        first, second = (np.asarray(one) for one in seen.predict_on_batch(x))
        found = networks.moments(first, second)
        return {
            "layers": [layer.name for layer in layers],
            "count": found.count,
            "covariances": [np.round(one, 6).tolist() for one in found.covariances],
        }


def _cosine(rate: float, steps: int) -> Iterator[float]:
    """Half a cosine from `rate` to 0."""
    for step in range(steps):
        yield rate * 0.5 * (1 + math.cos(math.pi * step / steps))


def _padded(part: np.ndarray) -> np.ndarray:
    """Examples in a whole batch, so that nothing is compiled for another size."""
    missing = _EVALUATED_AT_ONCE - len(part)
    return np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)]) if missing else part


def _accuracy(scores: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(scores.argmax(axis=1) == y))


def _loss(scores: np.ndarray, y: np.ndarray) -> float:
    """Mean cross-entropy."""
    top = scores.max(axis=1, keepdims=True)
    logs = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
    return float(-np.mean(logs[np.arange(len(y)), y]))
