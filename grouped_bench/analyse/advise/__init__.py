"""Which variant to use for a case, from its own measurement or from those of similar cases."""
