"""Commands that are a module each: words into library calls, as in `cli`."""
