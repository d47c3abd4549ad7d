"""The built-in dataset: surveillance-like pictures with annotated heads, drawn from a seed."""

from .dataset import Scenes

__all__ = ["Scenes"]
