"""What a network costs before it runs anywhere: work, weights, memory, and traffic, counted."""
