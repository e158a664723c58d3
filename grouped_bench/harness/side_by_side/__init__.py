"""Base and head measured in turn: the cohorts of a plan, or what a user's project computes."""
