"""Questions that need no run: about a machine, a case, a network, or code to paste."""
