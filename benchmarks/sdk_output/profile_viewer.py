"""The printout of qnn-profile-viewer: what composing, finalizing and executing graphs took."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import ToolError
from .quantities import Quantity, read_quantity

_SECTION = re.compile(r"(?P<name>.+? Stats(?: \((?P<kind>\w+)\))?)\s*:?")
_GRAPH = re.compile(r"Graph (\d+) \((.*)\):")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line. graph: the name of the graph it is of; empty above the first one."""

    graph: str
    label: str
    quantity: Quantity


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Figures by section as printed: `Init Stats`, `Execute Stats (Average)`, ..."""

    sections: dict[str, tuple[Figure, ...]]

    def find(self, section: str, label: str) -> Quantity | None:
        """Return the first figure of a label within a section; None where there is none."""
        figures = self.sections.get(section, ())
        return next((f.quantity for f in figures if f.label == label), None)

    @property
    def inference_us(self) -> float | None:
        """Return the mean time of an inference in microseconds, as qnn-net-run saw it."""
        found = self.find("Execute Stats (Average)", "NetRun")
        return found.us if found else None


def read_profile(text: str) -> Profile:
    """Read what qnn-profile-viewer printed; ToolError where no figure is in it."""
    sections: dict[str, list[Figure]] = {}
    section, graph = "", ""
    for line in text.splitlines():
        line = line.strip()
        heading, of_graph = _SECTION.fullmatch(line), _GRAPH.fullmatch(line)
        if heading:
            section, graph = heading["name"], ""
            sections.setdefault(section, [])
        elif of_graph:
            graph = of_graph[2]
        elif section and (found := read_quantity(line)):
            sections[section].append(Figure(graph=graph, label=found[0], quantity=found[1]))
    if not any(sections.values()):
        shown = " | ".join(line.strip() for line in text.splitlines() if line.strip())[-300:]
        raise ToolError(f"qnn-profile-viewer gave no figures: {shown or '(it printed nothing)'}")
    return Profile(sections={name: tuple(figures) for name, figures in sections.items()})
