"""The data types that a DLC names by number, as snpe-dlc-info prints them and as numpy has them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

# The second byte of a code is the family, the first the width in bits, its hexadecimal digits
# read as decimal ones: 0x0332 is a signed fixed-point number of 32 bits.
_FAMILIES: Final = {
    0x00: "Int",
    0x01: "Uint",
    0x02: "Float",
    0x03: "sFxp",
    0x04: "uFxp",
    0x05: "Bool",
    0x06: "String",
}
_NUMPY: Final[dict[str, dict[int, str]]] = {
    "Int": {8: "<i1", 16: "<i2", 32: "<i4", 64: "<i8"},
    "Uint": {8: "<u1", 16: "<u2", 32: "<u4", 64: "<u8"},
    "Float": {16: "<f2", 32: "<f4", 64: "<f8"},
    "sFxp": {4: "<i1", 8: "<i1", 16: "<i2", 32: "<i4"},
    "uFxp": {4: "<u1", 8: "<u1", 16: "<u2", 32: "<u4"},
    "Bool": {8: "?"},
}
UNDEFINED: Final = 0x7FFFFFFF


def dtype_name(code: int) -> str:
    """Return the name of a data type, for instance uFxp_8; Undefined or Unknown_0x... else."""
    if code == UNDEFINED:
        return "Undefined"
    family = _FAMILIES.get(code >> 8)
    bits = code_bitwidth(code)
    if family is None or not bits:
        return f"Unknown_{code:#06x}"
    return f"{family}_{bits}"


def code_bitwidth(code: int) -> int:
    """Return the width in bits of a code, 0 where its last byte is not one."""
    digits = f"{code & 0xFF:x}"
    return int(digits) if digits.isdecimal() else 0


def dtype_bitwidth(name: str) -> int:
    """Return the width in bits that a name ends with, 0 where it has none."""
    _, _, digits = name.rpartition("_")
    return int(digits) if len(digits) <= 2 and digits.isdecimal() else 0


def numpy_dtype(name: str) -> np.dtype[Any] | None:
    """Return the little-endian numpy type of the stored values; None where numpy has none.

    Four-bit values are read one a byte; packed ones do not fit their shape and are refused.
    """
    family, _, _ = name.rpartition("_")
    widths = _NUMPY.get(family, {})
    code = widths.get(dtype_bitwidth(name))
    return None if code is None else np.dtype(code)
