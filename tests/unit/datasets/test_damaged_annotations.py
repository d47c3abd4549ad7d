"""Whatever the annotations have become, a reader gives a dataset or a DataError, and an inspection
with all faults kept goes on to the end."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hexdet.datasets.faults import Faults
from hexdet.datasets.opening import open_split
from hexdet.errors import DataError
from hexdet.evaluation.inspection.counting import Subject, inspect_dataset
from hexdet.runtime.contract import InputSpec

from .conftest import HEIGHT, WIDTH, recipe_of
from .test_formats import FORMATS, NAMES

PIECES = [
    b"", b"\0", b"\n", b" ", b"\xff", b"nan", b"inf", b"-1", b"1e400", b"99999999999999999999",
    b"{", b"]", b'"', b"<", b"null", b"..", b"/", b"#", b"(", b";", b"0.5 ", b"\\", b"\xc3\xa9",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 5), st.floats(0, 1), st.integers(0, 30), st.sampled_from(PIECES)),
        min_size=1,
        max_size=4,
    )
)
def test_a_damaged_annotation_is_a_data_error_or_none(
    name: str, edits: list[tuple[int, float, int, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    section, image, texts, _ = FORMATS[name]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        monkeypatch.setenv("HEXDET_DATA", str(root))
        contents = {path: text.encode() for path, text in texts.items()}
        for which, share, length, piece in edits:
            path = sorted(contents)[which % len(contents)]
            start = int(share * len(contents[path]))
            contents[path] = contents[path][:start] + piece + contents[path][start + length :]
        for path, content in contents.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / image), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        data = recipe_of(format=name, **section).data
        with contextlib.suppress(DataError):
            dataset = open_split(data, "train")
            dataset.fingerprint()
            dataset[0]
            assert isinstance(dataset.dropped, list)
        faults = Faults(keep=True)
        try:
            dataset = open_split(data, "train", faults)
        except DataError:
            return  # nothing of the dataset was understood
        spec = InputSpec(width=300, height=300)
        subject = Subject(recipe="r", format=name, split="train", input=spec)
        found, _ = inspect_dataset(dataset, subject, faults)
        assert found.images == len(dataset)
