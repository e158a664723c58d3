"""What a run records of itself before its first visit."""
