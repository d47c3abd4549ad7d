"""Looking whether this machine can do hexdet's work, and saying what to do where it cannot."""
