"""The errors that a user can cause or meet; the door prints them without a traceback.

HexdetError            what every error below is; `exit_code` is what the process ends with
├── UsageError         an argument or option has a value that cannot be meant
├── RecipeError        a recipe holds an unknown key, a wrong type or a value that cannot work
├── DataError          an image, an annotation or a dataset is missing or unreadable
├── ArtifactError      a file of a bundle or a checkpoint is missing, damaged or does not fit
├── ToolError          an external library or program failed; its last lines follow
│   └── NotRunError    what was asked for cannot run on this machine: something is not there
├── DeviceError        a device is missing, refused or lost
├── TrainingError      the training cannot go on, for instance because the loss is not finite
└── ParityError        two stages of the same network disagree by more than the tolerance
"""

from __future__ import annotations


class HexdetError(Exception):
    """Say what happened, where, and what to do about it, in one line of text."""

    exit_code = 1


class UsageError(HexdetError):
    """An argument or option of the command line has a value that cannot be meant."""

    exit_code = 2


class RecipeError(HexdetError):
    """A recipe holds an unknown key, a wrong type or a value that cannot work."""


class DataError(HexdetError):
    """An image, an annotation or a dataset is missing or unreadable."""


class ArtifactError(HexdetError):
    """A file of a bundle or a checkpoint is missing, damaged or does not fit."""


class ToolError(HexdetError):
    """An external library or program failed, crashed or ran out of time."""


class NotRunError(ToolError):
    """What was asked for cannot run on this machine: a library or a checkpoint is missing."""


class DeviceError(HexdetError):
    """A device is missing, refused or lost."""


class TrainingError(HexdetError):
    """The training cannot go on."""


class ParityError(HexdetError):
    """Two stages of the same network disagree by more than the tolerance."""

    exit_code = 3
