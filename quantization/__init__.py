"""Calibrating and quantizing the float graph, and the report of what that costs in accuracy."""
