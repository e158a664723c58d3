"""Facts of the machine, and what disturbs it."""
