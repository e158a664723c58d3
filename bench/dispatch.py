"""What a layer that chooses adds to an eager call of the form that it chose.

`grouped_bench.layers.GroupedConv2D` and the form's own layer are called in turns, with the same weights; an eager call
of the smallest layer is where a choice costs the largest share.

python bench/dispatch.py --save  # on a quiet machine, some 2 minutes
"""

import os
import statistics

import evidence
import numpy as np

from grouped_bench import backends, variants
from grouped_bench.analyse.statistics.stats import student_interval
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.case import Case

# Keras' own form is a call of a compiled function, which takes milliseconds and varies by more than a share of it.
FORMS = ("grouped_native", "merged_groups", "depthwise_sum")
SHAPES = ((4, 32, 8), (14, 512, 32))
MOST_SHARE = 0.01
_ROUNDS, _CALLS = 400, 20
# For each layer; a slow form has fewer rounds.
_SECONDS = 12.0


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    os.environ["KERAS_BACKEND"] = "tensorflow"
    found: evidence.Findings = {"calls": []}
    rounds = 3 if given.smoke else _ROUNDS
    with evidence.as_far_as_it_goes(found):
        for (size, channels, groups), form in [(shape, form) for shape in SHAPES for form in FORMS]:
            evidence.say(f"{form}, {channels} channels in {groups} groups at {size}x{size}")
            found["calls"].append(one(form, size, channels, groups, rounds))
    worst = max((one["share_high"] for one in found["calls"]), default=None)
    found["targets"] = [
        evidence.target("share of an eager call, upper end of its interval", worst, MOST_SHARE, "%", at_least=False)
    ]
    evidence.conclude("dispatch", found, given)


def one(form: str, size: int, channels: int, groups: int, rounds: int) -> evidence.Findings:
    """How much longer the layer that chooses takes than the form that it chose, as a share with its 95% interval."""
    import keras

    from grouped_bench.layers import GroupedConv2D

    case = Case(
        2, 1, channels, channels, groups, (size, size), (3, 3), (1, 1), (1, 1), "same", False, "float32",
        "channels_last", "inference",
    )  # fmt: skip
    variant = variants.get(form)
    plain = variant.with_choice(next(iter(variant.choices(case)), None)).layer(case, backends.get("tensorflow"))
    chooser = GroupedConv2D(channels, 3, groups=groups, padding="same", use_bias=False, implementation=form)
    x = keras.ops.convert_to_tensor(np.random.default_rng(0).standard_normal(case.input_shape, dtype=np.float32))
    for layer in (plain, chooser):
        layer(x)
    chooser.set_weights(plain.get_weights())
    rng, logs, times = np.random.default_rng(0), [], []
    fit = int(_SECONDS / (2 * _CALLS * timed(plain, x)))
    for _ in range(max(3, min(rounds, fit))):
        took = {}
        for place in rng.permutation(2):
            took[place] = timed((plain, chooser)[place], x)
        logs.append(float(np.log(took[1] / took[0])))
        times.append(took[0])
    # Neighbours in time share what the machine did: their means are nearly independent.
    parts = [statistics.median(part) for part in np.array_split(logs, min(20, len(logs)))]
    interval = student_interval(parts, 0.05)
    return {
        **{"form": form, "size": size, "channels": channels, "groups": groups},
        **{"call_s": statistics.median(times), "share": float(np.expm1(interval.estimate))},
        **{"share_low": float(np.expm1(interval.low)), "share_high": float(np.expm1(interval.high))},
    }


def timed(layer: object, x: object) -> float:
    """Seconds of an eager call, over some in a row."""
    start = read_clock()
    for _ in range(_CALLS):
        outputs = layer(x)
    np.asarray(outputs)
    return (read_clock() - start) / _CALLS


if __name__ == "__main__":
    main()
