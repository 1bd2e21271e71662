"""Other methods to find out whether a clip holds a pop, with one interface; part of bench.py --accuracy.

Each `Peer` describes a clip by numbers. If it needs training, a scikit-learn classifier is trained on the same clips as
popdetect. None was made for pops: they stand for what a laboratory would try first.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Description:
    """The output of a method for one clip: numbers for a classifier (or its own score alone), and onsets."""

    numbers: npt.NDArray[np.float64]
    onsets_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class Peer:
    """One method. `classifier` is None if the first number is the score."""

    name: str
    describe: Callable[[Sound, int], Description]
    classifier: Callable[[], Any] | None
    has_onsets: bool


def plain(sound: Sound, rate_hz: int) -> Description:
    """Librosa's onsets and usual spectral features, as in plain_script.py."""
    from plain_script import describe

    numbers, onsets = describe(sound, rate_hz)
    return Description(np.nan_to_num(numbers), tuple(onsets.tolist()))


def burst(sound: Sound, rate_hz: int) -> Description:
    """auditok: any burst of energy, 12 dB above the clip's median and 5 ms long at the least, is a pop."""
    import auditok
    from auditok.signal import calculate_energy

    pcm = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
    size = round(0.005 * rate_hz)
    windows = pcm[: len(pcm) // size * size].reshape(-1, size).astype(np.float64)
    energies = [float(np.ravel(calculate_energy(window[None]))[0]) for window in windows]
    median = float(np.median(energies))
    regions = auditok.split(
        pcm.tobytes(),
        sampling_rate=rate_hz,
        sample_width=2,
        channels=1,
        analysis_window=0.005,
        min_dur=0.005,
        max_dur=5,
        max_silence=0.005,
        energy_threshold=median + 12,
    )
    onsets = tuple(float(region.start) for region in regions)
    return Description(np.array([max(energies) - median]), onsets)


def short_term(sound: Sound, rate_hz: int) -> Description:
    """In the manner of pyAudioAnalysis: 34 short-term features in 50 ms frames, their mean and spread over the clip."""
    import librosa

    n_fft = 1 << (round(0.05 * rate_hz) - 1).bit_length()
    how: dict[str, Any] = {"n_fft": n_fft, "hop_length": n_fft // 2}
    power = np.abs(librosa.stft(sound, **how)) ** 2
    share = power / np.maximum(power.sum(axis=0), 1e-12)
    flux = np.sqrt(np.square(np.diff(share, axis=1, prepend=share[:, :1])).sum(axis=0))
    blocks = share[: len(share) // 10 * 10].reshape(10, -1, share.shape[1]).sum(axis=1)
    parts = [
        librosa.feature.zero_crossing_rate(sound, frame_length=n_fft, hop_length=n_fft // 2),
        librosa.feature.rms(y=sound, frame_length=n_fft, hop_length=n_fft // 2),
        -(blocks * np.log2(blocks + 1e-12)).sum(axis=0, keepdims=True),
        librosa.feature.spectral_centroid(S=np.sqrt(power), sr=rate_hz),
        librosa.feature.spectral_bandwidth(S=np.sqrt(power), sr=rate_hz),
        librosa.feature.spectral_rolloff(S=np.sqrt(power), sr=rate_hz, roll_percent=0.9),
        flux[None],
        librosa.feature.mfcc(S=librosa.power_to_db(librosa.feature.melspectrogram(S=power, sr=rate_hz)), n_mfcc=13),
        librosa.feature.chroma_stft(S=power, sr=rate_hz, tuning=0.0),
    ]
    numbers = np.concatenate([f(part, axis=1) for part in parts for f in (np.mean, np.std)])
    return Description(np.nan_to_num(numbers))


_EMBED: list[Any] = []


def embedding(sound: Sound, rate_hz: int) -> Description:
    """The speech embedding of openWakeWord (weights in pyopen-wakeword): mean and maximum of its 96 numbers."""
    import librosa
    from pyopen_wakeword import OpenWakeWordFeatures

    if not _EMBED:
        _EMBED.append(OpenWakeWordFeatures.from_builtin())
    features = _EMBED[0]
    features.reset()
    slow = librosa.resample(sound, orig_sr=rate_hz, target_sr=16_000)
    peak = max(float(np.abs(slow).max()), 1e-9)
    pcm = (slow / peak * 0.5 * 32767).astype(np.int16)
    found = [np.asarray(block).reshape(-1, 96) for block in features.process_streaming(pcm.tobytes())]
    rows = np.concatenate(found) if found else np.zeros((1, 96))
    return Description(np.concatenate([rows.mean(axis=0), rows.max(axis=0)]).astype(np.float64))


def _forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(200, random_state=0, n_jobs=-1)


def _svm() -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=1.0, gamma="scale", random_state=0))


def _linear() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))


PEERS = (
    Peer("librosa onsets + features, random forest", plain, _forest, True),
    Peer("auditok, any burst of energy", burst, None, True),
    Peer("SVM on short-term features (as pyAudioAnalysis)", short_term, _svm, False),
    Peer("openWakeWord speech embedding, linear", embedding, _linear, False),
)


def describe_all(job: tuple[Sound, int]) -> list[Description]:
    """Run all methods on one clip."""
    sound, rate_hz = job
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of librosa, on short or silent clips
        return [peer.describe(np.ascontiguousarray(sound), rate_hz) for peer in PEERS]
