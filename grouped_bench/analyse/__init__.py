"""What the samples mean: pure functions of numbers and frames."""
