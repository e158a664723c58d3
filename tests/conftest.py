"""Settings for every test."""

from hypothesis import settings

# A deadline is a real duration, and the suite must pass on a loaded machine.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
