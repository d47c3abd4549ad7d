"""What lives on the device: anchors, pre- and post-processing, and the backends that run a network.

Only numpy, OpenCV and the standard library are imported here; onnxruntime inside its backends.
"""

import os

# onnxruntime's own builds for Linux send the names and hashes of the models they open to Microsoft
# unless this is set before they are loaded; a value that the user gave stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
