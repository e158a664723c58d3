"""The findings of a run, as sentences."""
