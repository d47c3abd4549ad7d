"""Figures are remembered whatever happens to the file, and held against their intervals."""

from __future__ import annotations

import dataclasses
import itertools
import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from hexdet.benchmarks import history, results
from hexdet.benchmarks.cost.network import LAYER, Network, Operation
from hexdet.benchmarks.results import Result, append, read, recorder
from hexdet.errors import ArtifactError, ParityError


def layer_chain(sizes: list[int], *, all_out: bool = False) -> Network:
    """Return a chain of layers between tensors of these sizes; all of them may be outputs."""
    names = [f"t{n}" for n in range(len(sizes))]
    return Network(
        layers=tuple(
            Operation(name=b, type="L", kind=LAYER, inputs=(a,), outputs=(b,))
            for a, b in itertools.pairwise(names)
        ),
        elements=dict(zip(names, sizes, strict=True)),
        inputs=(names[0],),
        outputs=tuple(names[1:]) if all_out else (names[-1],),
    )


def result(value: float = 1.0, **changes: Any) -> Result:
    known = recorder(artifact="a/int8.onnx", sha256="0" * 64)("speedup", value, "1", n=3)
    return dataclasses.replace(known, **changes)


def test_what_is_appended_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.jsonl"
    assert append(path, []) == 0 and read(path) == []
    first, second = result(1.0), result(2.0, spread=0.25)
    assert append(path, [first]) == 1 and append(path, [second]) == 1
    assert read(path) == [first, second]


def test_a_torn_line_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "results.jsonl"
    append(path, [result(1.0), result(2.0)])
    whole = path.read_bytes()
    for cut in (1, 2, 40, len(whole) // 3):
        path.write_bytes(whole[:-cut])
        append(path, [result(3.0)])
        kept = [1.0, 2.0, 3.0] if cut == 1 else [1.0, 3.0]
        assert [r.value for r in read(path)] == kept
    assert "1 lines are no results" in caplog.text


@pytest.mark.parametrize(
    "line", ["", "{}", "[1]", "null", '{"time": 1}', "\xff", "[" * 100_000],
    ids=["empty", "no keys", "list", "null", "one key", "not UTF-8", "deep"],
)  # fmt: skip
def test_foreign_lines_are_left_out(tmp_path: Path, line: str) -> None:
    path = tmp_path / "results.jsonl"
    append(path, [result(1.0)])
    with path.open("ab") as stream:
        stream.write(line.encode("latin-1") + b"\n")
    bad = dataclasses.asdict(result(1.0)) | {"value": "1"}
    with path.open("a") as stream:
        stream.write(json.dumps(bad) + "\n")
    assert [r.value for r in read(path)] == [1.0]


def test_figures_that_are_not_finite_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert append(path, [result(float("nan")), result(float("inf")), result(1.0)]) == 1
    assert [r.value for r in read(path)] == [1.0]


def _append_many(path: Path, value: float) -> None:
    for _ in range(20):
        append(path, [result(value), result(value)])


def test_processes_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    context = multiprocessing.get_context("fork")
    work = [context.Process(target=_append_many, args=(path, float(n))) for n in range(3)]
    for process in work:
        process.start()
    for process in work:
        process.join()
    assert all(process.exitcode == 0 for process in work)
    found = [r.value for r in read(path)]
    assert len(found) == 3 * 40 and found[0::2] == found[1::2]


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.jsonl"
    append(path, [result(1.0)])
    before, write = path.read_bytes(), results.os.write

    def half(handle: int, data: Any) -> int:
        if len(data) < 100:
            raise OSError(28, "No space left on device")
        return write(handle, data[: len(data) // 2])

    monkeypatch.setattr(results.os, "write", half)
    with pytest.raises(ArtifactError, match="No space left"):
        append(path, [result(2.0)])
    monkeypatch.undo()
    assert path.read_bytes() == before


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        read(tmp_path / "none.jsonl")


def test_history_sorts_by_time_and_filters_by_metric(tmp_path: Path) -> None:
    rows = [
        result(2.0, time="2024-01-02T00:00:00+00:00"),
        result(1.0, time="2024-01-01T00:00:00"),
        result(9.0, metric="macs"),
    ]
    found = history.series(rows)
    assert [(one.metric, one.newest.value) for one in found] == [("macs", 9.0), ("speedup", 2.0)]
    assert [one.metric for one in history.series(rows, ["mac"])] == ["macs"]
    assert history.series([]) == []
    page = history.save_page(found, tmp_path / "h.html").read_text()
    assert page.count("<circle") == 2  # one run is no course: it is told in words
    assert "One run, " in page and "2 runs, from 2024-01-01T00:00 to 2024-01-02T00:00" in page
    assert "No such measurement" in history.save_page([], tmp_path / "h.html").read_text()


def interval(low: float | None, high: float | None) -> history.Interval:
    return history.Interval(
        artifact="a/int8.onnx", target="", metric="speedup", low=low, high=high, why="because"
    )


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [
        (None, 2.0, "ok"), (2.0, None, "ok"), (1.0, 3.0, "ok"),
        (None, 1.99, "regression"), (2.01, None, "regression"), (3.0, 4.0, "regression"),
    ],
)  # fmt: skip
def test_the_newest_figure_is_held_against_its_interval(
    low: float | None, high: float | None, status: str
) -> None:
    rows = [
        result(2.0, time="2024-01-02T00:00:00+00:00"),
        result(9.0, time="2024-01-01T00:00:00+00:00"),
    ]
    assert [row.status for row in history.check(rows, [interval(low, high)])] == [status]
    assert [row.status for row in history.check([], [interval(low, high)])] == ["not measured"]


def test_the_shipped_intervals_can_be_read() -> None:
    found = history.load_expected()
    assert found and all(one.why for one in found)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", '{"schema": 2, "intervals": []}', '{"schema": 1, "intervals": []}',
        '{"schema": 1, "intervals": [{"artifact": "a"}]}',
        '{"schema": 1, "intervals": [{"artifact": "a", "target": "", "metric": "m", '
        '"low": 2, "high": 1, "why": "w"}]}',
    ],
)  # fmt: skip
def test_files_that_limit_nothing_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ArtifactError):
        history.load_expected(tmp_path)


def test_a_regression_is_an_error_of_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hexdet.cli.verbs.bench_results import bench_check

    memory = tmp_path / "results.jsonl"
    append(memory, [result(2.0)])
    folder = tmp_path / "expected"
    folder.mkdir()
    for high, missed in ((3.0, False), (1.5, True)):
        content = {"schema": 1, "intervals": [dataclasses.asdict(interval(1.0, high))]}
        (folder / "a.json").write_text(json.dumps(content))
        if missed:
            with pytest.raises(ParityError, match="because") as caught:
                bench_check(memory, folder, as_json=True)
            assert caught.value.exit_code == 3
        else:
            bench_check(memory, folder, as_json=True)
        assert json.loads(capsys.readouterr().out)[0]["status"] in ("ok", "regression")
