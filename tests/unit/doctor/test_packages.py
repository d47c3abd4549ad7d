"""The packages: what is asked for, what is pinned, and what an import that fails is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hexdet.doctor.finding import Status
from hexdet.doctor.packages import (
    PAIR,
    Imports,
    judge,
    judge_pair,
    read_imports,
    try_imports,
)
from hexdet.doctor.requirements import CONSTRAINTS, Package, names_of, needed, pinned

GOOD = Imports(errors={})


def package(name: str, installed: str = "1.0", pinned: str = "1.0") -> Package:
    return Package(name=name, installed=installed, pinned=pinned)


@pytest.mark.parametrize(
    ("requirements", "extra", "names"),
    [
        ([], "", []),
        (["numpy", "torch; extra == 'toolchain'"], "", ["numpy"]),
        (["numpy", 'PyYAML>=6; extra == "toolchain"'], "toolchain", ["pyyaml"]),
        (["dask[distributed]; extra == 'cluster'"], "cluster", ["dask"]),
        (["a.b-c_d==1"], "", ["a.b-c_d"]),
    ],
)
def test_names_of_requirements(requirements: list[str], extra: str, names: list[str]) -> None:
    assert names_of(requirements, extra) == names


def test_pins_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "constraints.txt"
    assert pinned(path) == {}
    path.write_text("# a == comment\nPyYAML==6.0.3\n\nbackports_zstd == 1.2\n")
    assert pinned(path) == {"pyyaml": "6.0.3", "backports-zstd": "1.2"}


@pytest.mark.parametrize("extra", ["", "toolchain"])
def test_everything_that_hexdet_needs_is_pinned(extra: str) -> None:
    wanted = needed(extra)
    assert len(wanted) >= 5
    assert [p.name for p in wanted if not p.pinned] == []


def test_the_pair_is_among_what_is_needed() -> None:
    assert set(PAIR) <= {p.name for p in needed() + needed("toolchain")}
    assert CONSTRAINTS.is_file()


@pytest.mark.parametrize(
    ("installed", "wanted", "same"),
    [("2.13.0", "2.13.0", True), ("2.13.0+cpu", "2.13.0", True), ("2.13.1", "2.13.0", False),
     ("1.0", "", True)],
)  # fmt: skip
def test_a_build_for_a_gpu_is_the_same_version(installed: str, wanted: str, same: bool) -> None:
    assert package("torch", installed, wanted).as_pinned is same


@pytest.mark.parametrize(
    ("packages", "errors", "status", "said"),
    [
        ([package("a", "")], {}, "missing", "none of them"),
        ([package("a"), package("b", "")], {}, "missing", "not there: b"),
        ([package("a"), package("b")], {"b": "ImportError: no libX"}, "broken", "b 1.0 does not"),
        ([package("a", "2.0"), package("b")], {}, "differs", "a 2.0 (tested: 1.0)"),
        ([package("a"), package("b")], {}, "ok", "2 packages, as pinned"),
        # What does not import counts more than what has another version.
        ([package("a", "2.0")], {"a": "ImportError"}, "broken", "a 2.0 does not"),
    ],
)
def test_a_group_is_as_good_as_its_worst(
    packages: list[Package], errors: dict[str, str], status: Status, said: str
) -> None:
    finding = judge("group", packages, Imports(errors=errors), "pip install it", ("export",))
    assert finding.status == status
    assert said in finding.found
    assert bool(finding.advice) is (status != "ok")


@pytest.mark.parametrize(
    ("versions", "status"), [(("1.0", ""), "missing"), (("1.0", "1.0"), "ok"),
                             (("1.0", "2.0"), "differs")]
)  # fmt: skip
def test_the_pair_belongs_together(versions: tuple[str, str], status: Status) -> None:
    finding = judge_pair([package(n, v) for n, v in zip(PAIR, versions, strict=True)])
    assert finding.status == status
    if status == "differs":
        assert finding.advice == "pip install onnxruntime==1.0 onnxruntime-qnn==1.0"


def lines(*rows: dict[str, object]) -> list[str]:
    return [json.dumps(row) for row in rows]


@pytest.mark.parametrize(
    ("written", "ended", "imports"),
    [
        ([], "", GOOD),
        (lines({"module": "a", "state": "begun"}, {"module": "a", "state": "done"}), "", GOOD),
        (lines({"module": "a", "state": "begun"}), "ended by SIGSEGV",
         Imports(errors={"a": "ended by SIGSEGV"})),
        (lines({"module": "a", "state": "failed", "error": "no"}), "", Imports(errors={"a": "no"})),
        (lines({"cuda": {"built_for": "12.6", "gpus": ["H200"]}}), "",
         Imports(errors={}, built_for="12.6", gpus=("H200",))),
    ],
)  # fmt: skip
def test_what_the_worker_wrote(written: list[str], ended: str, imports: Imports) -> None:
    assert read_imports(written, ended) == imports


@pytest.mark.parametrize(
    ("body", "limit_s", "said"),
    [
        ("", 30.0, None),
        ("import no_such_module", 30.0, "no_such_module"),
        ("raise RuntimeError('built for another numpy')", 30.0, "built for another numpy"),
        ("import os; os.abort()", 30.0, "SIGABRT"),
        ("import time; time.sleep(60)", 1.0, "no answer in 1 s"),
    ],
)
def test_an_import_may_fail_in_any_way(
    body: str, limit_s: float, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "suspect.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    imports = try_imports([package("json"), package("suspect")], limit_s=limit_s)
    if said is None:
        assert imports == GOOD
    else:
        assert list(imports.errors) == ["suspect"]
        assert said in imports.errors["suspect"]
