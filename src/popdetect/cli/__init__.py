"""The command line: one module for each command, with its options, its call and its text."""
