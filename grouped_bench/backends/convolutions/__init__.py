"""The frameworks' own convolutions as code that stands alone: a module a framework."""
