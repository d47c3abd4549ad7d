"""Weights that others trained, brought into the networks here: the verb `hexdet import`."""
