"""Only the block of the anchors changes, wherever and however it stands in the file."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hexdet.training.anchor_fitting.yaml_edit import anchors_section, replace_anchors

NEW = [((1.5, 2.0), (3.0, 4.0)), ((5.0, 6.5),)]
BLOCK = "    # note\n    - [[1.5, 2.0], [3.0, 4.0]]\n    - [[5.0, 6.5]]\n"
FLOW = "[[[1.5, 2.0], [3.0, 4.0]], [[5.0, 6.5]]]"

CASES = {
    "empty": ("", f"network:\n  anchors:\n{BLOCK}"),
    "comments alone": ("# mine\n", f"# mine\nnetwork:\n  anchors:\n{BLOCK}"),
    "no section": (
        "name: a  # mine\ndata:\n  train: 3\n\n# the end\n",
        f"name: a  # mine\ndata:\n  train: 3\n\nnetwork:\n  anchors:\n{BLOCK}\n# the end\n",
    ),
    "no section, no line end": ("name: a", f"name: a\n\nnetwork:\n  anchors:\n{BLOCK}"),
    "an empty section": (
        "network:   # mine\ndata: {}\n",
        f"network:   # mine\n  anchors:\n{BLOCK}data: {{}}\n",
    ),
    "a section that says null": (
        "network: ~   # mine\ndata: {}\n",
        f"network:   # mine\n  anchors:\n{BLOCK}data: {{}}\n",
    ),
    "a section without anchors": (
        "network:\n    name: x   # mine\n    width: 96\n\n# then\ndata: {}\n",
        "network:\n    name: x   # mine\n    width: 96\n    anchors:\n"
        "      # note\n      - [[1.5, 2.0], [3.0, 4.0]]\n      - [[5.0, 6.5]]\n"
        "\n# then\ndata: {}\n",
    ),
    "a block": (
        "network:\n  # why\n  anchors:   # those\n    # old\n    - [[9, 9], [8, 8]]  # big\n"
        "    - - [7, 7]\n\n  # below\n  width: 96\n",
        f"network:\n  # why\n  anchors:   # those\n{BLOCK}\n  # below\n  width: 96\n",
    ),
    "a block at the end": (
        "network:\n  anchors:\n  - [[9, 9]]\n  - [[8, 8]]",
        f"network:\n  anchors:\n{BLOCK}",
    ),
    "on one line": (
        "network:\n  anchors: [[[9, 9]], [[8, 8]]]  # mine\n  width: 96\n",
        f"network:\n  anchors: {FLOW}  # mine\n  width: 96\n",
    ),
    "a list in brackets over lines": (
        "network:\n  anchors: [\n    [[9, 9]],  # a\n    [[8, 8]]\n  ]  # mine\n  width: 96\n",
        f"network:\n  anchors: {FLOW}  # mine\n  width: 96\n",
    ),
    "brackets on the next line": (
        "network:\n  anchors:\n    [[[9, 9]]]\ndata: {}\n",
        f"network:\n  anchors:\n    {FLOW}\ndata: {{}}\n",
    ),
    "a section in braces": (
        "network: {name: x, anchors: [[[9, 9]]], width: 96}  # mine\n",
        f"network: {{name: x, anchors: {FLOW}, width: 96}}  # mine\n",
    ),
    "braces without anchors": (
        "network: {name: x}\n",
        f"network: {{anchors: {FLOW}, name: x}}\n",
    ),
    "empty braces": ("network: {}\n", f"network: {{anchors: {FLOW}}}\n"),
    "JSON": (
        '{"name": "x"}',
        f'{{network: {{anchors: {FLOW}}}, "name": "x"}}',
    ),
    "JSON with anchors": (
        '{"network": {"anchors": [[[9, 9]]]}, "name": "x"}\n',
        f'{{"network": {{"anchors": {FLOW}}}, "name": "x"}}\n',
    ),
    "no value": (
        "network:\n  anchors:   # mine\n  width: 96\n",
        f"network:\n  anchors: {FLOW}   # mine\n  width: 96\n",
    ),
    "a text in lines before": (
        "name: |\n  a\n  b\n",
        f"name: |\n  a\n  b\n\nnetwork:\n  anchors:\n{BLOCK}",
    ),
    "a document's marks": (
        "---\nnetwork:\n  anchors:\n    - [[9, 9]]\n...\n",
        f"---\nnetwork:\n  anchors:\n{BLOCK}...\n",
    ),
    "beyond ASCII": (
        "# größer \U0001f4f7\nname: x\nnetwork: {anchors: [[[9, 9]]]}  # groß\n",
        f"# größer \U0001f4f7\nname: x\nnetwork: {{anchors: {FLOW}}}  # groß\n",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_anchors_are_replaced_and_nothing_else(name: str) -> None:
    before, after = CASES[name]
    assert replace_anchors(before, NEW, "note") == after


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name][0].endswith("\n")])
def test_lines_that_end_as_on_windows_stay_so(name: str) -> None:
    before, after = (text.replace("\n", "\r\n") for text in CASES[name])
    assert replace_anchors(before, NEW, "note") == after


@pytest.mark.parametrize("name", CASES)
def test_what_comes_out_says_the_same_of_everything_else(name: str) -> None:
    before = yaml.safe_load(CASES[name][0]) or {}
    after = yaml.safe_load(replace_anchors(CASES[name][0], NEW, "note"))
    wanted = [[list(pair) for pair in level] for level in NEW]
    assert after == {**before, "network": {**(before.get("network") or {}), "anchors": wanted}}


@pytest.mark.parametrize("name", CASES)
def test_replacing_twice_is_replacing_once(name: str) -> None:
    once = replace_anchors(CASES[name][0], NEW, "note")
    assert replace_anchors(once, NEW, "note") == once


sides = st.floats(0.1, 2048).map(lambda v: round(v, 1))
levels = st.lists(
    st.lists(st.tuples(sides, sides), min_size=1, max_size=3).map(tuple), min_size=1, max_size=4
)


@given(anchors=levels)
def test_the_printed_section_reads_as_the_anchors(
    anchors: list[tuple[tuple[float, float], ...]],
) -> None:
    read = yaml.safe_load(anchors_section(anchors, "of 9,611 objects: recall 0.974"))
    assert read == {"network": {"anchors": [[list(pair) for pair in v] for v in anchors]}}
