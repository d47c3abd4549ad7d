"""Tensor files: the same content gives the same bytes, which the library reads as its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from hexdet.training.tensor_file import write_tensors

TENSORS = {"b": torch.arange(3, dtype=torch.float16), "a": torch.ones(2, 2)}
TEXTS = {f"key {index}": f"ä {index}" for index in range(12)}
AGAIN = """
import sys, torch
from pathlib import Path
from hexdet.training.tensor_file import write_tensors
tensors = {"a": torch.ones(2, 2), "b": torch.arange(3, dtype=torch.float16)}
write_tensors(Path(sys.argv[1]), tensors, {f"key {i}": f"ä {i}" for i in reversed(range(12))})
"""


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    path = write_tensors(tmp_path / "x.safetensors", TENSORS, TEXTS)
    found = load_file(path)
    assert found.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)
    with safe_open(path, "pt") as stream:
        assert stream.metadata() == TEXTS


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    path = write_tensors(tmp_path / "x.safetensors", TENSORS, TEXTS)
    other = tmp_path / "y.safetensors"
    subprocess.run([sys.executable, "-c", AGAIN, str(other)], check=True)
    assert path.read_bytes() == other.read_bytes()
