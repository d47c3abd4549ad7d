"""The door: `hexdet` and `python -m hexdet`."""

from __future__ import annotations

from .cli.app import main

if __name__ == "__main__":
    main()
