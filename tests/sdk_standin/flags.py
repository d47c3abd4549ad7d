"""The table of flags (flags.csv), and a command line held against it: nothing else is taken."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdk_standin.versions import Version, tools_of, version_key

RUNTIMES = frozenset(
    {"cpu", "gpu_float16", "gpu", "aip", "dsp", "cpu_float32", "gpu_float32_16_hybrid",
     "dsp_fixed8_tf", "aip_fixed8_tf"}
)  # fmt: skip
"""What --runtime_order takes, with the older names (facts 2.5)."""
TABLE = Path(__file__).with_name("flags.csv")


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One row: takes is (fewest, most) words; style `=` wants them attached, ` ` as words."""

    name: str
    alias: str
    takes: tuple[int, int]
    style: str
    values: tuple[str, ...]
    default: str
    rules: tuple[str, ...]
    source: str

    def rule(self, name: str) -> list[str]:
        """Return what stands behind the colon of every rule of a name."""
        return [rule.partition(":")[2] for rule in self.rules if rule.partition(":")[0] == name]

    def value_type(self, index: int) -> str:
        """Return the type of a word; the last one is that of all further words."""
        return self.values[min(index, len(self.values) - 1)]


class UsageError(Exception):
    """The command line is none that the tool takes."""


class Arguments:
    """What a command line gave: words by flag, all of them for one that may be repeated."""

    def __init__(self, given: Sequence[tuple[Flag, list[str]]]) -> None:
        self.given = given
        self._asked: set[str] = set()

    @property
    def unheeded(self) -> list[str]:
        """Return the flags that were given and that the tool never asked for."""
        return [flag.name for flag, _ in self.given if flag.name not in self._asked]

    def has(self, name: str) -> bool:
        """Tell whether a flag was given."""
        self._asked.add(name)
        return any(flag.name == name for flag, _ in self.given)

    def words(self, name: str) -> list[list[str]]:
        """Return the words of every occurrence."""
        self._asked.add(name)
        return [words for flag, words in self.given if flag.name == name]

    def one(self, name: str, default: str = "") -> str:
        """Return the only word of the last occurrence, else the default."""
        found = self.words(name)
        return found[-1][0] if found and found[-1] else default

    def any_of(self, *names: str) -> str:
        """Return the value of the first of several spellings that was given, else nothing."""
        return next((self.one(name) for name in names if self.has(name)), "")


@functools.cache
def rows() -> tuple[dict[str, str], ...]:
    """Return the table as it stands."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@functools.cache
def flags_of(tool: str, version: Version) -> tuple[Flag, ...]:
    """Return the flags of a tool of an SDK; `--help` and `--version` are every tool's."""
    found: list[Flag] = []
    if tool not in {shipped.name for shipped in tools_of(version)}:
        return ()
    for row in rows():
        span = version_key(row["since"]) <= version.key <= version_key(row["until"])
        if tool not in row["tool"].split("|") or not span:
            continue
        fewest, _, most = row["takes"].partition("-")
        found.append(
            Flag(
                name=row["flag"],
                alias=row["alias"],
                takes=(int(fewest), int(most or fewest)),
                style=row["style"],
                values=tuple(_split_values(row["values"])),
                default=row["default"],
                rules=tuple(filter(None, row["rule"].split(";"))),
                source=row["source"],
            )
        )
    return tuple(found)


def _split_values(text: str) -> list[str]:
    return text.split(" ") if text else []


def parse(tool: str, version: Version, argv: Sequence[str]) -> Arguments:
    """Return what a command line gives; UsageError where it is not as documented."""
    known = flags_of(tool, version)
    by_name = {name: flag for flag in known for name in (flag.name, flag.alias) if name}
    given: list[tuple[Flag, list[str]]] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        name, equals, attached = word.partition("=")
        flag = by_name.get(name)
        if flag is None:
            raise UsageError(f"unrecognized arguments: {word}")
        taken = _words(flag, word, attached if equals else None, words)
        for index, value in enumerate(taken):
            _check_value(flag, index, value, version)
        if any(other is flag for other, _ in given) and "repeat" not in flag.rules:
            raise UsageError(f"argument {flag.name}: given twice")
        given.append((flag, taken))
    _check_rules(known, given)
    return Arguments(given)


def _words(flag: Flag, word: str, attached: str | None, rest: list[str]) -> list[str]:
    fewest, most = flag.takes
    if most == 0:
        if attached is not None:
            raise UsageError(f"argument {flag.name}: takes no value, given {word!r}")
        return []
    if flag.style == "=":
        if attached is None:
            raise UsageError(f"argument {flag.name}: is written {flag.name}=VALUE")
        return [attached]
    taken = [] if attached is None else [attached]
    while rest and len(taken) < most and not _is_flag(rest[0]):
        taken.append(rest.pop(0))
    if len(taken) < fewest:
        raise UsageError(f"argument {flag.name}: expected {fewest} argument(s)")
    return taken


def _is_flag(word: str) -> bool:
    """Tell whether a word begins a flag, as argparse does: a negative number does not."""
    return word.startswith("-") and " " not in word and not re.fullmatch(r"-\d+(\.\d*)?", word)


def _pair(separator: str) -> Callable[[str], bool]:
    number = r"-?0x[0-9A-Fa-f]+"
    return lambda value: re.fullmatch(f"{number}{separator}{number}", value) is not None


def _is_number(value: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", value) is not None


_CHECKS: dict[str, Callable[[str], bool]] = {
    "file": lambda value: Path(value).is_file(),
    "out": lambda value: Path(value).absolute().parent.is_dir(),
    "dir": bool,
    "files": lambda value: all(Path(name).is_file() for name in value.split(",")),
    "library": lambda value: Path(value).name.startswith("lib") and value.endswith(".so"),
    "runtimes": lambda value: set(value.split(",")) <= RUNTIMES,
    "int": lambda value: re.fullmatch(r"\d+", value) is not None,
    "num": _is_number,
    "dims": lambda value: re.fullmatch(r"\d+(,\d+)*", value) is not None,
    "name": bool,
    "names": lambda value: re.fullmatch(r"[^,\s]+(,[^,\s]+)*", value) is not None,
    "socs": lambda value: re.fullmatch(r"[a-z0-9]+(,[a-z0-9]+)*", value) is not None,
    "archs": lambda value: re.fullmatch(r"v\d\d(,v\d\d)*", value) is not None,
    "text": bool,
    "text64": lambda value: 0 < len(value.encode()) <= 64,
    "comma-pair": _pair(","),
    "space-pair": _pair(" "),
}


def _check_value(flag: Flag, index: int, value: str, version: Version) -> None:
    kind = flag.value_type(index)
    if kind in _CHECKS:
        if not _CHECKS[kind](value):
            wanted = {"file": "no such file", "out": "no such folder"}.get(kind, f"not {kind}")
            raise UsageError(f"argument {flag.name}: {wanted}: {value!r}")
    elif ".." in kind:
        low, high = map(float, kind.split(".."))
        if not _is_number(value) or not low <= float(value) <= high:
            raise UsageError(f"argument {flag.name}: {value!r} is not in {kind}")
    elif value not in kind.split("|"):
        raise UsageError(f"argument {flag.name}: invalid choice: {value!r} (choose from {kind})")


def _check_rules(known: Sequence[Flag], given: Sequence[tuple[Flag, list[str]]]) -> None:
    names = {flag.name for flag, _ in given}
    for flag in known:
        missing = flag.name not in names
        replaced = any(other in names for other in flag.rule("required-unless"))
        wanted = "required" in flag.rules or (flag.rule("required-unless") and not replaced)
        if missing and wanted:
            raise UsageError(f"the following arguments are required: {flag.name}")
    for group in {name for flag in known for name in flag.rule("one-of")}:
        members = [flag.name for flag in known if group in flag.rule("one-of")]
        if not names & set(members):
            raise UsageError(f"one of the arguments {' '.join(members)} is required")
    for flag, _ in given:
        for start in flag.rule("needs-any"):
            if not any(name.startswith(start) for name in names):
                raise UsageError(f"argument {flag.name}: needs one of {start}*")
        for other in flag.rule("excl"):
            if other in names:
                raise UsageError(f"argument {flag.name}: not allowed with argument {other}")
        for other in flag.rule("needs"):
            if other not in names:
                raise UsageError(f"argument {flag.name}: needs argument {other}")


def usage(tool: str, version: Version) -> str:
    """Return the text of `--help`: in an executable's shape or in argparse's."""
    shown = [flag for flag in flags_of(tool, version) if "hidden" not in flag.rules]
    lines = [f"usage: {tool} [-h]" + "".join(f" {_shape(f)}" for f in shown if _required(f))]
    lines += ["", f"{tool}, {version.full}: a stand-in for tests, not Qualcomm's", ""]
    lines += ["options:", "  -h, --help", "        show this help message and exit", "  --version"]
    for flag in shown:
        alias = f"{_shape(flag, flag.alias)}, " if flag.alias else ""
        lines.append(f"  {alias}{_shape(flag)}")
        notes = [f"default: {flag.default}"] if flag.default else []
        notes += ["deprecated"] if "deprecated" in flag.rules else []
        lines += [f"        {'; '.join(notes)}"] if notes else []
    return "\n".join(lines) + "\n"


def _required(flag: Flag) -> bool:
    return "required" in flag.rules


def _shape(flag: Flag, name: str = "") -> str:
    name = name or flag.name
    if flag.takes[1] == 0:
        return name
    words = " ".join(
        f"{{{kind.replace('|', ',')}}}" if "|" in kind else f"<{kind}>" for kind in flag.values
    )
    words = f"[{words} ...]" if flag.takes[0] == 0 else words
    return f"{name}={words}" if flag.style == "=" else f"{name} {words}"
