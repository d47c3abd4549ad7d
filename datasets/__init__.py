"""Annotated images as numpy records, whatever format they are stored in."""
