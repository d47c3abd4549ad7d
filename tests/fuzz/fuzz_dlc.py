"""Damage DLCs at random and read them: only ArtifactError may come out, soon and in little memory.

python tests/fuzz/fuzz_dlc.py --count 100000 [--seed 0] [--save FOLDER] [FILE ...]

Without files it damages every DLC below $HEXDET_DATA/dlc. Needs a system with resource limits.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hexdet.errors import ArtifactError
from hexdet.export.dlc_file import DlcFile, DlcTensor, compare, read_dlc, tabulate

MAX_SECONDS = 1.0
MAX_MEMORY_BYTES = 256 << 20
HANG_SECONDS = 20
TRACED_SHARE = 50
"""One of so many inputs is read once more with every allocation traced."""

SMALL = (0, 1, 2, 3, 4, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF)
INTERESTING = (*SMALL, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF, 1 << 62, (1 << 64) - 1)


@dataclass(kw_only=True)
class FuzzReport:
    """What came of the damaged files. failures: index and what was wrong, at most 100 of them."""

    count: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)
    worst_cpu_s: float = 0.0
    worst_wall_s: float = 0.0
    worst_traced_bytes: int = 0
    peak_resident_bytes: int = 0

    def lines(self) -> list[str]:
        """Return the report as text."""
        return [
            f"inputs {self.count}: "
            + ", ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items())),
            f"worst time {self.worst_cpu_s:.3f} s CPU, {self.worst_wall_s:.3f} s wall",
            f"worst memory {self.worst_traced_bytes / 2**20:.1f} MiB traced, "
            f"{self.peak_resident_bytes / 2**20:.0f} MiB resident at most",
            f"failures {len(self.failures)}",
            *(f"  input {index}: {what}" for index, what in self.failures),
        ]


def fuzz(
    seed_files: Sequence[Path], count: int, seed: int = 0, save: Path | None = None
) -> FuzzReport:
    """Read `count` damaged copies of the files; input i of a seed is always the same."""
    originals = [(path.read_bytes(), read_dlc(path)) for path in seed_files]
    contents = [content for content, _ in originals]
    report = FuzzReport()
    with tempfile.TemporaryDirectory(prefix="fuzz-dlc-") as folder, _limited_memory():
        target = Path(folder) / "damaged.dlc"
        for index in range(count):
            rng = random.Random(f"{seed}:{index}")
            which = rng.randrange(len(contents))
            target.write_bytes(damage(contents[which], contents, rng))
            failure = _one(target, originals[which][1], report, traced=index % TRACED_SHARE == 0)
            if failure and len(report.failures) < 100:
                report.failures.append((index, failure))
                if save is not None:
                    save.mkdir(parents=True, exist_ok=True)
                    (save / f"{seed}-{index}.dlc").write_bytes(target.read_bytes())
    report.peak_resident_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    return report


def _one(target: Path, original: DlcFile, report: FuzzReport, *, traced: bool) -> str:
    """Read one file and account for it; return what went wrong, empty where nothing did."""
    failure = ""
    wall, cpu = time.perf_counter(), time.process_time()
    signal.alarm(HANG_SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            use(target, original)
        outcome = "read"
    except ArtifactError:
        outcome = "refused"
    except Exception as error:
        outcome, failure = "failed", f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - wall
    if cpu_s > MAX_SECONDS:
        failure = failure or f"{cpu_s:.1f} s"
    report.count += 1
    report.outcomes[outcome] += 1
    report.worst_cpu_s = max(report.worst_cpu_s, cpu_s)
    report.worst_wall_s = max(report.worst_wall_s, wall_s)
    if traced and not failure:
        report.worst_traced_bytes = max(report.worst_traced_bytes, _traced(target, original))
    return failure


def use(path: Path, original: DlcFile) -> None:
    """Do everything with a DLC that can be done: read, tabulate, compare, take every value."""
    dlc = read_dlc(path)
    info = tabulate(dlc)
    info.to_json()
    info.to_csv()
    compare(original, dlc)
    compare(dlc, original)
    for tensor in _tensors(dlc):
        try:
            tensor.dequantized()
        except ArtifactError:
            continue


def _tensors(dlc: DlcFile) -> Iterator[DlcTensor]:
    for graph in dlc.graphs:
        yield from graph.tensors.values()
        for node in graph.nodes:
            yield from node.parameters.values()


def _traced(path: Path, original: DlcFile) -> int:
    tracemalloc.start()
    try:
        use(path, original)
    except ArtifactError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@contextmanager
def _limited_memory() -> Iterator[None]:
    """Let an allocation beyond the limit fail instead of the machine, and a hang end."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = pages * resource.getpagesize() + MAX_MEMORY_BYTES
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, _hang)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGALRM, handler)


def _hang(*_: object) -> None:
    raise TimeoutError(f"it took more than {HANG_SECONDS} s")


def damage(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Return a damaged copy: of the archive's bytes, or of an entry with the archive kept whole."""
    if rng.random() < 0.3:
        return _mutated(content, rng.choice(others), rng)
    entries = unpack(content)
    strangers = unpack(rng.choice(others))
    if rng.random() < 0.1:
        name = rng.choice([*strangers])
        entries[name] = strangers[name]
    elif rng.random() < 0.05:
        entries.pop(rng.choice([*entries]))
    else:
        # The model is where the structure is.
        name = "model" if rng.random() < 0.6 else rng.choice([*entries])
        entries[name] = _mutated(entries[name], strangers.get(name, b""), rng)
    return pack(entries)


def _mutated(content: bytes, other: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        if not data:
            break
        rng.choice(_MUTATIONS)(data, other, rng)
    return bytes(data)


def _flip_bits(data: bytearray, other: bytes, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _attack_length(data: bytearray, other: bytes, rng: random.Random) -> None:
    """Put a number that is special, or near the size of the file, where one may be."""
    width, code = rng.choice(((1, "B"), (2, "<H"), (4, "<I"), (4, "<I"), (8, "<Q")))
    at = rng.randrange(len(data)) // width * width
    if at + width <= len(data):
        near = len(data) + rng.randrange(-16, 17)
        value = rng.choice((rng.choice(INTERESTING), near, rng.randrange(1 << 16), at, -at))
        struct.pack_into(code, data, at, value & ((1 << 8 * width) - 1))


def _truncate(data: bytearray, other: bytes, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _delete(data: bytearray, other: bytes, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.randrange(1, 65)]


def _splice(data: bytearray, other: bytes, rng: random.Random) -> None:
    source = other or bytes(data)
    start, at, size = rng.randrange(len(source)), rng.randrange(len(data)), rng.randrange(1, 257)
    data[at : at + rng.choice((0, size))] = source[start : start + size]


def _copy_within(data: bytearray, other: bytes, rng: random.Random) -> None:
    """Copy aligned bytes over others, so that offsets point back or in circles."""
    start, at = (rng.randrange(len(data)) & ~3 for _ in range(2))
    size = rng.choice((4, 8, 16, 64))
    data[at : at + size] = data[start : start + size]


_MUTATIONS = (_flip_bits, _attack_length, _attack_length, _copy_within, _splice, _truncate, _delete)


def unpack(content: bytes) -> dict[str, bytes]:
    """Return the entries of an undamaged DLC."""
    with tempfile.NamedTemporaryFile(suffix=".dlc") as file:
        Path(file.name).write_bytes(content)
        entries = read_dlc(file.name).entries
    return {entry.name: content[entry.offset :][: entry.size_bytes] for entry in entries}


def pack(entries: dict[str, bytes]) -> bytes:
    """Return a ZIP archive of stored entries without checksums, as libQnnIr writes them."""
    body, directory = b"", b""
    for name, content in entries.items():
        raw, size = name.encode(), len(content)
        at = len(body)
        body += struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 0, 0, size, size, len(raw), 0)
        body += raw + content
        directory += struct.pack(
            "<4s6H3I5H2I", b"PK\1\2", 45, 45, 0, 0, 0, 0, 0, size, size, len(raw), 0, 0, 0, 0, 0, at
        )
        directory += raw
    end = (b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + struct.pack("<4s4H2IH", *end)


def main() -> int:
    """Run from the command line; 0 where nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, help="folder for the inputs that failed")
    options = parser.parse_args()
    folder = Path(os.environ.get("HEXDET_DATA") or "data") / "dlc"
    files = options.files or sorted(folder.rglob("*.dlc"))
    if not files:
        parser.error(f"no DLC below {folder}: name files")
    report = fuzz(files, options.count, options.seed, options.save)
    print("\n".join(report.lines()))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
