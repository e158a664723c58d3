"""Commands, one module each: options into library calls."""
