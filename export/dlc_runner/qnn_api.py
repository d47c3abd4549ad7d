"""Qualcomm's QNN libraries called through ctypes: the structs and functions that run a DLC.

The layouts are those of core API 2.40 and system API 1.15. One of these structs is passed by value
and its size is the version's, so that every other version is refused before any call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_float, c_int32, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

from ...errors import NotRunError, ToolError

CORE_API = (2, 40)
SYSTEM_API = (1, 15)
CORE_FUNCTIONS = 75

UFIXED_POINT_8 = 0x0408
TENSOR_VERSION = 2
MEMORY_RAW = 0
GRAPH_INFO_VERSION = 1
LOG_ERRORS = 1

DEVICE_SOC = 0
"""Device setting: the number of the chip, which decides the Hexagon version."""
GRAPH_OPTIMIZATION = 1
OPTIMIZATION_FINALIZE = 3
"""Graph setting and its kind: how hard the compiler tries, as onnxruntime-qnn sets it."""


class Version(ctypes.Structure):
    """Qnn_Version_t."""

    _fields_ = (("major", c_uint32), ("minor", c_uint32), ("patch", c_uint32))


class Interface(ctypes.Structure):
    """QnnInterface_t, 640 bytes: what a backend library offers."""

    _fields_ = (
        ("backend_id", c_uint32),
        ("name", c_char_p),
        ("core", Version),
        ("backend", Version),
        ("functions", c_void_p * CORE_FUNCTIONS),
    )


class SystemInterface(ctypes.Structure):
    """QnnSystemInterface_t as far as the last function used here."""

    _fields_ = (
        ("backend_id", c_uint32),
        ("name", c_char_p),
        ("version", Version),
        ("functions", c_void_p * 13),
    )


class Config(ctypes.Structure):
    """QnnDevice_Config_t and QnnGraph_Config_t; option 0 points at a backend's own setting."""

    _fields_ = (("option", c_uint32), ("custom", c_void_p))


class _SocValue(ctypes.Union):
    # The pointer is never set: it is the member that makes the value begin at byte 8.
    _fields_ = (("soc_model", c_uint32), ("extension", c_void_p))


class DeviceSetting(ctypes.Structure):
    """QnnHtpDevice_CustomConfig_t."""

    _fields_ = (("option", c_uint32), ("value", _SocValue))


class GraphSetting(ctypes.Structure):
    """QnnHtpGraph_CustomConfig_t for an optimisation; the padding covers its longest member."""

    _fields_ = (
        ("option", c_uint32),
        ("_gap", c_uint32),
        ("kind", c_uint32),
        ("value", c_float),
        ("_rest", c_uint64 * 6),
    )


class Quantization(ctypes.Structure):
    """Qnn_QuantizeParams_t, 40 bytes, read as one scale and offset for the whole tensor."""

    _fields_ = (
        ("definition", c_uint32),
        ("encoding", c_uint32),
        ("scale", c_float),
        ("offset", c_int32),
        ("_rest", c_uint64 * 3),
    )


class Tensor(ctypes.Structure):
    """Qnn_Tensor_t of version 2, 144 bytes."""

    _fields_ = (
        ("version", c_uint32),
        ("_gap", c_uint32),
        ("id", c_uint32),
        ("name", c_char_p),
        ("type", c_uint32),
        ("format", c_uint32),
        ("dtype", c_uint32),
        ("quantization", Quantization),
        ("rank", c_uint32),
        ("dimensions", POINTER(c_uint32)),
        ("memory", c_uint32),
        ("data", c_void_p),
        ("size", c_uint32),
        ("_rest", c_uint64 * 3),
    )


class GraphInfo(ctypes.Structure):
    """QnnSystemContext_GraphInfo_t as far as its version 1 goes."""

    _fields_ = (
        ("version", c_uint32),
        ("name", c_char_p),
        ("input_count", c_uint32),
        ("inputs", POINTER(Tensor)),
        ("output_count", c_uint32),
        ("outputs", POINTER(Tensor)),
    )


_OUT = POINTER(c_void_p)
_CORE: dict[str, tuple[int, tuple[Any, ...]]] = {
    "backendCreate": (1, (c_void_p, c_void_p, _OUT)),
    "backendFree": (8, (c_void_p,)),
    "contextCreate": (9, (c_void_p, c_void_p, c_void_p, _OUT)),
    "contextFree": (14, (c_void_p, c_void_p)),
    "graphSetConfig": (17, (c_void_p, c_void_p)),
    "graphFinalize": (19, (c_void_p, c_void_p, c_void_p)),
    "graphRetrieve": (20, (c_void_p, c_char_p, _OUT)),
    "graphExecute": (
        21,
        (c_void_p, POINTER(Tensor), c_uint32, POINTER(Tensor), c_uint32, c_void_p, c_void_p),
    ),
    "logCreate": (25, (c_void_p, c_uint32, _OUT)),
    "logFree": (27, (c_void_p,)),
    "deviceCreate": (40, (c_void_p, c_void_p, _OUT)),
    "deviceFree": (43, (c_void_p,)),
    "errorGetMessage": (48, (c_uint64, POINTER(c_char_p))),
}
_SYSTEM: dict[str, tuple[int, tuple[Any, ...]]] = {
    "dlcCreateFromFile": (8, (c_void_p, c_char_p, _OUT)),
    "dlcComposeGraphs": (
        10,
        (
            *(c_void_p, c_void_p, c_uint32, c_void_p, c_void_p, Interface, c_uint32),
            *(POINTER(POINTER(GraphInfo)), POINTER(c_uint32)),
        ),
    ),
    "dlcFree": (12, (c_void_p,)),
}


class QnnApi:
    """The functions of libQnnHtp and libQnnSystem by name; each raises ToolError where QNN fails.

    Raises ToolError where a library is missing or of another version.
    """

    def __init__(self, folder: Path) -> None:
        core = _providers(folder / "libQnnHtp.so", "QnnInterface_getProviders", Interface)
        self.interface: Interface = core[0]
        check_version("QNN API", self.interface.core, CORE_API)
        system = _providers(
            folder / "libQnnSystem.so", "QnnSystemInterface_getProviders", SystemInterface
        )
        check_version("QNN system API", system[0].version, SYSTEM_API)
        self._addresses = {n: self.interface.functions[i] for n, (i, _) in _CORE.items()}
        self._addresses |= {n: system[0].functions[i] for n, (i, _) in _SYSTEM.items()}
        self._arguments = {n: types for n, (_, types) in (_CORE | _SYSTEM).items()}

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function; ToolError with QNN's own words where it does not return 0."""
        code = self._call(name, *arguments)
        if code != 0:
            text = c_char_p()
            known = self._call("errorGetMessage", code, ctypes.byref(text)) == 0 and text.value
            reason = known.decode(errors="replace") if known else "no message"
            raise ToolError(f"QNN's {name} failed with error {code:#x}: {reason}")

    def create(self, name: str, *arguments: Any) -> c_void_p:
        """Call a function whose last parameter receives a handle, and return the handle."""
        handle = c_void_p()
        self.call(name, *arguments, ctypes.byref(handle))
        return handle

    @contextmanager
    def handle(
        self, create: str, free: str, *arguments: Any, rest: tuple[Any, ...] = ()
    ) -> Iterator[c_void_p]:
        """Hold a handle; rest: arguments of the freeing function after the handle itself."""
        made = self.create(create, *arguments)
        try:
            yield made
        finally:
            self.call(free, made, *rest)

    def _call(self, name: str, *arguments: Any) -> int:
        address = self._addresses[name]
        if not address:
            raise ToolError(f"the QNN libraries lack {name}")
        function = ctypes.CFUNCTYPE(c_uint64, *self._arguments[name])(address)
        return int(function(*arguments))


def null_terminated(setting: ctypes.Structure) -> Any:
    """Return a NULL-terminated array of one configuration; ctypes keeps what it points at alive."""
    config = Config(option=0, custom=ctypes.cast(ctypes.pointer(setting), ctypes.c_void_p))
    configs = (ctypes.POINTER(Config) * 2)()
    configs[0] = ctypes.pointer(config)
    return configs


def check_version(what: str, found: Version, known: tuple[int, int]) -> None:
    """Raise ToolError where a library's version is not the one whose layouts are known."""
    if (found.major, found.minor) != known:
        raise NotRunError(f"not run: unknown {what} {found.major}.{found.minor}")


def _providers(path: Path, function: str, kind: type[Any]) -> list[Any]:
    if not path.is_file():
        raise NotRunError(f"not run: onnxruntime-qnn has no {path.name} on this machine")
    try:
        get_providers = getattr(ctypes.CDLL(str(path)), function)
    except (OSError, AttributeError) as error:
        raise NotRunError(f"not run: {path.name} cannot be loaded: {error}") from error
    get_providers.restype = c_uint64
    get_providers.argtypes = (c_void_p, c_void_p)
    found, count = POINTER(POINTER(kind))(), c_uint32()
    code = get_providers(ctypes.byref(found), ctypes.byref(count))
    if code != 0 or count.value == 0:
        raise NotRunError(f"not run: {path.name} offers no interface (error {code:#x})")
    return [found[i].contents for i in range(count.value)]
