"""What `compare` reads besides runs: benchmarks of another tool, and steps of a project."""
