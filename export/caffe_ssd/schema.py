"""Caffe's messages, as far as SSDs use them, for Google's protobuf library.

Names, numbers and defaults: src/caffe/proto/caffe.proto of BVLC/caffe and, for PriorBox, Permute,
Normalize, DetectionOutput and MultiBoxLoss, of the branch ssd of weiliu89/caffe. What a training
says besides (fillers, solvers, databases) is not here: unknown fields are passed over.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "hexdet_caffe"
FIELD = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "string": FIELD.TYPE_STRING,
    "bytes": FIELD.TYPE_BYTES,
    "bool": FIELD.TYPE_BOOL,
    "float": FIELD.TYPE_FLOAT,
    "double": FIELD.TYPE_DOUBLE,
    "int32": FIELD.TYPE_INT32,
    "int64": FIELD.TYPE_INT64,
    "uint32": FIELD.TYPE_UINT32,
}
ENUMS = {
    "Phase": {"TRAIN": 0, "TEST": 1},
    "EltwiseOp": {"PROD": 0, "SUM": 1, "MAX": 2},
    "PoolMethod": {"MAX": 0, "AVE": 1, "STOCHASTIC": 2},
    "CodeType": {"CORNER": 1, "CENTER_SIZE": 2, "CORNER_SIZE": 3},
}

# One line a field: number, [packed |*] type, name, [= default]; a star makes it repeated.
MESSAGES = {
    "BlobShape": "1 packed int64 dim",
    "BlobProto": """
        1 int32 num
        2 int32 channels
        3 int32 height
        4 int32 width
        5 packed float data
        7 BlobShape shape
        8 packed double double_data
        12 bytes raw_data""",
    "NetStateRule": "1 Phase phase",
    "ResizeParameter": """
        3 uint32 height
        4 uint32 width""",
    "TransformationParameter": """
        1 float scale = 1
        4 string mean_file
        5 * float mean_value
        8 ResizeParameter resize_param""",
    "InputParameter": "1 * BlobShape shape",
    "ConvolutionParameter": """
        1 uint32 num_output
        2 bool bias_term = true
        3 * uint32 pad
        4 * uint32 kernel_size
        5 uint32 group = 1
        6 * uint32 stride
        9 uint32 pad_h
        10 uint32 pad_w
        11 uint32 kernel_h
        12 uint32 kernel_w
        13 uint32 stride_h
        14 uint32 stride_w
        16 int32 axis = 1
        18 * uint32 dilation""",
    "BatchNormParameter": """
        1 bool use_global_stats
        3 float eps = 1e-5""",
    "ScaleParameter": """
        1 int32 axis = 1
        2 int32 num_axes = 1
        4 bool bias_term""",
    "ReLUParameter": "1 float negative_slope",
    "EltwiseParameter": """
        1 EltwiseOp operation = SUM
        2 * float coeff""",
    "ConcatParameter": """
        1 uint32 concat_dim = 1
        2 int32 axis = 1""",
    "PermuteParameter": "1 * uint32 order",
    "FlattenParameter": """
        1 int32 axis = 1
        2 int32 end_axis = -1""",
    "ReshapeParameter": """
        1 BlobShape shape
        2 int32 axis
        3 int32 num_axes = -1""",
    "SoftmaxParameter": "2 int32 axis = 1",
    "PoolingParameter": """
        1 PoolMethod pool = MAX
        2 uint32 kernel_size
        3 uint32 stride = 1
        4 uint32 pad
        5 uint32 kernel_h
        6 uint32 kernel_w
        7 uint32 stride_h
        8 uint32 stride_w
        9 uint32 pad_h
        10 uint32 pad_w
        12 bool global_pooling
        13 bool ceil_mode = true""",
    "NormalizeParameter": """
        1 bool across_spatial = true
        3 bool channel_shared = true
        4 float eps = 1e-10""",
    "PriorBoxParameter": """
        1 * float min_size
        2 * float max_size
        3 * float aspect_ratio
        4 bool flip = true
        5 bool clip
        6 * float variance
        7 uint32 img_size
        8 uint32 img_h
        9 uint32 img_w
        10 float step
        11 float step_h
        12 float step_w
        13 float offset = 0.5""",
    "NonMaximumSuppressionParameter": """
        1 float nms_threshold = 0.3
        2 int32 top_k
        3 float eta = 1""",
    "DetectionOutputParameter": """
        1 uint32 num_classes
        2 bool share_location = true
        3 int32 background_label_id
        4 NonMaximumSuppressionParameter nms_param
        6 CodeType code_type = CORNER
        7 int32 keep_top_k = -1
        8 bool variance_encoded_in_target
        9 float confidence_threshold""",
    "MultiBoxLossParameter": """
        1 uint32 num_classes = 21
        2 bool share_location = true
        3 int32 background_label_id
        4 CodeType code_type = CORNER""",
    "LayerParameter": """
        1 string name
        2 string type
        3 * string bottom
        4 * string top
        7 * BlobProto blobs
        8 * NetStateRule include
        9 * NetStateRule exclude
        100 TransformationParameter transform_param
        104 ConcatParameter concat_param
        106 ConvolutionParameter convolution_param
        110 EltwiseParameter eltwise_param
        121 PoolingParameter pooling_param
        123 ReLUParameter relu_param
        125 SoftmaxParameter softmax_param
        133 ReshapeParameter reshape_param
        135 FlattenParameter flatten_param
        139 BatchNormParameter batch_norm_param
        142 ScaleParameter scale_param
        143 InputParameter input_param
        201 MultiBoxLossParameter multibox_loss_param
        202 PermuteParameter permute_param
        203 PriorBoxParameter prior_box_param
        204 DetectionOutputParameter detection_output_param
        206 NormalizeParameter norm_param""",
    "OldLayerParameter": """
        4 string name""",
    "LabelMapItem": """
        1 string name
        2 int32 label
        3 string display_name""",
    "LabelMap": "1 * LabelMapItem item",
    "NetParameter": """
        1 string name
        2 * OldLayerParameter layers
        3 * string input
        4 * int32 input_dim
        8 * BlobShape input_shape
        100 * LayerParameter layer""",
}


@cache
def message_class(name: str) -> Any:
    """Return the class of a message, for instance NetParameter."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="hexdet_caffe.proto", package=PACKAGE, syntax="proto2"
    )
    for name, values in ENUMS.items():
        # An enum's values stand beside it, not in it: a message each keeps two MAX apart.
        enum = file.message_type.add(name=name).enum_type.add(name="Value")
        for label, number in values.items():
            enum.value.add(name=label, number=number)
    for name, lines in MESSAGES.items():
        message = file.message_type.add(name=name)
        for line in lines.strip().splitlines():
            _add_field(message, line)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add_field(message: Any, line: str) -> None:
    words = line.split()
    field = message.field.add(number=int(words[0]), label=FIELD.LABEL_OPTIONAL)
    rest = words[1:]
    if rest[0] in ("*", "packed"):
        field.label = FIELD.LABEL_REPEATED
        field.options.packed = rest[0] == "packed"
        rest = rest[1:]
    kind, field.name = rest[:2]
    if len(rest) > 2:
        field.default_value = rest[3]
    if kind in SCALARS:
        field.type = SCALARS[kind]
    else:
        field.type = FIELD.TYPE_ENUM if kind in ENUMS else FIELD.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}" + (".Value" if kind in ENUMS else "")
