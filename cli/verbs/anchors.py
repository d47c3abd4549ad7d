"""The verb `anchors`: fit a recipe's anchors to its data, and write them into a recipe."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from ...datasets.opening import Split, open_split
from ...recipe import Recipe, recipe_file
from ...runtime.files import to_json, write_text
from ...training.anchor_fitting.fitting import Method
from ...training.anchor_fitting.page import save_page
from ...training.anchor_fitting.recipe_file import check_target, write_anchors
from ...training.anchor_fitting.study import AnchorStudy, counts_of, geometry_of, study
from ...training.anchor_fitting.truths import collect
from ..terminal import console


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What `hexdet anchors` is asked for; see its options."""

    split: Split
    limit: int | None
    augmented: int
    per_level: str | None
    method: Method
    write: Path | None
    output: Path
    as_json: bool


def anchors(name: str, recipe: Recipe, wishes: Wishes) -> None:
    """Fit anchors to one split, show what they reach, and write them where that is asked for.

    name: the recipe as the user named it: a file, or a shipped one.
    """
    if wishes.write is not None:
        check_target(wishes.write)
    counts = counts_of(wishes.per_level, recipe)
    contract, _ = geometry_of(recipe)
    dataset = open_split(recipe.data, wishes.split)
    start = time.perf_counter()
    with console.bar(f"reading the objects of {dataset.name}") as step:
        collected = collect(
            dataset,
            contract.input,
            recipe.training,
            samples=wishes.augmented,
            limit=wishes.limit,
            progress=step,
        )
    read_s = time.perf_counter() - start
    found = study(recipe, dataset.name, collected, counts, wishes.method)
    fit_s = time.perf_counter() - start - read_s
    content = {**found.to_json(), "read_s": round(read_s, 2), "fit_s": round(fit_s, 2)}
    write_text(wishes.output / "anchors.json", to_json(content))
    page = save_page(found, wishes.output)
    if wishes.as_json:
        console.print_json(content)
    else:
        _show(found)
        console.out.print(
            f"read in {read_s:.1f} s, fitted and counted in {fit_s:.1f} s; page: {page}",
            markup=False,
        )
    _keep(name, recipe, found, counts, wishes)


def _keep(
    name: str, recipe: Recipe, found: AnchorStudy, counts: Sequence[int], wishes: Wishes
) -> None:
    """Write the anchors into the user's recipe, or print the section; say what has to follow."""
    if found.gain < 0 and found.certain:
        console.warn(f"{found.recipe}: the recipe's own anchors reach more objects")
    if wishes.write is None:
        if not wishes.as_json:
            console.print_line(found.section)
        return
    write_anchors(wishes.write, recipe_file(name), recipe, found.after.levels, found.note)
    console.say(f"{wishes.write}: network.anchors written, the rest as it was")
    if found.before is not None and found.before.sha256 == found.after.sha256:
        return
    heads = "" if tuple(map(len, recipe.network.anchors)) == tuple(counts) else ", its heads anew"
    console.say(
        f"a checkpoint hangs on its anchors: train{heads}, then export: hexdet train {wishes.write}"
    )


def _show(found: AnchorStudy) -> None:
    truths = found.collected.fitted
    console.out.print(
        f"{found.network} on {found.dataset}: {len(truths.boxes):,} {found.fitted_to} objects in "
        f"{truths.images:,} images, {truths.ignored:,} marked ignore left out",
        markup=False,
    )
    console.out.print(_level_table(found))
    for kind in sorted(found.after.recall, key=lambda kind: kind != found.fitted_to):
        console.out.print(_recall_table(found, kind))
    console.out.print(found.verdict, markup=False)


def _level_table(found: AnchorStudy) -> Table:
    before, after = found.before, found.after
    old = "" if before is None else f"{before.count:,} before, "
    title = f"anchors by level, width x height px: {old}{after.count:,} fitted"
    table = Table(title=escape(title), title_justify="left")
    for heading in ("stride", "for sides", "objects"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("before",) * (before is not None) + ("fitted", "by"):
        table.add_column(heading)
    for index, level in enumerate(found.fits):
        by = "k-means" if level.method == "kmeans" else "statistics"
        sizes = [
            ", ".join(f"{w:g} x {h:g}" for w, h in known.levels[index])
            for known in (before, after)
            if known is not None
        ]
        table.add_row(
            str(level.stride),
            f"{level.band[0]:.0f}-{level.band[1]:.0f} px",
            f"{level.boxes:,}",
            *sizes,
            escape(by + (f": {level.remark}" if level.remark else "")),
        )
    return table


def _recall_table(found: AnchorStudy, kind: str) -> Table:
    title = f"{kind} objects reached at IoU {found.match_iou:g}"
    table = Table(title=escape(title), title_justify="left")
    table.add_column("objects")
    table.add_column("number", justify="right", no_wrap=True)
    sets = [known.recall[kind] for known in (found.before, found.after) if known is not None]
    for what in ("recall\n", "best IoU\n", "anchors an\nobject "):
        for when in ("before", "fitted")[-len(sets) :]:
            table.add_column(what + when, justify="right", no_wrap=True)
    for rows in zip(*sets, strict=True):
        if rows[0].objects:
            table.add_row(
                escape(rows[0].name),
                f"{rows[0].objects:,}",
                *(f"{row.recall:.4f}" for row in rows),
                *(f"{row.mean_best_iou:.3f}" for row in rows),
                *(f"{row.anchors_per_object:.1f}" for row in rows),
            )
    return table
