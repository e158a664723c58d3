"""The clock rate of the memory modules, from the firmware's SMBIOS table."""

import struct
from collections.abc import Iterator
from pathlib import Path

_TABLE = Path("/sys/firmware/dmi/tables/DMI")
# DMTF DSP0134, 7.18: a structure of type 17 is a socket for a module. The speed that is set is a word in MT/s, 0 where
# unknown, and all ones where a double word further on holds it.
_MEMORY_DEVICE = 17
_SIZE, _CONFIGURED_SPEED, _EXTENDED_CONFIGURED_SPEED = 0x0C, 0x20, 0x58
_SEE_EXTENDED = 0xFFFF
_HEADER = 4
_END_OF_STRINGS = b"\0\0"


def memory_speed_mts() -> int | None:
    """Million transfers a second of the slowest module; None where unknown (only root may read the table)."""
    try:
        return slowest_module_mts(_TABLE.read_bytes())
    except OSError:
        return None


def slowest_module_mts(table: bytes) -> int | None:
    """The lowest configured speed in an SMBIOS table; None unless every socket that is filled reports its own."""
    speeds = [_speed(device) for device in _memory_devices(table) if _word(device, _SIZE)]
    return min(speeds) if speeds and 0 not in speeds else None


def _memory_devices(table: bytes) -> Iterator[bytes]:
    start = 0
    while start + _HEADER <= len(table) and table[start + 1] >= _HEADER:
        kind, length = table[start], table[start + 1]
        if kind == _MEMORY_DEVICE:
            yield table[start : start + length]
        end = table.find(_END_OF_STRINGS, start + length)
        start = end + len(_END_OF_STRINGS) if end >= 0 else len(table)


def _speed(device: bytes) -> int:
    speed = _word(device, _CONFIGURED_SPEED)
    if speed != _SEE_EXTENDED:
        return speed
    return _word(device, _EXTENDED_CONFIGURED_SPEED) | _word(device, _EXTENDED_CONFIGURED_SPEED + 2) << 16


def _word(device: bytes, offset: int) -> int:
    """The word at `offset`; 0 where the structure, of an older SMBIOS, ends before it."""
    return int(struct.unpack_from("<H", device, offset)[0]) if offset + 2 <= len(device) else 0
