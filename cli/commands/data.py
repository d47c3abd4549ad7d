"""The verb `data`: one subcommand a question about a dataset. Heavy imports happen inside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import AsJson, Limit, Overrides, RecipeName, SplitChoice

data = typer.Typer(
    help="Look into a recipe's dataset.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@data.callback()
def _subcommands() -> None:
    """Keep `inspect` a subcommand: Typer would make an only one the verb itself."""


@data.command(
    epilog="Example: hexdet data inspect bccd; "
    "hexdet data inspect my.yaml --split test --limit 500 --out /tmp/look"
)
def inspect(
    recipe: RecipeName,
    overrides: Overrides = None,
    split: Annotated[SplitChoice, typer.Option()] = SplitChoice.train,
    limit: Limit = None,
    output: Annotated[
        Path | None,
        typer.Option("--out", help="Of page, JSON and sheet; else build/NAME/data/SPLIT."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count what a split holds, list what is wrong with it, and show some of its images.

    Every image is read. A defect never ends the inspection: it is listed.

    Written are inspect.html, inspect.json and contact_sheet.jpg.
    """
    from ...recipe import load_recipe
    from ..verbs.inspect import inspect as run

    parsed = load_recipe(recipe, overrides or ())
    folder = output or Path("build") / parsed.name / "data" / split.value
    run(parsed, split.value, limit, folder, as_json)
