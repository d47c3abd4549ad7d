"""What the commands do, a file a command; `examining` and `left_out` are steps of several."""
