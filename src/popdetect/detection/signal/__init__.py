"""Samples to candidates and feature rows: mel frames, onsets, refinement, features, speech, quality."""
