"""Layers: a module a variant, registered by its decorator."""
