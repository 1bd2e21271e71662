"""The journal written out for other programs."""
