"""Whole networks in processes of their own: the convolutions in one, and one beside its copy."""
