"""From samples to latencies, intervals and verdicts: all can be computed again from a file."""
