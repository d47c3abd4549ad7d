"""Links between the pages, to files and to headings lead somewhere; every page can be reached."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from docs.pages import ROOT, anchors, links, pages

PAGES = pages()
README_LINES = 100


def _ours(page: Path) -> list[tuple[Path, str]]:
    """Return the file and the anchor of each link that leads into the repository."""
    found = []
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        place, _, anchor = unquote(link).partition("#")
        found.append(((page.parent / place).resolve() if place else page, anchor))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in _ours(page):
        assert target.exists(), f"{page.name}: {target} is not there"
        assert target.is_relative_to(ROOT), f"{page.name}: {target} is outside the repository"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {target.name} has no #{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_that_are_named_exist(page: Path) -> None:
    own = "|".join(sorted({path.parent.name for path in ROOT.glob("*/__init__.py")}))
    named = re.findall(rf"`((?:{own}|tests)/[\w/]+\.\w+)`", page.read_text(encoding="utf-8"))
    # `mine` is what a reader adds.
    missing = [name for name in named if not (ROOT / name).exists()]
    assert [name for name in missing if Path(name).stem != "mine"] == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting += [target for target, _ in _ours(page) if target.suffix == ".md"]
    assert set(PAGES) <= reached


def test_the_readme_stays_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= README_LINES


@pytest.mark.parametrize(
    ("link", "anchor"),
    [("a page's `own` heading", "a-pages-own-heading"), ("INT8 (8 bit)", "int8-8-bit")],
)
def test_anchors_are_github_s(link: str, anchor: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# {link}\n\n# {link}\n", encoding="utf-8")
    assert anchors(page) == {anchor, f"{anchor}-1"}
