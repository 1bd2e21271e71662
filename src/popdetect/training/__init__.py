"""TrainingLabels clips to a better model. The only room that knows librosa and scikit-learn."""
