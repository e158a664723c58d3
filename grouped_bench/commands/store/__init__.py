"""Commands over any number of runs."""
