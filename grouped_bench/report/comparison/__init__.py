"""A comparison in words, for people, pull requests and CI systems."""
