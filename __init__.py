"""hexdet: from a PyTorch SSD detector to a measured INT8 DLC on the Snapdragon Hexagon DSP."""

__version__ = "0.1.0"
