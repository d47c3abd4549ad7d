"""What lives on the device: anchors, pre- and post-processing, and the backends that run a network.

Only numpy, OpenCV and the standard library are imported here; onnxruntime inside its backends.
"""
