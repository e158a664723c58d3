"""A learning run in words, tables, figures and on its page."""
