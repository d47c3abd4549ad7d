"""Try what users meet some day, and print what happened as Markdown; exit code 1 for a fault.

python tests/survival/tables.py [kill] [together] [disk] [surroundings] [hostile] [live]

Without a name: all of them. --quick: a part of each, in about a minute of processor time.
--count N: kills. --seconds N: of the live page.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from survival import disk, hostile, killing, live, surroundings, together
from survival.forked import load_libraries
from survival.tiny import Outcome, World, make_world

QUICK_HOSTILE = 6
"""Of the hostile files: every sixth."""
LAST_STAGE = len(killing.MOMENTS) - 1
"""The scoring; the moving of files comes behind it."""


class Tables:
    """The tables, over one recipe and the bundles of two checkpoints, which are made once."""

    def __init__(self, folder: Path, *, quick: bool, count: int, seconds: float) -> None:
        self.world: World = make_world(folder / "world")
        self.quick, self.count, self.seconds = quick, count, seconds
        self.faults: list[str] = []
        self._finished: dict[int, Path] = {}

    def finished(self, seed: int = 0) -> Path:
        """Return the bundle of a checkpoint, exported without disturbance."""
        if seed not in self._finished:
            build = self.world.folder / f"finished{seed}"
            self._finished[seed] = self.world.export(build, seed)
        return self._finished[seed]

    def kill(self) -> None:
        """Kill exports, export again."""
        old = self.finished(0 if self.quick else 1)
        reference = killing.make_reference(self.world, old)
        first = LAST_STAGE if self.quick else 0
        trials = list(killing.trials(self.world, reference, self.count, seed=0, first=first))
        show_kills(trials)
        self._note(trials, [f"{trial.moment}" for trial in trials])

    def together(self) -> None:
        """Let two processes meet at one bundle."""
        verbs = together.WRITERS[1:2] if self.quick else together.WRITERS
        meetings = list(together.meet(self.world, self.finished(), verbs))
        if not self.quick:
            meetings.append(together.after_a_kill(self.world, self.finished()))
            meetings.append(together.beside(self.world, self.finished()))
        show(
            ("started while an export runs", "exit code", "what it said", "the first export"),
            [(m.second, m.code, self._short(m.said), _fine(m.faults)) for m in meetings],
        )
        self._note(meetings, [m.second for m in meetings])

    def disk(self) -> None:
        """Fill the disk."""
        if reason := disk.reason_not_to():
            print(f"not run: {reason}")
            return
        cases = disk.CASES
        old, new = self.finished(0 if self.quick else 1), self.finished(0)
        if self.quick:
            cases = (dataclasses.replace(cases[4], seed=0),)
        outcomes = [disk.try_case(case, self.world, old, new) for case in cases]
        if not self.quick:
            image, video = self._pictures()
            outcomes += disk.others(self.world, new, image, video)
        self._show_outcomes("no room for", outcomes)

    def surroundings(self) -> None:
        """Export in odd places."""
        places = surroundings.PLACES[5:6] if self.quick else surroundings.PLACES
        outcomes = list(surroundings.usual_names(self.world, self.finished(), places))
        if not self.quick:
            outcomes += surroundings.read_only(self.world, self.finished())
            outcomes += surroundings.strange_names(self.world)
        self._show_outcomes("where", outcomes)

    def hostile(self) -> None:
        """Open what was made to harm."""
        every = QUICK_HOSTILE if self.quick else 1
        outcomes = list(hostile.all_outcomes(self.world, self.finished(), every))
        show(
            ("file", "what was tried", "exit code", "what was said", "MiB", ""),
            [
                (o.kind, o.title, o.code, self._short(o.said), f"{o.mib:.0f}", _fine(o.faults))
                for o in outcomes
            ],
        )
        print("\nMiB: by how much the memory grew at most.")
        self._note(outcomes, [f"{o.kind}: {o.title}" for o in outcomes])

    def live(self) -> None:
        """Besiege the live page."""
        outcome = live.besiege(self.world, self.finished(), self.seconds)
        show_live(outcome)
        self._note([outcome], ["live page"])

    def _pictures(self) -> tuple[Path, Path]:
        import cv2
        import numpy as np

        image = self.world.folder / "image.png"
        cv2.imwrite(str(image), np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8))
        return image, live.write_video(self.world.folder / "short.mp4", 20)

    def _show_outcomes(self, heading: str, outcomes: Sequence[Outcome]) -> None:
        show(
            (heading, "exit code", "what was said", "what was left"),
            [(o.title, o.code, self._short(o.said), _fine(o.faults)) for o in outcomes],
        )
        self._note(outcomes, [o.title for o in outcomes])

    def _short(self, said: str) -> str:
        text = said.removeprefix("error: ").replace(f"{self.world.folder}/", "")
        return text if len(text) <= 230 else f"{text[:229]}…"

    def _note(self, outcomes: Sequence[object], titles: Iterable[str]) -> None:
        for outcome, title in zip(outcomes, titles, strict=True):
            faults: Sequence[str] = outcome.faults  # type: ignore[attr-defined]
            self.faults += [f"{title}: {fault}" for fault in faults]


def show_kills(trials: Sequence[killing.Trial]) -> None:
    """Print a row a stage: how many kills fell into it, and what was left of what."""
    by_moment = defaultdict(list)
    for trial in trials:
        by_moment[trial.moment].append(trial)
    rows: list[Sequence[object]] = []
    for moment, group in by_moment.items():
        rows.append(
            (
                moment,
                len(group),
                sum(trial.over_old for trial in group),
                f"{statistics.mean(t.kept_old for t in group):.1f}",
                f"{statistics.mean(t.new for t in group):.1f}",
                max(trial.left for trial in group),
                _fine([fault for trial in group for fault in trial.faults]),
            )
        )
    show(
        (
            "killed while", "kills", "of them over an old bundle", "files as before, mean",
            "new files, mean", "temporary files and folders left, most", "after a second run",
        ),
        rows,
    )  # fmt: skip
    print(f"\n{len(trials)} kills")


def show_live(outcome: live.Outcome) -> None:
    """Print the figures of a besieged page."""
    watch = outcome.watch
    rows: list[Sequence[object]] = [
        (name, f"{values[0]:.{digits}f}", f"{max(values):.{digits}f}", f"{values[-1]:.{digits}f}")
        for name, values, digits in (
            ("resident memory, MiB", watch.mib, 1),
            ("threads", watch.threads, 0),
            ("open files", watch.files, 0),
        )
    ]
    show((f"over {outcome.seconds:.0f} s", "at first", "at most", "afterwards"), rows)
    print(
        f"\nIt listened on {', '.join(outcome.listening)} alone. {outcome.vanished:,} clients "
        f"connected and vanished, {outcome.cut:,} slow or deaf ones were cut off, "
        f"{outcome.refused_paths} of {len(live.CLIMBING)} paths that climb were refused. An honest "
        f"viewer got the page {outcome.served} of {outcome.asked} times, after "
        f"{outcome.slowest_s:.2f} s at worst. SIGINT ended it in {outcome.ended_s:.1f} s with exit "
        f"code {outcome.code}. {_fine(outcome.faults)}"
    )


def show(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    for row in rows:
        print(f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |")


def _fine(faults: Sequence[str]) -> str:
    return "; ".join(sorted(set(faults))) or "as it should be"


def main() -> int:
    """Print the tables that were asked for."""
    names = ("kill", "together", "disk", "surroundings", "hostile", "live")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(names))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float)
    arguments = parser.parse_args()
    if unknown := set(arguments.tables) - set(names):
        parser.error(f"no table {', '.join(sorted(unknown))}")
    os.environ["OMP_NUM_THREADS"] = "1"
    # A shell has it ignored in the background, and what is started here would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    load_libraries()
    with tempfile.TemporaryDirectory(prefix="survival-") as folder:
        tables = Tables(
            Path(folder),
            quick=arguments.quick,
            count=arguments.count or (2 if arguments.quick else 50),
            seconds=arguments.seconds or (6 if arguments.quick else 600),
        )
        for name in arguments.tables or names:
            print(f"\n## {name}\n", flush=True)
            print_table: Callable[[], None] = getattr(tables, name)
            before = len(tables.faults)
            print_table()
            tables.faults[before:] = [f"{name}: {text}" for text in tables.faults[before:]]
            sys.stdout.flush()
    for fault in tables.faults:
        print(f"FAULT {fault}", file=sys.stderr)
    return 1 if tables.faults else 0


if __name__ == "__main__":
    sys.exit(main())
