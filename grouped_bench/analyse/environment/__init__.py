"""Differences between runs other than their measurements: facts, machines, environments."""
