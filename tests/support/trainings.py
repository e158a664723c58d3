"""Trainings of a made-up study, by seeded accuracies, for tests of what is said of them."""

import numpy as np

from grouped_bench.space.learning import Network, NetworkPair, NetworkPart, Study
from grouped_bench.store import learning as store
from grouped_bench.store.learning import SEED, TUNING, Training

SHAPE, CLASSES = (12, 1), 3
EPOCHS = 4


def network(name, groups=1, channels=8):
    return Network(
        name,
        (
            NetworkPart("convolution", channels),
            NetworkPart("convolution", channels, groups=groups),
            NetworkPart("convolution", channels),
        ),
    )


STUDY = Study(
    "mini",
    "Do groups learn better?",
    "digits",
    (network("dense"), network("g4", 4), network("wide", 4, 12)),
    (
        NetworkPair("groups", "g4", "dense", "Deep Roots, root-16"),
        NetworkPair("budget", "wide", "dense", "ResNeXt, C=8"),
    ),
    ("dense", "g4"),
    epochs=EPOCHS,
    batch_size=4,
    examples=20,
)


def training(name, seed, accuracy, *, phase=SEED, rate=0.1, seconds=2.0, study=STUDY, **more):
    found = study.network(name)
    told = {
        "status": "ok" if accuracy is not None else "diverged",
        "reason": None if accuracy is not None else "the loss is no number any more",
        "validation_accuracy": accuracy,
        "losses": tuple(1.0 / (epoch + 1) for epoch in range(EPOCHS)),
        "validation_losses": tuple(1.2 / (epoch + 1) for epoch in range(EPOCHS)),
        "training_s": None if accuracy is None else seconds,
        "first_epoch_s": 1.0,
        "stolen": 0.0,
        "peak_memory_bytes": 1 << 20,
    }
    return Training(
        network=name, phase=phase, seed=seed, learning_rate=rate, accuracy=accuracy, backend="tensorflow",
        params=found.params(SHAPE, CLASSES), macs=found.macs(SHAPE, CLASSES), **(told | more),
    )  # fmt: skip


def trainings(gains, seeds, *, spread=0.004, seed=0, study=STUDY, seconds=None):
    """Trainings of all networks of a study, each better than the first by its gain."""
    rng = np.random.default_rng(seed)
    found = [training(one.name, 1000, 0.8, phase=TUNING, study=study) for one in study.networks]
    for number in range(seeds):
        common = rng.normal(0, 0.02)
        for one in study.networks:
            accuracy = float(np.clip(0.8 + common + gains.get(one.name, 0.0) + rng.normal(0, spread), 0, 1))
            taken = (seconds or {}).get(one.name, 2.0)
            found.append(training(one.name, number, accuracy, study=study, seconds=taken))
    return found


def responses(groups, channels=8, inside=0.5, count=400, seed=0):
    """Moments of two layers, the second of which is correlated with its group of the first."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(count, channels))
    width = channels // groups
    second = rng.normal(size=(count, channels))
    for channel in range(channels):
        group = channel // width
        second[:, channel] += inside * first[:, group * width : (group + 1) * width].sum(axis=1)
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    moments = (first.T @ first, second.T @ second, first.T @ second)
    return {"layers": ["a", "b"], "count": count, "covariances": [(one / count).tolist() for one in moments]}


def facts(*, study=STUDY, stopped_by="settled", **more):
    return {
        "learning": store.SCHEMA_VERSION, "version": "0", "run_id": "20260101-000000-abcd",
        "started_at": "2026-01-01T00:00:00+00:00", "machine": "some-machine-2", "identity": None,
        "study": store.study_facts(study), "data": {"name": "digits", "seed": 0, "digest": "0"},
        "shape": list(SHAPE), "classes": CLASSES, "backend": "tensorflow", "backend_version": "2.21.0",
        "carriers": {"case": {"carrier": ["grouped_native", None], "seconds": {"grouped_native": 0.001}}},
        "memory": {}, "responses": {}, "finished": True, "stopped_by": stopped_by, "seconds": 61.0,
    } | more  # fmt: skip
