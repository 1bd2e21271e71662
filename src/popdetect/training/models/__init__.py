"""Training rows to fitted classifiers and a model bundle."""
