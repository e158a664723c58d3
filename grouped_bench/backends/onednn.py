"""Whether TensorFlow uses oneDNN: where it turns it on by default, and whether it is on in this process."""

import os
import re
from pathlib import Path

from grouped_bench.space.variables import ONEDNN

# On Linux it is turned on where the processor has one of these, or is a Neoverse V1
# (tensorflow/core/util/port.cc, DefaultOneDnnPolicy).
TURN_IT_ON = ("avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16")
_NEOVERSE_V1 = re.compile(r"^CPU part\s*:\s*0xd40$", re.MULTILINE)
_FLAGS = re.compile(r"^flags\s*:\s*(.*)$", re.MULTILINE)
_CPUINFO = Path("/proc/cpuinfo")


def is_left_off() -> bool:
    """Whether it is off here for want of a processor that turns it on, rather than by anybody's choice."""
    return not os.environ.get(ONEDNN) and not _turns_it_on()


def will_be_on() -> bool:
    """Whether it will be on in a process that imports TensorFlow with the variables as they are."""
    asked = os.environ.get(ONEDNN, "").lower()
    return asked not in ("0", "false") if asked else _turns_it_on()


def is_on() -> bool:
    """Whether it is on in this process, which has imported TensorFlow."""
    # No public function says so; this is the one that TensorFlow's own tests ask.
    from tensorflow.python.util import _pywrap_util_port

    return bool(_pywrap_util_port.IsMklEnabled())


def _turns_it_on() -> bool:
    try:
        told = _CPUINFO.read_text()
    except OSError:
        return False
    flags = _FLAGS.search(told)
    return bool(_NEOVERSE_V1.search(told) or (flags and set(TURN_IT_ON) & set(flags[1].split())))
