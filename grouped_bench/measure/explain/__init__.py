"""What ran inside calls, according to the libraries' own logs."""
