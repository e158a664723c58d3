"""Networks that are trained: their examples, their layers, and a training in a worker."""
