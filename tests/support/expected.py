"""What a class refuses: tests of real layers assert that it does, by the entry of the known refusals, and why."""

import functools
import json
import os
from pathlib import Path

import pytest
from classes import ISA

from grouped_bench import variants
from grouped_bench.analyse.reasons.reasons import matching
from grouped_bench.measure.attempt import reason_of

# What the processor has decides what oneDNN can compute; elsewhere than on Linux nothing is known of it.
_CPUINFO = Path("/proc/cpuinfo")
_FLAGS = set(_CPUINFO.read_text().split()) if _CPUINFO.exists() else set()
HAS_BFLOAT16 = bool({"avx512f", "avx_ne_convert"} & _FLAGS)
HAS_FLOAT16 = bool({"avx512_fp16", "amx_fp16", "avx_ne_convert"} & _FLAGS)
# Instruction sets in which oneDNN computes neither.
_WIDE_ONLY = ("SSE41", "AVX", "AVX2", "AVX2_VNNI")

GRADIENT, FIRST, GROUPED_3D = "tensorflow_grouped_gradient", "tensorflow_channels_first", "tensorflow_grouped_3d"
# TensorFlow hands oneDNN what the processor has, and oneDNN is held to less: of a matrix product the process dies.
HELD = "tensorflow_onednn_isa"
# Of more than one group the framework's own operation, which oneDNN alone has gradients of.
NATIVE = ("grouped_native", "channel_shuffle", "stacked_planes", "resnext_native")
# These hand no convolution of the case's own layout to TensorFlow.
_MATMULS = ("batched_matmul", "shifted_matmul")
_IN_ANY_LAYOUT = (*_MATMULS, "stacked_planes", "depthwise_separable")


def refusal(name, case, backend, execution):  # noqa: PLR0911  (a rule each)
    """The known refusal that the variant `name` meets in this process; None where it computes."""
    if backend.name != "tensorflow" or execution == "xla":
        return None
    onednn, groups = backend.facts()["onednn"], case.cardinality if case.scope == "block" else case.groups
    first, native = case.data_format == "channels_first", name in NATIVE and groups > 1
    # Keras compiles its own grouped layers by XLA, which has all of them.
    if name == "grouped" and groups > 1:
        return None
    bound = name not in _IN_ANY_LAYOUT
    grouped_3d = case.rank == 3 and groups > 1
    if first and bound and grouped_3d and not onednn:
        return f"{FIRST}_grouped_3d"  # whose remedy is true of every variant: a record does not tell how one computes
    if native and grouped_3d and name != "stacked_planes":
        return GROUPED_3D
    if onednn and case.compute_dtype == "bfloat16" and HAS_BFLOAT16 and not _computes("bfloat16"):
        return HELD
    if first and bound and case.compute_dtype == "float16" and not (onednn and _computes("float16")):
        return f"{FIRST}_dtype"
    if first and bound and not onednn:
        return FIRST
    return _gradient(case.compute_dtype, onednn) if native and case.pass_ == "training" else None


def _gradient(dtype, onednn):
    """The refusal of a grouped gradient of `dtype`; None where oneDNN has it."""
    if dtype == "float32":
        return None if onednn else GRADIENT
    if dtype == "bfloat16" and not onednn:
        return f"{GRADIENT}_bfloat16_off"
    return None if onednn and _computes(dtype) else f"{GRADIENT}_{dtype}"


def _computes(dtype):
    """Whether oneDNN computes in a short `dtype` here."""
    return {"bfloat16": HAS_BFLOAT16, "float16": HAS_FLOAT16}[dtype] and os.environ.get(ISA) not in _WIDE_ONLY


def unless_refused(call, name, case, backend, execution=None):
    """What `call` returns; None where this class must refuse the variant `name`, which is asserted."""
    entry = refusal(name, case, backend, execution or backend.executions[0])
    if entry is None:
        return call()
    if entry == HELD and name in _MATMULS:
        pytest.skip("oneDNN, held to an instruction set without bfloat16, would end this process")
    with pytest.raises(Exception) as caught:
        call()
    assert backend.status_of(caught.value) == ("error" if entry == HELD else "unsupported"), caught.value
    reason, columns = reason_of(caught.value), {**case.to_columns(), "computes": variants.get(name).computes}
    met = matching(reason, {**columns, "backend": backend.name, "in_force": _in_force()})
    assert [one.name for one in met] == [entry], reason
    return None


@functools.cache
def _in_force():
    from grouped_bench import backends

    return json.dumps({"onednn": backends.get("tensorflow").facts()["onednn"]})
