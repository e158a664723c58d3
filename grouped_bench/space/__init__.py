"""What to measure: cases, settings, spaces and their analytic counts."""
