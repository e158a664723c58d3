"""Two sides of measurements, stored ones, and their course: behind the commands that watch for regressions."""
