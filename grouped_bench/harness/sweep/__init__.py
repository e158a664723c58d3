"""Visits over all cohorts, and where each cohort stands."""
