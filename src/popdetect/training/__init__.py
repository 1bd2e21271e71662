"""Training and evaluation on labelled clips; the only package that imports librosa and scikit-learn."""
