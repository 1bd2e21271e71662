"""Verdicts against the truth: matching, scores, intervals, comparison of models."""
