"""Runs on several devices at once: an engine starts an agent on each, which measures what it is ordered to."""
