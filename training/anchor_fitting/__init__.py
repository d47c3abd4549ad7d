"""Anchors from the data: which sizes a recipe's objects have, and which anchors reach them."""
