"""Estimates with intervals from the thrusts of a journal."""
