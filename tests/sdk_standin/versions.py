"""The four SDKs that are imitated, and which of their tools each has, where, of what kind."""

from __future__ import annotations

from dataclasses import dataclass

STAND_IN = "stand-in"
HOST = "x86_64-linux-clang"


@dataclass(frozen=True, kw_only=True)
class Version:
    """One SDK release. minors: Python 3.x that its native modules are built for.

    build: what stands behind the third number; never a genuine one. socs: what --htp_socs knows.
    """

    name: str
    number: str
    build: str
    minors: tuple[int, ...]
    socs: tuple[str, ...]
    onnx: str = ""
    onnxruntime: str = ""

    @property
    def key(self) -> tuple[int, int]:
        """Return the version as numbers that can be compared."""
        return version_key(self.name)

    @property
    def is_1x(self) -> bool:
        """Tell whether it is of the old line."""
        return self.key[0] == 1

    @property
    def full(self) -> str:
        """Return the version as the tools print it."""
        return f"{self.number}.{self.build}-{STAND_IN}"


def version_key(name: str) -> tuple[int, int]:
    """Return 2.25 as (2, 25)."""
    major, minor = name.split(".")
    return int(major), int(minor)


_SOCS_210 = ("sm8350", "sm8450", "sm8550", "sm7325", "sm7450", "qcs6490")
_SOCS_225 = (*_SOCS_210, "sm8650", "qcs8550", "sm7475", "sm8475")

VERSIONS = {
    version.name: version
    for version in (
        # Facts 1.2 (version strings), 1.4 (Python), 2.3 and 6. No source says which chips 1.68 and
        # 2.10 know: these are those that existed.
        Version(name="1.68", number="1.68.0", build="0", minors=(6,),
                socs=("sm8350", "sm8450", "sm7325")),
        Version(name="2.10", number="2.10.0", build="0", minors=(8,), socs=_SOCS_210),
        Version(name="2.25", number="2.25.0", build="240728000000_00000", minors=(10,),
                socs=_SOCS_225, onnx="1.12.0", onnxruntime="1.17.1"),
        Version(name="2.48", number="2.48.0", build="260600000000_00000", minors=(10, 12),
                socs=(*_SOCS_225, "sm8750", "qcs9100"), onnx="1.16.1", onnxruntime="1.18.0"),
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Tool:
    """kind: `python` is a script without extension that wants the SDK's Python; `executable` is
    run as it is. folder: below the root."""

    name: str
    kind: str
    since: str
    until: str = "2.48"
    folder: str = f"bin/{HOST}"

    def belongs_to(self, version: Version) -> bool:
        """Tell whether an SDK ships it."""
        return version_key(self.since) <= version.key <= version_key(self.until)


def _tools(kind: str, since: str, *names: str) -> list[Tool]:
    return [Tool(name=name, kind=kind, since=since) for name in names]


# Facts 1.1.
TOOLS = (
    *_tools("python", "1.68", "snpe-onnx-to-dlc", "snpe-dlc-info", "snpe-dlc-diff",
            "snpe-dlc-viewer"),
    *_tools("executable", "1.68", "snpe-dlc-quantize"),
    *_tools("executable", "2.10", "snpe-dlc-quant", "snpe-dlc-graph-prepare"),
    *_tools("python", "2.25", "qairt-converter", "qairt-quantizer"),
    *_tools("python", "2.48", "qairt-dlc-info"),
    *_tools("executable", "1.68", "snpe-net-run", "snpe-throughput-net-run", "snpe-diagview",
            "snpe-platform-validator"),
    *_tools("executable", "2.10", "snpe-parallel-run", "qnn-net-run", "qnn-profile-viewer",
            "qnn-context-binary-generator", "qnn-context-binary-utility"),
    *_tools("python", "1.68", "snpe-platform-validator-py"),
    Tool(name="snpe_bench.py", kind="python", since="1.68", until="2.10", folder="benchmarks"),
    Tool(name="snpe_bench.py", kind="python", since="2.25", folder="benchmarks/SNPE"),
)  # fmt: skip


def tools_of(version: Version) -> list[Tool]:
    """Return the tools of an SDK."""
    return [tool for tool in TOOLS if tool.belongs_to(version)]
