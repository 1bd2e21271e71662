"""Labelled sessions and their pain scores, kept in one journal file."""
