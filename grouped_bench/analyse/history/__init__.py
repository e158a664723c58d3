"""Runs in the order of their commits, and the steps between them."""
