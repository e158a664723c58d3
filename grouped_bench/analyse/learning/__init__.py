"""What trainings say: which network learns better, whose filters are correlated, and what others published."""
