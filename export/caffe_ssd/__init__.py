"""The importer of Caffe SSDs: from prototxt and caffemodel to a float ONNX graph and a contract."""
