"""Images that come one after another: files, videos, cameras; read, detected, shown."""
