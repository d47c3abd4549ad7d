"""The ranges of the activations: measured image by image, estimated from extremes or histograms."""
