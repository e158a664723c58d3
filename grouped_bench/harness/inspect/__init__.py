"""Questions that are answered without a run: what a machine, a case, a network or code to paste is like."""
