"""Keras layers to paste: what each exact variant computes, as code that stands alone."""

from importlib import resources
from typing import Any

import jinja2

from grouped_bench.space.case import DTYPE_BYTES, MIXED_PREFIX, Case
from grouped_bench.space.choices import DEPTHWISE, MERGED, NATIVE, Composition, Form, merged_groups

_NAMES = {
    "grouped_native": "NativeGroupedConv",
    "split_concat": "SplitConcatConv",
    "split_sum": "SplitSumConv",
    "block_diagonal": "BlockDiagonalConv",
    "batched_matmul": "BatchedMatmulConv",
    "shifted_matmul": "ShiftedMatmulConv",
    "merged_groups": "MergedGroupsConv",
    "depthwise_sum": "DepthwiseSumConv",
    "composed": "ComposedConv",
}
_BACKENDS = ("tensorflow", "jax", "torch")
_PADDINGS = ("same", "valid", "causal")
_FORMATS = ("channels_last", "channels_first")
_ENDING = ".py.jinja"
# Keras has TensorFlow compile a model by XLA where there is a GPU, and JAX everywhere, unless told not to.
_COMPILED = {
    ("tensorflow", "graph"): "jit_compile=False",
    ("tensorflow", "xla"): "jit_compile=True",
    ("tensorflow", "eager"): "run_eagerly=True",
    ("torch", "eager"): "jit_compile=False",
    ("torch", "compile"): "jit_compile=True",
    ("jax", "eager"): "run_eagerly=True",
}


def snippet(variant: str, case: Case, backend: str, execution: str, choice: str | None = None) -> str | None:
    """Python code that ends in `layer = …`, the case by `variant`; None for a variant that has none to paste.

    `choice` is what a run chose for a variant that leaves something open; the likeliest unless given.
    """
    # Records from elsewhere may hold any text, and this one is to be run.
    if backend not in _BACKENDS or _unknown(case):
        return None
    try:
        chosen = _chosen(variant, case, choice, backend)
    except ValueError:
        return None
    names = {name.removesuffix(_ENDING) for name in _environment().list_templates() if name.endswith(_ENDING)}
    found = next((name for name in (variant, f"{variant}.{backend}") if name in names), None)
    if found is None or "." in variant or (variant == DEPTHWISE and case.rank == 3):  # of which Keras has none
        return None
    spatial = "DHW"[3 - case.rank :]
    last = case.data_format == "channels_last"
    return _environment().get_template(f"{found}{_ENDING}").render(
        name=f"{_NAMES.get(variant, 'Conv')}{case.rank}D",
        notes=_notes(backend, execution, chosen, choice),
        arguments=_arguments(variant, case),
        told=f"padding {case.padding} and {case.data_format}",
        rank=case.rank,
        padding=case.padding,
        data_format=case.data_format,
        last=last,
        axis=-1 if last else 1,
        spatial=spatial,
        layout=f"N{spatial}C" if last else f"NC{spatial}",
        backend=backend,
        **chosen,
    )  # fmt: skip


def _chosen(variant: str, case: Case, choice: str | None, backend: str) -> dict[str, Any]:
    """What the variant's template writes down of its choice. Raises ValueError where it cannot be of this case."""
    if variant == MERGED:
        return {"merged": merged_groups(choice, case)}
    return _composed(Composition.of(choice, case), case, backend) if variant == "composed" else {}


def _composed(found: Composition, case: Case, backend: str) -> dict[str, Any]:
    """The forms that a composition is written with, each once, and which of them each part is."""
    if any(form.compiled for form in found.forms) and backend != "tensorflow":
        raise ValueError(f"{backend} compiles no part of a step")
    if case.rank == 3 and any(form.variant == DEPTHWISE for form in found.forms):
        raise ValueError("Keras has no depthwise convolution of three spatial axes")
    used = found.forms if case.pass_ == "training" else (found.forward,)
    parts = [_part(form, case) for form in used]
    one = parts[:1] if len(set(used)) == 1 else parts
    plain = {part["name"]: part for part in parts}
    native = any(form.variant == NATIVE for form in used)
    return {
        "parts": one,
        "forms": list(plain.values()),
        "needs_framework": len(one) > 1 or native or any(form.compiled for form in used),
    }


def _part(form: Form, case: Case) -> dict[str, Any]:
    merged = merged_groups(form.choice, case) if form.variant == MERGED else None
    name = f"{form.variant}_{merged}" if merged else form.variant
    return {"name": name, "variant": form.variant, "merged": merged, "compiled": form.compiled}


def _unknown(case: Case) -> bool:
    dtypes = {*DTYPE_BYTES, *(MIXED_PREFIX + dtype for dtype in DTYPE_BYTES)}
    known = case.padding in _PADDINGS and case.data_format in _FORMATS and case.dtype in dtypes
    return not known or case.scope != "layer" or case.problem() is not None


def _notes(backend: str, execution: str, chosen: dict[str, Any], choice: str | None) -> list[str]:
    notes = [] if backend == "tensorflow" else [f"With KERAS_BACKEND={backend}."]
    if chosen and choice is None:
        notes.append("The choice is a guess: `grouped-bench advise --measure` searches it.")
    how = _COMPILED.get((backend, execution))
    return [*notes, f"Measured in execution {execution}: model.compile(…, {how})."] if how else notes


def _arguments(variant: str, case: Case) -> str:
    """What the constructor is given, without what it takes by itself."""
    given: dict[str, Any] = {
        "groups": case.groups if variant != "regular" else 1,
        "strides": case.stride,
        "dilation_rate": case.dilation,
        "padding": case.padding,
        "data_format": case.data_format,
        "use_bias": case.bias,
        "dtype": case.dtype,
    }
    ones = (1,) * case.rank
    usual = {"groups": 1, "strides": ones, "dilation_rate": ones, "use_bias": True, "dtype": "float32"}
    if variant.startswith("split"):
        usual.pop("groups")
    told = [f"{name}={value!r}" for name, value in given.items() if usual.get(name) != value]
    return ",\n    ".join([str(case.out_channels), str(case.kernel_size), *told]).replace("'", '"')


def _environment() -> jinja2.Environment:
    folder = str(resources.files("grouped_bench.report.advice") / "templates")
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
