"""popdetect finds joint pops (cavitations) in short recordings, offline.

>>> import popdetect
>>> detector = popdetect.load_model()
>>> result = detector.detect("clip.wav")            # doctest: +SKIP
>>> result.label, result.p_pop, result.onsets_s     # doctest: +SKIP
('pop', 0.99, (0.412, 0.437))
>>> session = popdetect.label("session_07")         # doctest: +SKIP

A research tool, not a medical device. Importing the package loads nothing heavy: numpy is loaded with the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    import numpy.typing as npt

    from popdetect.detection.detector import Detector as Detector
    from popdetect.errors import AudioError as AudioError
    from popdetect.errors import DeviceLost as DeviceLost
    from popdetect.errors import Empty as Empty
    from popdetect.errors import MissingExtra as MissingExtra
    from popdetect.errors import ModelError as ModelError
    from popdetect.errors import NotFinite as NotFinite
    from popdetect.errors import NothingFound as NothingFound
    from popdetect.errors import PopdetectError as PopdetectError
    from popdetect.errors import TableError as TableError
    from popdetect.errors import TooShort as TooShort
    from popdetect.errors import Truncated as Truncated
    from popdetect.errors import Unreadable as Unreadable
    from popdetect.errors import Unsupported as Unsupported
    from popdetect.errors import UsageError as UsageError
    from popdetect.records import Burst as Burst
    from popdetect.records import Detection as Detection
    from popdetect.records import Event as Event
    from popdetect.records import LiveEvent as LiveEvent
    from popdetect.session.session import Session as Session

__version__ = "0.2.0"

__all__ = [
    "AudioError",
    "Burst",
    "Detection",
    "Detector",
    "DeviceLost",
    "Empty",
    "Event",
    "LiveEvent",
    "MissingExtra",
    "ModelError",
    "NotFinite",
    "NothingFound",
    "PopdetectError",
    "Session",
    "TableError",
    "TooShort",
    "Truncated",
    "Unreadable",
    "Unsupported",
    "UsageError",
    "__version__",
    "detect",
    "label",
    "listen",
    "load_model",
    "open_session",
    "simulate",
]

# modules of the classes, which are imported when a class is first used; those not listed are in `errors`
_MODULES = {
    "Burst": "records",
    "Detection": "records",
    "Detector": "detection.detector",
    "Event": "records",
    "LiveEvent": "records",
    "Session": "session.session",
}


def load_model(path: str | os.PathLike[str] | None = None, *, operating_point: str = "balanced") -> Detector:
    """Load a model bundle as a detector.

    Parameters
    ----------
    path : path, optional
        Folder of the bundle; the shipped model by default.
    operating_point : str
        ``balanced``, ``sensitive`` or ``specific``, or another one of the model.

    Raises
    ------
    ModelError
        If the bundle is missing or damaged.
    UsageError
        If the model has no such operating point.
    """
    from popdetect.detection.detector import Detector
    from popdetect.detection.model.bundle import load

    return Detector(load(path), operating_point)


def detect(source: str | os.PathLike[str] | BinaryIO | npt.ArrayLike, sr: float | None = None) -> Detection:
    """Find the pops of one recording with the shipped model: ``detect("clip.wav")`` or ``detect(y, sr)``.

    The model is loaded at each call; for many recordings use `load_model` and `Detector.detect`, or `label`.

    Parameters
    ----------
    source : path, binary file object or array_like
        See `Detector.detect`.
    sr : whole number, 8000 to 192000
        Sample rate of an array, Hz; not for files.

    Raises
    ------
    AudioError, UsageError
    """
    return load_model().detect(source, sr)


def label(
    folder: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    operating_point: str = "balanced",
    formats: Iterable[str] = (),
    jobs: int = 1,
    force: bool = False,
) -> Session:
    """Label every recording below a folder, like ``popdetect label``, and return the session.

    Recordings that are labelled already are skipped. Writes ``clips.csv``, ``events.csv``, ``bursts.csv``,
    ``run.json`` and label files to ``folder/popdetect``. Recordings that cannot be processed are rows of the session
    with a status.

    Parameters
    ----------
    folder : path
    out : path, optional
        Where to write; ``popdetect`` in the folder by default.
    model : path, optional
        Folder of a model bundle; the shipped model by default.
    operating_point : str
    formats : iterable of str
        Label files to write: ``audacity``, ``raven``, ``textgrid``.
    jobs : int ≥ 1
        Number of processes.
    force : bool
        Label all recordings again.

    Raises
    ------
    UsageError, NothingFound, ModelError
    """
    from popdetect.session import labelling

    return labelling.label(
        folder, out=out, model=model, operating_point=operating_point, formats=formats, jobs=jobs, force=force
    ).session


def open_session(folder: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Session:
    """Read a labelled session.

    Parameters
    ----------
    folder : path
        The folder of the recordings.
    out : path, optional
        The folder of the tables; ``popdetect`` in the folder by default.

    Raises
    ------
    UsageError
        If the folder is missing or not labelled.
    TableError
        If a table is damaged.
    """
    from popdetect.session.session import Session

    return Session.read(folder, out)


def listen(
    blocks: Iterable[npt.ArrayLike] | None = None,
    sr: float | None = None,
    *,
    channels: int = 1,
    device: int | str | None = None,
    seconds: float | None = None,
    model: str | os.PathLike[str] | None = None,
    operating_point: str = "balanced",
) -> Iterator[LiveEvent]:
    """Find pops in live sound: ``for event in listen(): ...`` for a microphone, or ``listen(blocks, sr)``.

    Each pop is told twice: provisionally within 50 ms of its end, and finally 0.3 to 1.5 s later, with its burst. The
    final events are those of `detect` for the whole sound.

    Parameters
    ----------
    blocks : iterable of array_like, optional
        Your own source of sound; see `Stream.feed`. Blocks of 5 ms give the earliest answers. By default a microphone.
    sr : whole number, 8000 to 192000, optional
        Sample rate, Hz; needed for `blocks`. By default that of the device.
    channels : int ≥ 1
    device : int or str, optional
        Number or part of the name of the input device; by default that of the system.
    seconds : float, optional
        Stop after so much sound; by default when `blocks` end, or when the iteration is left.
    model : path, optional
        Folder of a model bundle; the shipped model by default.
    operating_point : str

    Yields
    ------
    LiveEvent

    Raises
    ------
    DeviceLost
        The microphone stopped; all events of the sound before it came first.
    NothingFound
        There is no microphone, or it gave no sound.
    MissingExtra
        If sounddevice is not installed; not for `blocks`.
    UsageError, AudioError, ModelError
    """
    from contextlib import closing, nullcontext

    from popdetect.detection.audio.microphone import Microphone
    from popdetect.errors import UsageError
    from popdetect.records import LiveEvent
    from popdetect.session import listening

    if blocks is not None and (sr is None or device is not None):
        raise UsageError("listen(blocks, sr) needs the sample rate of the blocks, and no device")
    detector = load_model(model, operating_point=operating_point)
    with closing(Microphone(device, sr, channels)) if blocks is None else nullcontext() as microphone:
        source, rate_hz = (microphone, microphone.rate_hz) if microphone else (blocks, sr)
        gaps = microphone.gaps if microphone else ()
        for told in listening.listen(detector, source, rate_hz, channels, gaps=gaps, seconds=seconds):  # type: ignore[arg-type]
            if isinstance(told, LiveEvent):
                yield told


def simulate(folder: str | os.PathLike[str], *, clips: int = 60, patients: int = 12, seed: int = 0) -> Path:
    """Make a session folder of simulated recordings with known truth, like ``popdetect simulate``; return the folder.

    The truth is in ``labels.csv`` in the folder. The same arguments give the same files.

    Parameters
    ----------
    folder : path
        Must not exist, or be empty.
    clips, patients : int ≥ 1
    seed : int ≥ 0

    Raises
    ------
    UsageError
        If a number is out of range, or the folder cannot be written.
    """
    from pathlib import Path

    from popdetect.training.data import simulated_sessions

    return simulated_sessions.simulate(Path(folder), n_clips=clips, n_patients=patients, seed=seed).folder


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'popdetect' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"popdetect.{_MODULES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
