"""The choice of the images that set the ranges of the activations, and the record of that choice."""
