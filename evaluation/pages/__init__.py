"""What the pages that hexdet writes have in common: their style, and how they are rendered."""
