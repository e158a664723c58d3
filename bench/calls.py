"""What a call costs before it computes anything: a step that returns one number as it is, on every backend.

Such a cost is in every latency, once. Inside a network it is paid once a call of the network, not once a layer.

python bench/calls.py --save
"""

import json
import subprocess
import sys

import evidence
import numpy as np
from truth import median_of_visits

from grouped_bench import backends

VISITS = 7


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--of", nargs=2, metavar=("BACKEND", "EXECUTION"), help="measure one, in this process")
    given = evidence.parse(parser)
    if given.of:
        print(json.dumps(seconds(*given.of)))
        return
    found = []
    for backend in backends.names():
        for execution in backends.get(backend).executions:
            command = [sys.executable, __file__, "--of", backend, execution]
            told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            cost = float(told.stdout.splitlines()[-1])
            print(f"{backend} {execution}: {evidence.shown(cost, 's')}")
            found.append({"backend": backend, "execution": execution, "call_s": cost})
    evidence.conclude("calls", {"calls": found, "targets": []}, given)


def seconds(name: str, execution: str) -> float:
    """Seconds of an empty step."""
    backend = backends.load(name)
    import keras

    with backend.on("cpu"):
        step = backend.step(keras.layers.Identity(), backend.array(np.ones((1, 1)), "float32"), None, execution)
        return median_of_visits(step, VISITS, backend.synchroniser("cpu"))


if __name__ == "__main__":
    main()
