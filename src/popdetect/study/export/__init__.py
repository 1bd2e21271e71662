"""Exports of the journal for other programs."""
