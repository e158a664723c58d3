"""Advice in words, and the code to paste."""
