"""What ran inside calls, as the libraries' own logs tell it."""
