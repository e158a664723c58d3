"""The library's calls: a module for each question, behind the command of that name."""
