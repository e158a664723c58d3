"""What variants leave open, as the text of the column `choice`: `m=4`, or a form for each part of a composition."""

import dataclasses
import math
import re

from grouped_bench.space.case import Case
from grouped_bench.units import counted

# Channels of a block at which processors tend to be fastest: the search begins there. Beyond the widest no kernel
# gains by more channels what m times the arithmetic costs.
_LIKELIEST_WIDTH, _WIDEST = 16, 128
# A graph of more convolutions takes longer to trace and to compile than any search may.
MOST_BLOCKS = 64
MERGED, NATIVE, DEPTHWISE, BATCHED, SHIFTED = (
    *("merged_groups", "grouped_native", "depthwise_sum"),
    *("batched_matmul", "shifted_matmul"),
)
# A depthwise convolution of more channels a group writes so many outputs to add up that no processor gains by it.
_WIDEST_DEPTHWISE = 8
_MOST_MERGES = 4
FORWARD, INPUT, KERNEL = "forward", "input", "kernel"
_FORM = re.compile(r"([a-z_]+)(?:\((m=[1-9]\d{0,8})\))?(\+xla)?")
_PART = re.compile(rf"({FORWARD}|{INPUT}|{KERNEL})=(\S+)")


def merges(case: Case) -> tuple[str, ...]:
    """Numbers of groups that are worth a trial as one block, the likeliest first: `m=4`, `m=2`, ….

    m = 1 is among them unless it would make more than MOST_BLOCKS blocks.
    """
    width = max(case.in_channels, case.out_channels) // case.groups
    divisors = [m for m in range(1, case.groups + 1) if case.groups % m == 0]
    sensible = [m for m in divisors if m == 1 or m * width <= _WIDEST]
    few = [m for m in sensible if case.groups // m <= MOST_BLOCKS] or sensible[-1:]
    return tuple(f"m={m}" for m in sorted(few, key=lambda m: abs(math.log2(m * width / _LIKELIEST_WIDTH))))


def merged_groups(choice: str | None, case: Case) -> int:
    """The number in `m=4`; the likeliest without a choice. Raises ValueError where it does not divide the groups."""
    text = choice or merges(case)[0]
    found = re.fullmatch(r"m=([1-9]\d{0,8})", text)
    if found is None or case.groups % int(found[1]):
        raise ValueError(f"blocks of {counted(case.groups, 'group')} cannot have {text}")
    return int(found[1])


def is_narrow(case: Case) -> bool:
    """Whether groups have so few channels that to convolve each alone may be worth a trial."""
    return case.in_channels // case.groups <= _WIDEST_DEPTHWISE


def is_worth_a_trial(variant: str, case: Case) -> bool:
    """Whether a variant may be the fastest: a depthwise convolution of wide groups never is."""
    return variant != DEPTHWISE or is_narrow(case)


@dataclasses.dataclass(frozen=True)
class Form:
    """How a part of a composition is computed: a variant of one kernel, its own choice, and whether XLA compiles it."""

    variant: str
    choice: str | None = None
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.variant}{f'({self.choice})' if self.choice else ''}{'+xla' if self.compiled else ''}"

    @classmethod
    def of(cls, text: str, case: Case) -> "Form":
        """The form that is written `merged_groups(m=4)` or `batched_matmul+xla`. Raises ValueError for another."""
        found = _FORM.fullmatch(text)
        if found is None or found[1] not in _FORMS or (found[1] == MERGED) != (found[2] is not None):
            raise ValueError(f"a composition has no form {text}")
        if found[2]:
            merged_groups(found[2], case)
        return cls(found[1], found[2], found[3] is not None)


@dataclasses.dataclass(frozen=True)
class Composition:
    """The form of the forward pass, and that of the gradient of the input and of the kernel."""

    forward: Form
    input: Form
    kernel: Form

    def __str__(self) -> str:
        return f"{FORWARD}={self.forward} {INPUT}={self.input} {KERNEL}={self.kernel}"

    @property
    def forms(self) -> tuple[Form, Form, Form]:
        """All three."""
        return self.forward, self.input, self.kernel

    @classmethod
    def of(cls, choice: str | None, case: Case) -> "Composition":
        """What `str` wrote; gradients that it leaves out are those of the forward pass. Raises ValueError."""
        if choice is None:
            return cls(*[Form(MERGED, merges(case)[0])] * 3)
        parts = [_PART.fullmatch(part) for part in choice.split(" ")]
        named = {part[1]: part[2] for part in parts if part}
        if len(named) != len(parts) or list(named) not in ([FORWARD], [FORWARD, INPUT, KERNEL]):
            raise ValueError(f"no composition is written {choice}")
        forms = [Form.of(text, case) for text in named.values()]
        return cls(*(forms * 3)[:3])


def forms(case: Case) -> tuple[Form, ...]:
    """The forms that are worth a trial for a part of a composition, the likeliest first."""
    every = merges(case)
    few = [*every[:_MOST_MERGES], *(one for one in every[_MOST_MERGES:] if one == "m=1")]
    merged = [Form(MERGED, choice) for choice in few]
    compiled = [dataclasses.replace(form, compiled=True) for form in (*merged[:2], Form(BATCHED))]
    depthwise = [Form(DEPTHWISE)] if is_narrow(case) else []
    return (Form(NATIVE), *merged, Form(BATCHED), *depthwise, *compiled, Form(SHIFTED))


_FORMS = (MERGED, NATIVE, DEPTHWISE, BATCHED, SHIFTED)
