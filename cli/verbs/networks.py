"""What `hexdet networks` does: the cost of every recipe's network, beside the published one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from ...export.network_table import HEADINGS, NetworkRow, markdown, network_rows
from ...recipe import shipped_recipes
from ..terminal import console

COUNTS = ("classes", "anchors", "parameters", "MACs")


def networks(recipes: Sequence[str], as_json: bool, as_markdown: bool) -> None:
    """Show the networks of some recipes, or of every shipped one."""
    with console.bar("counting the networks") as step:
        rows = network_rows(recipes or shipped_recipes(), step)
    if as_json:
        console.print_json([dataclasses.asdict(row) for row in rows])
    elif as_markdown:
        console.out.out(markdown(rows), end="")
    else:
        _show(rows)


def _show(rows: Sequence[NetworkRow]) -> None:
    table = Table()
    for heading in HEADINGS[:-1]:
        right = heading in COUNTS
        table.add_column(heading, justify="right" if right else "left", no_wrap=right)
    for row in rows:
        table.add_row(*(escape(text) for text in row.texts()[:-1]))
    console.out.print(table)
