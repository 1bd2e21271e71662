"""The outcomes of a study as text and as one page."""
