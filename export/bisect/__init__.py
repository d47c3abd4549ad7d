"""Finding the first bad layer of a rung that failed, and cutting it out for a bug report."""

from __future__ import annotations

from .search import BadLayer, Bisection, bisect

__all__ = ["BadLayer", "Bisection", "bisect"]
