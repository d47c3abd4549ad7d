"""Damaged and malicious DLCs: only ArtifactError comes out, soon and in little memory."""

from __future__ import annotations

import contextlib
import json
import random
import struct
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.errors import ArtifactError
from hexdet.export.dlc_file import compare, read_dlc, tabulate
from hexdet.export.dlc_file.limits import MAX_STEPS

EDITS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from("BIQ"), st.integers(0)),
    min_size=1,
    max_size=4,
)


def _edited(content: bytes, edits) -> bytes:
    """Write numbers at places given as shares of the length."""
    data = bytearray(content)
    for share, code, value in edits:
        width = struct.calcsize(f"<{code}")
        at = int(share * len(data)) // width * width
        if at + width <= len(data):
            struct.pack_into(f"<{code}", data, at, value % (1 << 8 * width))
    return bytes(data)


@pytest.fixture(scope="module")
def judge(fuzzer, tmp_path_factory):
    """Return a function that does with the bytes of a DLC whatever can be done with one."""
    path = tmp_path_factory.mktemp("damaged") / "damaged.dlc"

    def use(content: bytes) -> None:
        path.write_bytes(content)
        with contextlib.suppress(ArtifactError):
            fuzzer.use(path, read_dlc(path))

    return use


@pytest.mark.parametrize("version", ["v3", "v4"])
@pytest.mark.parametrize("part", ["model", "model.params", "dlc.metadata"])
@settings(deadline=None, max_examples=60)
@given(edits=EDITS, cut=st.integers(0, 3000))
def test_edited_entries(build, fuzzer, judge, version, part, edits, cut):
    entries = getattr(build, version)()
    entries[part] = _edited(entries[part], edits)[: cut or None]
    judge(fuzzer.pack(entries))


@settings(deadline=None, max_examples=100)
@given(edits=EDITS)
def test_edited_archives(build, fuzzer, judge, edits):
    judge(_edited(fuzzer.pack(build.v4()), edits))


@settings(deadline=None, max_examples=60)
@given(content=st.binary(max_size=300), header=st.sampled_from([2, 3, 4]))
def test_random_models(fuzzer, judge, content, header):
    """Container v2 is a protocol buffer, so that random bytes get far."""
    judge(fuzzer.pack({"model": struct.pack("<HHI", 0x0AD5, header, 0) + content}))


def test_every_shorter_model_is_judged(build, fuzzer, judge):
    for entries in (build.v3(), build.v4()):
        whole = entries["model"]
        for size in range(0, len(whole), 7):
            judge(fuzzer.pack({**entries, "model": whole[:size]}))


def test_attributes_nested_beyond_the_limit_are_refused(build, save):
    assert "in.in.in.leaf" in read_dlc(save(build.v3(depth=3))).model.nodes[1].attributes
    with pytest.raises(ArtifactError, match="nested"):
        read_dlc(save(build.v3(depth=200)))


def test_an_attribute_that_would_hold_itself_is_refused(build, save):
    """Offsets lead forward only: a circle would need one that wraps around 32 bits."""
    flat = build.Flat()
    fields = {0: ("@", flat.text("loop")), 1: ("B", 11), 12: ("@", flat.offsets([]))}
    node = flat.table({5: ("@", flat.offsets([flat.table(fields)]))})
    model = bytearray(flat.finish(flat.table({1: ("@", flat.offsets([node]))}), b"NETD"))
    for at in range(8, len(model) - 4, 4):
        for back in (4, at // 2, at):
            edited = bytes(model[:at]) + struct.pack("<i", -back) + bytes(model[at + 4 :])
            with contextlib.suppress(ArtifactError):
                read_dlc(save({"model": build.V3 + edited}))


def _shared(build, nodes: int, attributes: int) -> bytes:
    """Return a model of many nodes that are one node, each with many attributes that are one."""
    flat = build.Flat()
    value = flat.table({0: ("I", 0x132), 1: ("q", 1)})
    attribute = flat.table({0: ("@", flat.text("a")), 3: ("@", value)})
    several = flat.offsets([attribute] * attributes)
    node = flat.table({0: ("@", flat.text("n")), 4: ("@", several)})
    graph = flat.table({1: ("@", flat.offsets([node] * nodes))})
    return build.V4 + flat.finish(flat.table({0: ("@", flat.offsets([graph]))}), b"NETD")


@pytest.mark.parametrize(("nodes", "attributes"), [(5000, 5000), (1, 50_000), (50_000, 1)])
def test_a_small_file_that_unfolds_is_refused_soon(build, save, nodes, attributes):
    path = save({"model": _shared(build, nodes, attributes)})
    started = time.process_time()
    with pytest.raises(ArtifactError, match=str(MAX_STEPS)):
        read_dlc(path)
    assert time.process_time() - started < 1


def test_reading_values_again_and_again_is_refused(build, save):
    """Many tensors, each of them the whole of a large entry, would take for ever to compare."""
    flat = build.Flat()
    place = flat.table({0: ("q", 0), 1: ("q", 1 << 20)})
    tensors = [flat.table({0: ("@", flat.text(str(i))), 3: ("@", place)}) for i in range(50)]
    graph = flat.table({0: ("@", flat.text("graph")), 1: ("@", flat.offsets(tensors))})
    entries = build.v4()
    content = flat.finish(flat.table({0: ("@", flat.offsets([graph]))}), b"NETP")
    entries |= {"model.params": build.V4 + content, "model.params.bin": bytes(1 << 20)}
    with pytest.raises(ArtifactError, match="far more bytes"):
        read_dlc(save(entries))


def test_a_deep_or_broken_json_is_refused(build, save):
    for text in ("{" + '"a":{' * 100_000, '{"a":' * 50 + "1" + "}" * 50, '{"a": 1'):
        with pytest.raises(ArtifactError):
            read_dlc(save({**build.v4(), "dlc.metadata2.3.0": text.encode()}))
    keys = json.dumps({str(index): 0 for index in range(20_000)}).encode()
    with pytest.raises(ArtifactError, match="metadata"):
        read_dlc(save({**build.v4(), "dlc.metadata2.3.0": keys}))
    with pytest.raises(ArtifactError, match="too large"):
        read_dlc(save({**build.v4(), "dlc.metadata": bytes(2 << 20)}))


def test_impossible_shapes(build, save):
    """A shape that no memory holds is shown, and refused where values are asked for."""
    entries = build.v4()
    sizes = struct.pack("<5I", 4, 1, 1, 2, 3)
    assert sizes in entries["model"]
    entries["model"] = entries["model"].replace(sizes, struct.pack("<5I", 4, *[0xFFFFFFFF] * 4))
    dlc = read_dlc(save(entries))
    assert dlc.model.tensors["w"].element_count == 0xFFFFFFFF**4
    with pytest.raises(ArtifactError):
        _ = dlc.model.tensors["w"].data
    assert tabulate(dlc).total_parameters == 0xFFFFFFFF**4
    assert compare(dlc, read_dlc(save(build.v4()))).about("shape")


def test_the_fuzzer_finds_nothing_in_a_moment(build, fuzzer, save):
    seeds = [save(build.v4()), save(build.v3())]
    tracemalloc.start()
    report = fuzzer.fuzz(seeds, 300, seed=7)
    tracemalloc.stop()
    assert report.failures == [] and report.count == 300
    assert report.outcomes["read"] > 20 and report.outcomes["refused"] > 20
    assert report.worst_traced_bytes < 16 << 20


def test_the_fuzzer_repeats_itself_and_reports_what_fails(build, fuzzer, save, monkeypatch):
    content = fuzzer.pack(build.v4())
    first, second = (fuzzer.damage(content, [content], random.Random("1:2")) for _ in range(2))
    assert first == second != content
    monkeypatch.setattr(fuzzer, "read_dlc", read_dlc)

    def broken(path, original):
        raise IndexError("not caught")

    monkeypatch.setattr(fuzzer, "use", broken)
    report = fuzzer.fuzz([save(build.v4())], 3)
    assert report.failures[0] == (0, "IndexError: not caught")
    assert "failures 3" in "\n".join(report.lines())
