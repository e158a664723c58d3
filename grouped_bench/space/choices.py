"""What variants leave open, as the text of the column `choice`: `m=4`."""

import math
import re

from grouped_bench.space.case import Case

# Channels of a block at which processors tend to be fastest: the search begins there. Beyond the widest no kernel
# gains by more channels what m times the arithmetic costs.
_LIKELIEST_WIDTH, _WIDEST = 16, 128
# A graph of more convolutions takes longer to trace and to compile than any search may.
MOST_BLOCKS = 64


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
        raise ValueError(f"blocks of {case.groups} groups cannot have {text}")
    return int(found[1])
