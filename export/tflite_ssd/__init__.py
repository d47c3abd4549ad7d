"""The importer of TensorFlow Lite SSDs: from a `.tflite` file to a plain float ONNX graph."""

LABELS = "labelmap.txt"
"""The file beside a `.tflite` that names its classes, one a line."""
