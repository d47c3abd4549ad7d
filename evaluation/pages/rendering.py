"""Self-contained HTML pages out of templates: everything inline, every foreign text escaped."""

from __future__ import annotations

from pathlib import Path

import jinja2


def page_environment(folder: Path) -> jinja2.Environment:
    """Return the environment of the templates in `folder`.

    A template there may include `style.css.j2`, the style that all pages share: light and dark,
    readable on a phone. An undefined name is an error.
    """
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
