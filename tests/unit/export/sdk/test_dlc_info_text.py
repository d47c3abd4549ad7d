"""snpe-dlc-info's printout in the shapes that its documents and public logs show."""

from __future__ import annotations

import pytest

from hexdet.errors import ToolError
from hexdet.export.sdk.dlc_info_text import read_dlc_info

DASHES = "-" * 60
OLD = f"""DLC info for: /path/model.dlc
Model Version: N/A
{DASHES}
| Id | Name | Type | Inputs | Outputs | Out Dims | Runtimes | Parameters |
| 0  | data | data | data   | data    | 1x224x224x3 | A D G C | input_preprocessing: passthrough |
|    |      |      |        |         |             |         | input_type: default              |
| 1  | conv1_1 | convolutional | data | conv1_1 | 1x224x224x64 | A D G C | padding x: 1 |
|    |         |               |      |         |              |         | param count: 1k (0.0013%) |
|    |         |               |      |         |              |         | MACs per inference: 86M (0.56%) |
{DASHES}
Note: The supported runtimes column assumes a processor target of Snapdragon 835 (8998)
Key : A:AIP
Total parameters: 138348355 (527 MB assuming single precision float)
Total MACs per inference: 15471M (100%)
Converter command: snpe-onnx-to-dlc key=value; key=value
Quantizer command: N/A
DLC created with converter version: 1.54.2.2899
Est. Steady-State Memory Needed to Run: 965.9 MiB
{DASHES}
"""  # noqa: E501
NEW = f"""Info of graph: net
{DASHES}
| Id | Name | Type | Inputs | Outputs | Out Dims | Runtimes | Parameters |
| 0 | c | Conv2d | x (data type: uFxp_8; tensor dimension: [1,8,8,3]; tensor type: APP_WRITE) | y (data type: uFxp_8; tensor dimension: [1,8,8,4]; tensor type: APP_READ) | 1x8x8x4 | D | x encoding : bitwidth 8, min -5.2, max 5.1, scale 0.040553, offset -129.0 |
| | | | w (data type: sFxp_8; tensor dimension: [3,3,3,4]; tensor type: STATIC) | | | | weight encoding: bitwidth 8, min -1, max 1, delta 0.008, offset 0.0 |
{DASHES}
| Input Name | Dimensions | Type | Encoding Info |
| x | 1,8,8,3 | uFxp_8 | bitwidth 8 |
{DASHES}
| Output Name | Dimensions | Type | Encoding Info |
| y | 1,8,8,4 | uFxp_8 | y encoding : bitwidth 8, min 0.0, max 6.0, scale 0.0235, offset 0.0 |
Total parameters: 112
Ops used by Graph: Conv2d
Memory Needed to Run: 1.5 MiB
"""  # noqa: E501


def test_of_1x() -> None:
    found = read_dlc_info(OLD)
    assert found.graphs == () and found.inputs == ()
    assert [(op.id, op.name, op.type, op.shape) for op in found.ops] == [
        (0, "data", "data", (1, 224, 224, 3)),
        (1, "conv1_1", "convolutional", (1, 224, 224, 64)),
    ]
    assert found.ops[0].parameters["input_type"] == "default"
    assert found.ops[1].parameters["MACs per inference"] == "86M (0.56%)"
    assert (found.ops[1].inputs, found.ops[1].runtimes) == (("data",), "A D G C")
    assert (found.total_parameters, found.total_macs) == (138348355, 15471000000)
    assert found.memory_mib == 965.9 and found.converter_version == "1.54.2.2899"
    assert found.converter_command.startswith("snpe-onnx-to-dlc") and not found.quantizer_command


def test_of_2x() -> None:
    found = read_dlc_info(NEW)
    assert found.graphs == ("net",)
    (op,) = found.ops
    assert op.inputs == ("x", "w") and op.outputs == ("y",)
    assert [(t.name, t.dtype, t.kind) for t in op.tensors] == [
        ("x", "uFxp_8", "APP_WRITE"),
        ("w", "sFxp_8", "STATIC"),
        ("y", "uFxp_8", "APP_READ"),
    ]
    assert [(e.tensor, e.scale, e.offset) for e in op.encodings] == [
        ("x", 0.040553, -129),
        ("", 0.008, 0),
    ]
    assert found.inputs[0].shape == (1, 8, 8, 3) and found.inputs[0].encoding is None
    assert found.outputs[0].encoding is not None and found.outputs[0].encoding.maximum == 6
    assert (found.total_parameters, found.total_macs, found.memory_mib) == (112, None, 1.5)


@pytest.mark.parametrize("text", ["", "No such file", "| Input Name | Dimensions |\n| x | 1 |\n"])
def test_without_a_table_it_is_an_error(text: str) -> None:
    with pytest.raises(ToolError, match="printed no table"):
        read_dlc_info(text)
