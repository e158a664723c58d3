"""What a framework's own forms are called in a sentence."""

from grouped_bench.store.schema import Task

_KERAS = {
    "regular": "Keras' dense layer",
    "grouped": "Keras' groups=",
    "depthwise_sum": "Keras' depthwise layer",
    "resnext_grouped": "the block with Keras' groups=",
}
_TORCH = {"regular": "torch.nn's dense layer", "grouped": "torch.nn's groups="}


def own_form(variant: str, layout: str | None) -> str:
    """The variant as a framework has it, in words; its name where it is no form of a framework's own."""
    return (_TORCH if layout else _KERAS).get(variant, variant)


def own_form_of(row: Task, variant: str | None = None) -> str:
    """The form of a row in words, or another variant where that was measured."""
    return own_form(variant or row.variant, row.layout)
