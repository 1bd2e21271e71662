"""From the thrusts of a journal to estimates with intervals."""
