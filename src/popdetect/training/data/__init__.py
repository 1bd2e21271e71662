"""Labelled and simulated sound to training rows."""
