"""The model bundle: loading and checking it, and the classifiers in it."""
