"""What makes a graph quantize better: equalised layers, corrected biases, chosen roundings."""
