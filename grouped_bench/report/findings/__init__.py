"""What a run lets one say, in sentences."""
