"""Layers of Keras or PyTorch to paste: the source of what was measured, and the call that makes the layer of a case."""

from grouped_bench import variants
from grouped_bench.space.case import DTYPE_BYTES, MIXED_PREFIX, Case
from grouped_bench.variants.base import Printed

_PADDINGS = ("same", "valid", "causal")
_FORMATS = ("channels_last", "channels_first")
_RANKS = (1, 2, 3)
# Keras has TensorFlow compile a model by XLA where there is a GPU, and JAX everywhere, unless told not to.
_COMPILED = {
    ("tensorflow", "graph"): "jit_compile=False",
    ("tensorflow", "xla"): "jit_compile=True",
    ("tensorflow", "eager"): "run_eagerly=True",
    ("torch", "eager"): "jit_compile=False",
    ("torch", "compile"): "jit_compile=True",
    ("jax", "eager"): "run_eagerly=True",
}


def snippet(
    variant: str, case: Case, backend: str, execution: str, choice: str | None = None, *, layout: str | None = None
) -> str | None:
    """Python code that ends in `layer = …`, the case by `variant`; None for a variant that has none to paste.

    Args:
        variant, backend, execution: names, as a record has them.
        case: what the layer computes.
        choice: what a run chose for a variant that leaves something open; the likeliest unless given.
        layout: memory format of a module of PyTorch's own; None for a layer of Keras.
    """
    if layout is not None:
        module = None if _unknown(case) else variants.printed_module(variant, case, layout)
        return None if module is None else "".join(f"# {note}\n" for note in _torch_notes(execution, layout)) + module
    found = printed(variant, case, backend, choice)
    if found is None:
        return None
    told = _notes(backend, execution, is_a_guess=is_a_guess(variant, case, choice))
    return "".join(f"# {note}\n" for note in told) + found.text()


def _torch_notes(execution: str, layout: str) -> list[str]:
    notes = ["Measured through torch.compile(layer)."] if execution == "compile" else []
    return [*notes, *(["Its input lies in the same memory format."] if layout == "channels_last" else [])]


def printed(variant: str, case: Case, backend: str, choice: str | None = None) -> Printed | None:
    """The layer as it can be printed, with arguments as `snippet` takes them; None where there is none."""
    # Records from elsewhere may hold any text, and this one is to be run.
    return None if _unknown(case) else variants.printed(variant, case, backend, choice)


def is_a_guess(variant: str, case: Case, choice: str | None) -> bool:
    """Whether the variant leaves something open that nothing has chosen."""
    return choice is None and bool(variants.get(variant).choices(case))


def _unknown(case: Case) -> bool:
    dtypes = {*DTYPE_BYTES, *(MIXED_PREFIX + dtype for dtype in DTYPE_BYTES)}
    known = case.padding in _PADDINGS and case.data_format in _FORMATS and case.dtype in dtypes and case.rank in _RANKS
    return not known or case.scope != "layer" or case.problem() is not None


def _notes(backend: str, execution: str, *, is_a_guess: bool) -> list[str]:
    notes = [] if backend == "tensorflow" else [f"With KERAS_BACKEND={backend}."]
    if is_a_guess:
        notes.append("The choice is a guess: `grouped-bench advise --measure` searches it.")
    how = compiled_by(backend, execution)
    return [*notes, f"Measured in execution {execution}: model.compile(…, {how})."] if how else notes


def compiled_by(backend: str, execution: str) -> str | None:
    """The argument of `model.compile` for the execution; None where Keras' own choice is that."""
    return _COMPILED.get((backend, execution))
