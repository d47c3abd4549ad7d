"""The command line: commands and their options, what they do, what they print."""
