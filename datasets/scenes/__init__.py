"""The built-in dataset `scenes`: surveillance-like pictures with annotated heads, drawn from a seed."""

from .dataset import Scenes

__all__ = ["Scenes"]
