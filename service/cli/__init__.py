"""The command line: a demonstration, and a look at one task."""
