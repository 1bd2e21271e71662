#!/usr/bin/env python3
"""A simple alternative for comparison: librosa onsets and features, and a scikit-learn forest.

Used by bench.py. Fitting takes about twenty seconds, a file some seconds.

Usage
-----
scripts/benchmarks/plain_script.py --fit MODEL
scripts/benchmarks/plain_script.py MODEL FILE...
"""

from __future__ import annotations

import sys

import joblib
import librosa
import numpy as np
from sklearn.ensemble import RandomForestClassifier


def features(path: str) -> np.ndarray:
    """Return the features of a file."""
    y, sr = librosa.load(path, sr=None)
    return describe(y, sr)[0]


def describe(y: np.ndarray, sr: int) -> tuple[np.ndarray, np.ndarray]:
    """Return onset count and strength, with statistics of spectral features; and the onsets, in seconds."""
    envelope = librosa.onset.onset_strength(y=y, sr=sr)
    onsets = librosa.onset.onset_detect(onset_envelope=envelope, sr=sr, units="time")
    parts = [
        librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13),
        librosa.feature.spectral_centroid(y=y, sr=sr),
        librosa.feature.spectral_bandwidth(y=y, sr=sr),
        librosa.feature.spectral_rolloff(y=y, sr=sr),
        librosa.feature.zero_crossing_rate(y),
    ]
    summary = [f(part, axis=1) for part in parts for f in (np.mean, np.std, np.max)]
    return np.concatenate([[len(onsets), envelope.max()], *summary]), onsets


def main(argv: list[str]) -> int:
    """Fit on simulated scenes, or classify."""
    if argv[:1] == ["--help"] or len(argv) < 2:
        print(__doc__)
        return 0 if argv[:1] == ["--help"] else 2
    if argv[0] == "--fit":
        import tempfile
        from pathlib import Path

        from popdetect.session.labels import read_labels
        from popdetect.training.data.simulated_sessions import simulate

        with tempfile.TemporaryDirectory() as folder:
            simulate(Path(folder) / "session", n_clips=60, seed=1)
            truths = read_labels(Path(folder) / "session")
            rows = [features(str(truth.path)) for truth in truths]
        model = RandomForestClassifier(200, random_state=0).fit(rows, [truth.label == "pop" for truth in truths])
        joblib.dump(model, argv[1])
        return 0
    model = joblib.load(argv[0])
    for path in argv[1:]:
        p = model.predict_proba([features(path)])[0, 1]
        print(path, "pop" if p >= 0.5 else "no_pop", f"{p:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
