"""What oneDNN ran, from its verbose log, which has a line for each primitive."""

import dataclasses
from collections.abc import Iterator

# Of oneDNN 3: marker, version of the log, "primitive", "exec", engine, kind, implementation, propagation, memory
# descriptors, attributes, auxiliary, problem, milliseconds (oneDNN's developer guide, "Verbose Mode").
_START = "onednn_verbose,v1,primitive,exec,"
_FIELDS = 13
_NO_PROPAGATION = "undef"


@dataclasses.dataclass(frozen=True)
class Primitive:
    """One execution of a primitive.

    Attributes:
        kind: `convolution`, `reorder`, `matmul`, …
        implementation: the kernel's name, such as `jit:avx512_core`; `ref:any` is the unoptimised one.
        propagation: `forward_training`, `backward_data`, `backward_weights`, …; empty where there is none.
        formats: what is read and written, each with data type and layout, as in the log.
        algorithm: `convolution_direct`, …; empty where there is none.
        problem: the shape, as in the log.
        seconds: from its start to its end.
    """

    kind: str
    implementation: str
    propagation: str
    formats: str
    algorithm: str
    problem: str
    seconds: float


def parse(log: str) -> list[Primitive]:
    """The primitives in the order of the log; whatever else stands in it, or was cut, is passed over."""
    return list(filter(None, map(_primitive, _lines(log))))


def _lines(log: str) -> Iterator[str]:
    """What follows each marker: other output may stand before it on its line."""
    for line in log.splitlines():
        _, found, rest = line.partition(_START)
        if found:
            yield found + rest


def _primitive(line: str) -> Primitive | None:
    fields = line.split(",")
    if len(fields) < _FIELDS:
        return None
    kind, implementation, propagation, formats = fields[5:9]
    auxiliary, problem, milliseconds = fields[-3:]
    try:
        seconds = float(milliseconds) / 1e3
    except ValueError:
        return None
    return Primitive(
        kind=kind,
        implementation=implementation,
        propagation="" if propagation == _NO_PROPAGATION else propagation,
        formats=formats,
        algorithm=auxiliary.removeprefix("alg:"),
        problem=problem,
        seconds=seconds,
    )
