"""The trained model: its classifiers, the bundle it is stored in, and the checks of a bundle."""
