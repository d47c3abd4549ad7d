"""DLC files from the inside: read, tabulated and compared without Qualcomm's tools."""

from __future__ import annotations

from .diff import Difference, DlcDiff, compare
from .info import DlcInfo, InfoRow, tabulate
from .model import (
    DlcFile,
    DlcGraph,
    DlcNode,
    DlcTensor,
    Encoding,
    PerAxisEncoding,
    PerTensorEncoding,
    UnreadEncoding,
)
from .reader import read_dlc

__all__ = [
    "Difference",
    "DlcDiff",
    "DlcFile",
    "DlcGraph",
    "DlcInfo",
    "DlcNode",
    "DlcTensor",
    "Encoding",
    "InfoRow",
    "PerAxisEncoding",
    "PerTensorEncoding",
    "UnreadEncoding",
    "compare",
    "read_dlc",
    "tabulate",
]
