"""A run as tables, Markdown, CSV or JSON."""
