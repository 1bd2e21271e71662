"""TrainingLabels and simulated sound to training rows."""
