"""Networks in files, and what was found of them on this machine."""
