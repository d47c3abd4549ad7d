"""PyTorch to ONNX to integer graph to DLC: the room that knows every other stage."""
