"""The three ways from an ONNX graph to an INT8 DLC: those of SNPE 1.x, SNPE 2.x and QAIRT."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...errors import RecipeError, ToolError
from ...recipe import Recipe
from ...runtime.contract import DetectorContract
from ..dlc_file import DlcFile, tabulate
from .calls import Call, Toolbox
from .discovery import HOST, Sdk
from .dlc_info_text import read_dlc_info
from .judging import blamed_node, check_cache, disagreement, explain, judge
from .options import Chooser, quantizer_options
from .targets import SdkTarget

Flow = Literal["snpe 1", "snpe 2", "qairt"]
Preparation = Literal["cache", "context", "none"]

CONVERTER = {"snpe 1": "snpe-onnx-to-dlc", "snpe 2": "snpe-onnx-to-dlc", "qairt": "qairt-converter"}
QUANTIZER = {"snpe 1": "snpe-dlc-quantize", "snpe 2": "snpe-dlc-quant", "qairt": "qairt-quantizer"}
PREPARER = "snpe-dlc-graph-prepare"
INFO = ("qairt-dlc-info", "snpe-dlc-info")
CONTEXT, CONTEXT_READER = "qnn-context-binary-generator", "qnn-context-binary-utility"
IMAGE = "image"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which way is taken for a chip, and how its HTP, where it has one, is prepared for."""

    flow: Flow
    target: SdkTarget
    preparation: Preparation


def choose_plan(sdk: Sdk, recipe: Recipe, target: SdkTarget) -> Plan:
    """Return the way for a chip; RecipeError, by key, where the SDK lacks what the recipe wants."""
    wanted = recipe.export.sdk.flow
    flow: Flow
    if wanted == "qairt" or (wanted == "auto" and _has(sdk, "qairt") and target.has_htp):
        flow = "qairt"
    else:
        flow = "snpe 1" if sdk.number[0] == 1 else "snpe 2"
        if wanted == "auto" and not _has(sdk, flow) and _has(sdk, "qairt"):
            flow = "qairt"
    _check_widths(recipe, target)
    for tool in (CONVERTER[flow], QUANTIZER[flow]):
        if tool not in sdk.tools:
            raise RecipeError(f"export.sdk.flow: {wanted}: {sdk.title} has no {tool}")
    return Plan(flow=flow, target=target, preparation=_preparation(sdk, recipe, flow, target))


def _check_widths(recipe: Recipe, target: SdkTarget) -> None:
    """Raise RecipeError where 16-bit activations are wanted of a DSP not known to have them."""
    section = recipe.quantization
    if recipe.export.sdk.encodings == "ours":
        key, wide = "quantization", section.activation_bits == 16 or bool(section.wide)
    else:
        key, wide = "export.sdk", recipe.export.sdk.activation_bits == 16
    if wide and not target.has_htp:
        raise RecipeError(
            f"{key}.activation_bits: {target.name} (Hexagon v{target.arch}) is not known to have "
            f"16-bit activations: choose another chip or 8 bits"
        )


def _has(sdk: Sdk, flow: Flow) -> bool:
    return CONVERTER[flow] in sdk.tools and QUANTIZER[flow] in sdk.tools


def _preparation(sdk: Sdk, recipe: Recipe, flow: Flow, target: SdkTarget) -> Preparation:
    wanted = recipe.export.sdk.prepare
    if not target.has_htp:
        if wanted in ("cache", "context"):
            raise RecipeError(
                f"export.sdk.prepare: {wanted}: {target.name} has a Hexagon v{target.arch}, whose "
                f"DSP runtime prepares a network when it loads it: nothing can be done beforehand"
            )
        return "none"
    can_cache = flow == "snpe 1" or PREPARER in sdk.tools
    if wanted == "context" and CONTEXT not in sdk.tools:
        raise RecipeError(f"export.sdk.prepare: context: {sdk.title} has no {CONTEXT}")
    if wanted == "cache" and not can_cache:
        raise RecipeError(f"export.sdk.prepare: cache: {sdk.title} has no {PREPARER}")
    if wanted != "auto":
        return wanted
    if can_cache:
        return "cache"
    return "context" if CONTEXT in sdk.tools else "none"


@dataclass(kw_only=True)
class Steps:
    """The steps of a plan, each judged by its file. notes: what was odd, though it went well."""

    plan: Plan
    recipe: Recipe
    contract: DetectorContract
    box: Toolbox
    notes: list[str]

    def check_options(self) -> None:
        """Raise RecipeError, before any step, for a key that its tool has no flag for."""
        tool = QUANTIZER[self.plan.flow]
        quantizer_options(self.recipe, Chooser(box=self.box, tool=tool))
        if self.plan.preparation == "context":  # older ones want a library compiled from C++
            Chooser(box=self.box, tool=CONTEXT).need("prepare", ("--dlc_path", ""))

    def convert(self, graph: Path, overrides: Path | None, output: Path) -> DlcFile:
        """Convert an ONNX graph to a float32 DLC, with encodings recorded in it where given."""
        tool = CONVERTER[self.plan.flow]
        choose = Chooser(box=self.box, tool=tool)
        arguments = ["--input_network", str(graph), "--output_path", str(output)]
        # Without this qairt-converter makes floats of 16 bits of whatever has no encoding.
        arguments += choose.may(("--float_bitwidth", "32"))
        # The graph is simplified already, and a simplifier may rename what the encodings name.
        arguments += choose.may(
            ("--no_simplification",),
            ("--onnx_skip_simplification",),
            ("--onnx_no_simplification",),
        )
        arguments += choose.may(
            ("--input_layout", IMAGE, "NCHW"), ("--source_model_input_layout", IMAGE, "NCHW")
        )
        # A camera's bytes are NHWC; qairt-converter otherwise keeps the graph's own layout.
        arguments += choose.may(("--desired_input_layout", IMAGE, "NHWC"))
        if overrides is not None:
            flag = ("--quantization_overrides", str(overrides))
            arguments += choose.need("encodings", flag)
        call = self.box.run(tool, arguments)
        try:
            return self._judged(call, output)
        except ToolError as error:
            node = blamed_node(call, graph)
            if not node or output.is_file():
                raise
            raise ToolError(
                f"{error}; of our graph it is {node}: train and export a network without this "
                f"operator, or take an SDK whose converter has it"
            ) from error

    def quantize(self, source: Path, listed: Path, output: Path) -> DlcFile:
        """Quantize a float DLC with the calibration images of a list."""
        tool = QUANTIZER[self.plan.flow]
        choose = Chooser(box=self.box, tool=tool)
        arguments = [
            *self.box.write(tool, "--input_dlc", str(source)),
            *self.box.write(tool, "--input_list", str(listed)),
            *self.box.write(tool, "--output_dlc", str(output)),
            *quantizer_options(self.recipe, choose),
        ]
        one_step = self.plan.flow == "snpe 1" and self.plan.preparation == "cache"
        if one_step:
            chip = self.plan.target.name.lower()
            arguments += choose.need("prepare", ("--enable_htp",))
            arguments += choose.need("prepare", ("--htp_socs", chip))
        call = self.box.run(tool, arguments)
        dlc = self._judged(call, output)
        if one_step:
            check_cache(call, None, dlc)
        return dlc

    def prepare(self, source: Path, quantized: DlcFile, output: Path) -> DlcFile:
        """Put a cache record for the chip into a copy of an INT8 DLC."""
        arguments = [
            *self.box.write(PREPARER, "--input_dlc", str(source)),
            *self.box.write(PREPARER, "--output_dlc", str(output)),
            *self.box.write(PREPARER, "--htp_socs", self.plan.target.name.lower()),
        ]
        call = self.box.run(PREPARER, arguments)
        dlc = self._judged(call, output)
        check_cache(call, quantized, dlc)
        return dlc

    def compile(self, source: Path, quantized: DlcFile, output: Path) -> None:
        """Write a context binary of an INT8 DLC for the chip and ask whether it is for it."""
        config = self._context_config(quantized.model.name)
        libraries = self.box.sdk.root / "lib" / HOST
        call = self.box.run(
            CONTEXT,
            [
                *("--model", str(libraries / "libQnnModelDlc.so")),
                *("--backend", str(libraries / "libQnnHtp.so")),
                *("--dlc_path", str(source), "--config_file", str(config)),
                *("--binary_file", output.stem, "--output_dir", str(output.parent)),
            ],
        )
        if not output.is_file() or output.stat().st_size == 0:
            raise ToolError(
                f"{CONTEXT} ended with exit code {call.exit_code} and wrote no {output.name}: "
                f"{explain(self.box, call)}"
            )
        self._note(call)
        self._check_arch(output)

    def describe(self, path: Path, dlc: DlcFile) -> dict[str, Any]:
        """Return what the SDK's own dlc-info counts in a DLC; nothing where it cannot be asked.

        A count that is not our reader's becomes a note: one of the two misreads the file.
        """
        tool = next((name for name in INFO if self.box.has(name)), None)
        if tool is None:
            return {}
        try:
            call = self.box.run(tool, self.box.write(tool, "--input_dlc", str(path)))
            info = read_dlc_info(call.log)
        except ToolError as error:
            self.notes.append(f"{error}; the DLC itself was read by our own reader")
            return {}
        ours = tabulate(dlc).total_parameters
        if info.total_parameters not in (None, ours):
            self.notes.append(
                f"{tool} counts {info.total_parameters:,} parameters, our reader {ours:,}"
            )
        return {
            "tool": tool,
            "operations": len(info.ops),
            "total_parameters": info.total_parameters,
            "total_macs": info.total_macs,
            "memory_mib": info.memory_mib,
        }

    def _context_config(self, graph: str) -> Path:
        """Write the two files that say for which chip; any flag of the tool's own is ignored."""
        inner, outer = self.box.work / "htp.json", self.box.work / "context.json"
        target = self.plan.target
        device = {"soc_model": target.soc_model, "dsp_arch": f"v{target.arch}"}
        content = {"graphs": [{"graph_names": [graph], "vtcm_mb": 0, "O": 3}], "devices": [device]}
        inner.write_text(json.dumps(content), encoding="utf-8")
        extension = self.box.sdk.root / "lib" / HOST / "libQnnHtpNetRunExtensions.so"
        settings = {"shared_library_path": str(extension), "config_file_path": str(inner)}
        outer.write_text(json.dumps({"backend_extensions": settings}), encoding="utf-8")
        return outer

    def _check_arch(self, binary: Path) -> None:
        """Raise ToolError where a context binary is for another Hexagon version than the chip's."""
        if not self.box.has(CONTEXT_READER):
            self.notes.append(f"no {CONTEXT_READER}: which Hexagon the binary is for was not asked")
            return
        described = self.box.work / "described.json"
        call = self.box.run(
            CONTEXT_READER, ["--context_binary", str(binary), "--json_file", str(described)]
        )
        try:
            arch = _find(json.loads(described.read_text(encoding="utf-8")), "dspArch")
        except (OSError, ValueError) as error:
            raise ToolError(f"{CONTEXT_READER} describes nothing: {call.last_lines}") from error
        if arch != self.plan.target.arch:
            raise ToolError(
                f"{CONTEXT} built for Hexagon v{arch}, not for {self.plan.target.name} "
                f"(v{self.plan.target.arch})"
            )

    def _judged(self, call: Call, output: Path) -> DlcFile:
        dlc = judge(self.box, call, output, self.contract)
        self._note(call)
        return dlc

    def _note(self, call: Call) -> None:
        odd = disagreement(call)
        self.notes += [odd] if odd else []


def _find(content: Any, key: str) -> Any:
    """Return the first value of a key anywhere within plain JSON; None where it is not."""
    if isinstance(content, dict):
        if key in content:
            return content[key]
        content = list(content.values())
    if isinstance(content, list):
        return next((v for item in content if (v := _find(item, key)) is not None), None)
    return None
