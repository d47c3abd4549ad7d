"""What can be typed: one function a command, with its options; heavy imports are in the verbs."""
