"""Opening onnxruntime sessions on Qualcomm's QNN libraries: to run a graph, or to write its DLC.

Whoever calls this on a PC does so in a process of its own (see `htp`): the libraries print at C
level and may abort the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ToolError
from .targets import Target

if TYPE_CHECKING:
    import onnxruntime

PROVIDER = "QNNExecutionProvider"

FINALIZATION_MODE = 3
"""How hard the HTP's compiler tries, 0 to 3; what runs a DLC must ask for the same."""


def htp_options(target: Target | None) -> dict[str, str]:
    """Return the provider options that run a graph on a chip's Hexagon, best optimisation.

    target: None on a board, where QNN asks the chip itself.
    """
    import onnxruntime_qnn

    chip = {} if target is None else _chip_options(target)
    return {
        "backend_path": onnxruntime_qnn.get_qnn_htp_path(),
        **chip,
        "htp_graph_finalization_optimization_mode": str(FINALIZATION_MODE),
    }


def _chip_options(target: Target) -> dict[str, str]:
    return {"soc_model": str(target.soc_model), "htp_arch": str(target.arch)}


def dlc_options(folder: Path) -> dict[str, str]:
    """Return the provider options that write a DLC into an existing folder instead of running."""
    import onnxruntime_qnn

    library = Path(onnxruntime_qnn.get_library_path()).parent / "libQnnIr.so"
    return {
        "backend_path": onnxruntime_qnn.get_qnn_htp_path(),
        "dump_qnn_ir_dlc": "1",
        "dump_qnn_ir_dlc_dir": str(folder),
        "qnn_ir_backend_path": str(library),
    }


def offered_devices() -> list[onnxruntime.OrtEpDevice]:
    """Return the devices that onnxruntime-qnn offers; ImportError where it is not installed."""
    import onnxruntime
    import onnxruntime_qnn

    def known() -> list[onnxruntime.OrtEpDevice]:
        return [d for d in onnxruntime.get_ep_devices() if d.ep_name == PROVIDER]

    devices = known()
    if not devices:  # a second registration in the same process is an error
        library = onnxruntime_qnn.get_library_path()
        onnxruntime.register_execution_provider_library(PROVIDER, library)
        devices = known()
    return devices


def open_session(
    model: Path, options: dict[str, str], keys: Mapping[str, str] | None = None
) -> onnxruntime.InferenceSession:
    """Open a graph on QNN alone: where a node would fall back to the CPU this raises.

    keys: further session keys.
    Raises ToolError where the wheel finds no QNN device; onnxruntime's errors pass through.
    """
    import onnxruntime

    devices = offered_devices()
    if not devices:
        raise ToolError("onnxruntime-qnn offers no QNN device on this machine")
    session_options = onnxruntime.SessionOptions()
    # Without this an unknown chip or a missing library runs silently on the CPU, while
    # get_providers() still lists QNN.
    session_options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    for key, value in (keys or {}).items():
        session_options.add_session_config_entry(key, value)
    session_options.add_provider_for_devices(devices[:1], options)
    session = onnxruntime.InferenceSession(str(model), session_options)
    session.disable_fallback()
    return session
