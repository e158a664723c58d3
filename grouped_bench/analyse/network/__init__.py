"""A network as the sum of its layers, beside what others published of it."""
