"""What `hexdet data inspect` does: look at a split, write what was found, show it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from ...datasets.faults import Faults
from ...datasets.network_input import input_of
from ...datasets.opening import Split, open_split
from ...evaluation.inspection.counting import Subject, inspect_dataset
from ...evaluation.inspection.page import FILE_NAME, save_page
from ...evaluation.inspection.schema import Inspection
from ...evaluation.inspection.sheet import draw_tiles, save_sheet
from ...recipe import Recipe
from ..terminal import console

NAMED = 3
"""Images of one kind of defect that the table names."""


def inspect(recipe: Recipe, split: Split, limit: int | None, folder: Path, as_json: bool) -> None:
    """Inspect one split of a recipe's dataset and write page, JSON and contact sheet to a folder.

    Raises DataError where there is no dataset to look at.
    """
    faults = Faults(keep=True)
    dataset = open_split(recipe.data, split, faults)
    subject = Subject(
        recipe=recipe.name,
        format=recipe.data.format,
        split=split,
        input=input_of(recipe.network),
    )
    with console.bar(f"looking at the images of {dataset.name}") as step:
        found, looks = inspect_dataset(dataset, subject, faults, limit, step)
    tiles = draw_tiles(dataset, looks)
    written = [
        save_page(found, tiles, recipe.network.anchors, folder),
        found.save(folder),
        save_sheet(tiles, found.sheet, dataset.name, dataset.classes, folder),
    ]
    if as_json:
        console.print_json(dataclasses.asdict(found))
        return
    _show(found)
    names = ", ".join(path.name for path in written if path.name != FILE_NAME)
    console.out.print(f"page: {written[0]}    beside it: {names}", markup=False)


def _show(found: Inspection) -> None:
    """Print the counts of the classes, a few figures and the defects by kind."""
    of = "" if found.images == found.images_available else f" of {found.images_available:,}"
    title = f"{found.recipe}: {found.dataset}, {found.images:,}{of} images"
    table = Table(title=escape(title), **console.LEFT)
    table.add_column("class")
    for heading in ("objects", "ignored", "images"):
        table.add_column(heading, justify="right")
    for item in found.classes:
        table.add_row(
            escape(item.name), f"{item.objects:,}", f"{item.ignored:,}", f"{item.images:,}"
        )
    console.out.print(table)
    sizes = ", ".join(f"p{name} {value:.0f}" for name, value in found.size_quantiles.items())
    if sizes:
        console.out.print(
            f"Sizes (root of the area) at the network's {found.input_width} x "
            f"{found.input_height}, in pixels by percentile: {sizes}",
            markup=False,
        )
    console.out.print(
        f"{found.empty:,} images without boxes, {found.unreadable:,} that cannot be used; "
        f"{found.touching_edge:,} boxes touch the image's edge",
        markup=False,
    )
    if not found.defects:
        console.out.print("No defect was found.")
        return
    number = len(found.defects)
    defects = Table(title=f"{number:,} defect{'s' * (number != 1)}", **console.LEFT)
    defects.add_column("kind", no_wrap=True)
    defects.add_column("number", justify="right")
    defects.add_column("where")
    for kind, number in found.defect_counts.items():
        items = [defect for defect in found.defects if defect.kind == kind]
        # Of a class its name, of everything else the image.
        names = [
            item.detail.partition(" (")[0] if "class" in kind else item.image or item.detail
            for item in items[:NAMED]
        ]
        more = " ..." if number > NAMED else ""
        defects.add_row(kind, f"{number:,}", escape(", ".join(names) + more))
    console.out.print(defects)
