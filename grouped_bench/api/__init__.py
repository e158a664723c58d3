"""What the library can be asked: a module a question, each behind a command of the same name."""
