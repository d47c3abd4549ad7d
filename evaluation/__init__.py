"""The rulers: average precision and miss rate of detections, parameters and MACs of a graph."""
