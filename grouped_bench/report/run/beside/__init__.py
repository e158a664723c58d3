"""What was measured in several environments, places or machines, beside each other."""
