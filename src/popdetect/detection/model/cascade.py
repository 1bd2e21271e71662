"""Two classifiers in turn: a network looks at every candidate, and trees at those that it does not send away.

Trees take some five times as long as the network. Most candidates are hopeless, and there the network's word stands; on
the others the two are heard alike, the mean of their log-odds, and as they err in different ways the mean errs less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popdetect.detection.model.classifiers import Classifier, Floats, Trees
from popdetect.detection.model.network import Network


@dataclass(frozen=True, slots=True)
class Cascade:
    """A network, and trees where it gives log-odds of `ask_from` or more."""

    network: Network
    trees: Trees
    ask_from: float

    def logit(self, rows: Floats) -> Floats:
        """Log-odds of "pop", shape (n,)."""
        logits = self.network.logit(rows)
        asked = np.flatnonzero(logits >= self.ask_from)
        if len(asked):
            logits[asked] = (logits[asked] + self.trees.logit(rows[asked])) / 2
        return logits


def share_of_trees(classifier: Classifier, rows: Floats) -> Floats:
    """How much of what its trees say is in each row's log-odds, shape (n,): all; of a cascade half or nothing."""
    if isinstance(classifier, Cascade):
        return np.where(classifier.network.logit(rows) >= classifier.ask_from, 0.5, 0.0)
    return np.ones(len(rows))
