"""The figures of a run: a module a figure, registered by its decorator."""
