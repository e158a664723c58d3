"""Trainings in workers: what is trained next, and the run that keeps what was found."""
