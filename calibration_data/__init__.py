"""The choice of the images that set the activations' ranges, and the record of that choice."""
