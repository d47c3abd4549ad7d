"""What is seen: colours, bars, tables."""
