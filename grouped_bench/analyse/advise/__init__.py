"""Which variant to use for a case: from what was measured of it, or of cases of its kind."""
