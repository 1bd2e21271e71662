"""Verdicts and pain to conclusions: the journal that keeps them, and what can honestly be said of them."""
