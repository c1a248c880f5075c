"""Training: one loop and one budget for every method."""
