"""Where files are: temporary, in object stores, or many runs in one."""
