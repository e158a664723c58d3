"""Hosts and workers: the processes that measure, and what joins them to the parent."""
