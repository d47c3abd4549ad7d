"""The rulers: average precision of detections, parameters and MACs of a graph."""
