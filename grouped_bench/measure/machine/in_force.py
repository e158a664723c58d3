"""What this process really uses, according to its libraries, rather than what was asked for."""

import os
import re
import tempfile
from pathlib import Path

from grouped_bench.backends.base import Backend
from grouped_bench.measure.attempt import attempt
from grouped_bench.measure.explain.printed import flush, printed
from grouped_bench.space.facts import Json

# What limits or steers the kernels without showing in a library's answer.
STEERING = (
    *("XLA_FLAGS", "TF_XLA_FLAGS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("ATEN_CPU_CAPABILITY", "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS", "TF_USE_CUSTOM_CONTRACTION_KERNEL"),
)
# oneDNN's verbose log begins with the instruction set that it dispatches to.
_ISA = re.compile(r"^onednn_verbose,(?:v1,)?info,cpu,isa:(.*)$", re.MULTILINE)


def in_force(backend: Backend) -> Json:
    """What `Backend.in_force` returns, oneDNN's instruction set (`onednn_isa`), and the flags that were accepted.

    `onednn_isa` is None where nothing was computed by oneDNN. To be asked in a process that has computed nothing yet:
    the libraries read what they are to log when they start.
    """
    flags = {name: os.environ[name] for name in STEERING if os.environ.get(name)}
    with tempfile.TemporaryDirectory() as folder, printed() as log_file:
        os.environ["ONEDNN_VERBOSE"] = "1"
        answer = attempt(backend, lambda: backend.in_force(Path(folder)))
        flush()
        log_file.seek(0)
        log = log_file.read().decode(errors="replace")
    if "status" in answer:
        return answer
    isa = _ISA.search(log)
    return {**answer, "onednn_isa": isa[1].strip() if isa else None, "flags": flags}
