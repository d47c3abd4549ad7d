"""The built-in datasets, drawn from a seed: surveillance-like pictures with annotated heads, and
pictures of people near the camera with annotated faces and their landmarks."""

from .dataset import Scenes
from .faces import Faces

__all__ = ["Faces", "Scenes"]
