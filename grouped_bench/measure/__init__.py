"""Measuring, inside a worker process: standard library, NumPy and the backend only."""
