"""Two DLCs compared: nothing differs that is the same, and everything that differs is named."""

from __future__ import annotations

import pytest

from hexdet.export.dlc_file import compare, read_dlc


@pytest.fixture
def differences(build, save):
    """Return a function from the changed entries of the second file to what differs."""

    def find(**changed):
        entries = build.v4() | changed
        return compare(read_dlc(save(build.v4())), read_dlc(save(entries)))

    return find


def _swap(entry, old, new):
    assert old in entry and len(old) == len(new)
    return entry.replace(old, new)


def test_the_same_content_is_identical(differences):
    found = differences()
    assert found.identical and found.differences == ()


def test_two_runs_of_qualcomms_libraries_are_identical(written):
    first, second = read_dlc(written.dlc), read_dlc(written.again)
    assert compare(first, second).identical


def test_generated_numbers_and_the_graphs_name_are_no_difference(build, differences):
    model = _swap(build.v4()["model"], b"c_token_7", b"c_token_9")
    model = _swap(model, b"graph", b"hparg")
    parameters = _swap(build.v4()["model.params"], b"graph", b"hparg")
    assert differences(model=model, **{"model.params": parameters}).identical


def test_weights(build, differences):
    found = differences(**{"model.params.bin": build.v4(weight=9)["model.params.bin"]})
    (difference,) = found.differences
    assert (difference.aspect, difference.name) == ("weights", "w")
    assert difference.second == "6 bytes, 1 of 6 differ, by 4 at most"
    assert found.about("weights") == found.differences and found.about("shape") == ()


def test_an_attribute_that_is_a_tensor(build, differences):
    found = differences(**{"model.params.bin": build.v4(stride=1)["model.params.bin"]})
    assert [(one.aspect, one.name) for one in found.differences] == [("weights", "c.stride")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"Conv2d", b"Conv3d", {("type", "c")}),
        (b"hand", b"foot", {("attribute", "c.packageName")}),
        (b"group\0", b"grope\0", {("attribute", "c.group"), ("attribute", "c.grope")}),
        (b"\0\0\0\x3c", b"\0\0\0\x3d", {("encoding", "x")}),
        (b"c_token_7", b"d_token_7", {("layer", "c"), ("layer", "d")}),
        (b"\x08\x04\0\0", b"\x08\x01\0\0", {("dtype", "x")}),
        (b"\x04\0\0\0\x04\0\0\0\x02\0\0\0", b"\x04\0\0\0\x05\0\0\0\x02\0\0\0", {("shape", "x")}),
    ],
)
def test_what_differs_in_the_model(build, differences, old, new, expected):
    found = differences(model=_swap(build.v4()["model"], old, new))
    assert {(one.aspect, one.name) for one in found.differences} == expected


def test_different_files(build, save):
    found = compare(read_dlc(save(build.v4())), read_dlc(save(build.v3())))
    assert [one.name for one in found.about("file")] == ["container version"]
    layers = {(one.name, one.first, one.second) for one in found.about("layer")}
    assert layers == {
        ("c", "Conv2d", "absent"),
        ("x", "absent", "Input"),
        ("fc", "absent", "FullyConnected"),
    }
    assert {one.name for one in found.about("tensor")} >= {"w"}
    assert not found.identical


def test_genuine_files_of_one_network(sample):
    old = read_dlc(sample("nnstreamer/add2_float.v1.dlc"))
    new = read_dlc(sample("nnstreamer/add2_float.v2.dlc"))
    assert compare(old, old).identical and compare(new, new).identical
    assert {one.name for one in compare(old, new).about("file")} == {
        "container version",
        "converter version",
    }
