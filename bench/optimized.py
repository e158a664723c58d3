"""How much faster `optimize` makes networks that anyone can build, with oneDNN off and on.

ResNeXt-50 32x4d built from Keras' layers with groups=32, and `keras.applications.ConvNeXtTiny`, which Keras builds with
groups=channels, both without trained weights. Each is optimised from nothing, then once more from what was stored. A
step of training is the forward pass and all gradients, without an optimizer.

python bench/optimized.py ConvNeXtTiny --save  # on a quiet machine, some 12 minutes
python bench/optimized.py ResNeXt50 --save      # some 40 minutes
python bench/optimized.py ResNeXt50-224 --save  # one image of 224x224, some 40 minutes
"""

import itertools
import tempfile
from pathlib import Path
from typing import Any

import evidence

import grouped_bench as gb
from grouped_bench.analyse.advise.optimized import promised_s
from grouped_bench.measure.rounds import read_clock

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
# Of each network the shape of an example, the batch, and the factor asked with oneDNN off and on, by pass.
ASKED: dict[str, dict[str, Any]] = {
    "ConvNeXtTiny": {"shape": (96, 96, 3), "batch": 4, "training": (7, 7), "inference": (6, 6)},
    "ResNeXt50": {"shape": (96, 96, 3), "batch": 8, "training": (14, 24), "inference": (1.3, 1.2)},
    "ResNeXt50-224": {"shape": (224, 224, 3), "batch": 1, "training": (14, 24), "inference": (1.3, 1.2)},
}
FRESH_S, STORED_S = 300, 30
_STAGES = ((3, 128), (4, 256), (6, 512), (3, 1024))
_GROUPS = 32


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("network", nargs="?", choices=list(ASKED), default=next(iter(ASKED)))
    given = evidence.parse(parser)
    found: evidence.Findings = {"optimised": []}
    with evidence.as_far_as_it_goes(found), tempfile.TemporaryDirectory() as folder:
        if given.smoke:
            found["optimised"] = [one("small", "training", "1", Path(folder), smoke=True)]
        else:
            for pass_, value in itertools.product(("training", "inference"), ("0", "1")):
                evidence.say(f"{given.network}, {pass_}, {VARIABLE}={value}")
                found["optimised"].append(one(given.network, pass_, value, Path(folder), smoke=False))
    found["targets"] = targets(found["optimised"])
    evidence.conclude(f"optimized-{given.network}", found, given)


def one(name: str, pass_: str, value: str, folder: Path, *, smoke: bool) -> evidence.Findings:
    """What `optimize` makes of a network, and how long it takes with and without stored runs."""
    path, out = folder / f"{name}.keras", folder / f"{name}-{pass_}-{value}"
    if not path.exists():
        build(name).save(path)
    how: dict[str, Any] = {
        "batch_size": 2 if smoke else ASKED[name]["batch"], "passes": pass_, "env": {VARIABLE: [value]},
        "budget": "5s" if smoke else "4m", "out": out, "quiet": False,
    }  # fmt: skip
    times, made = [], []
    for _ in range(1 if smoke else 2):
        start = read_clock()
        made.append(gb.optimize(path, **how))
        times.append(read_clock() - start)
    first = made[0]
    return {
        **{"network": name, "pass": pass_, "onednn": value == "1", "seconds": times},
        "layers": [
            {"layer": row["layer"], "times": row["times"], "to": row["to"], "choice": row["choice"]}
            for row in first.table.to_dict("records")
        ],
        "refusal": first.refusal,
        "whole": None if first.whole is None else told(first.whole, first.changes),
    }


def told(whole: Any, changes: Any) -> evidence.Findings:
    """The figures of both networks."""
    return {
        **{"verdict": whole.verdict, "speedup": whole.speedup.value},
        **{"low": whole.speedup.low, "high": whole.speedup.high, "error": whole.error},
        **{"before_s": whole.before.seconds.value, "after_s": whole.after.seconds.value},
        **{"first_before_s": whole.before.first_call_s, "first_after_s": whole.after.first_call_s},
        **{"peak_before": whole.before.peak_bytes, "peak_after": whole.after.peak_bytes},
        **{"promised_s": promised_s(changes), "as_promised": whole.is_as_predicted(changes)},
    }


def build(name: str) -> Any:
    """The network, its weights drawn at random."""
    import keras

    if name == "ConvNeXtTiny":
        return keras.applications.ConvNeXtTiny(weights=None, input_shape=ASKED[name]["shape"], classes=10)
    if name == "stage":
        return _stage()
    inputs = keras.Input((8, 8, 32) if name == "small" else ASKED[name]["shape"])
    if name == "small":
        x = keras.layers.Conv2D(32, 3, groups=16, padding="same")(inputs)
        return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    x = _convolved(inputs, 64, 7, strides=2)
    x = keras.layers.MaxPooling2D(3, 2, padding="same")(x)
    for stage, (blocks, width) in enumerate(_STAGES):
        for block in range(blocks):
            x = _block(x, width, 2 if block == 0 < stage else 1)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x), name=name)


def _stage() -> Any:
    """Blocks of three widths, as of the later stages of ResNeXt-50 at 96x96."""
    import keras

    inputs = keras.Input((12, 12, 128))
    x = _block(_block(_block(inputs, 128, 1), 256, 2), 512, 2)
    return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x)), name="stage")


def _block(x: Any, width: int, strides: int) -> Any:
    """A bottleneck of ResNeXt (Xie et al. 2017, figure 3(c))."""
    import keras

    shortcut = x
    if strides > 1 or x.shape[-1] != 2 * width:
        shortcut = _convolved(x, 2 * width, 1, strides=strides, is_last=True)
    x = _convolved(x, width, 1)
    x = _convolved(x, width, 3, strides=strides, groups=_GROUPS)
    x = _convolved(x, 2 * width, 1, is_last=True)
    return keras.layers.Activation("relu")(keras.layers.Add()([x, shortcut]))


def _convolved(x: Any, filters: int, size: int, *, strides: int = 1, groups: int = 1, is_last: bool = False) -> Any:
    import keras

    layer = keras.layers.Conv2D(filters, size, strides=strides, groups=groups, padding="same", use_bias=False)
    x = keras.layers.BatchNormalization()(layer(x))
    return x if is_last else keras.layers.Activation("relu")(x)


def targets(optimised: list[evidence.Findings]) -> list[evidence.Findings]:
    """What was asked, and whether it holds."""
    found = []
    for one in optimised:
        asked = ASKED.get(one["network"])
        if asked is None:
            continue
        what = f"{one['network']}, {one['pass']}, oneDNN {'on' if one['onednn'] else 'off'}"
        reached = one["whole"]["speedup"] if one["whole"] else None
        limit = asked[one["pass"]][one["onednn"]]
        found.append(evidence.target(f"{what}: times as fast", reached, limit, "×", at_least=True))
    fresh, stored = ([one["seconds"][place] for one in optimised if len(one["seconds"]) > 1] for place in (0, 1))
    return [
        *found,
        evidence.target("longest optimisation", max(fresh, default=None), FRESH_S, "s"),
        evidence.target("longest optimisation from stored runs", max(stored, default=None), STORED_S, "s"),
    ]


if __name__ == "__main__":
    main()
