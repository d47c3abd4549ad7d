"""What the commands do: call the stages, show the results."""
