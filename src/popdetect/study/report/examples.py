"""Example clips: clear ones, uncertain ones, and those on which the detector and people disagree.

Only clips of the journal, at most two of a kind and one of a patient in each kind. Clips that may hold speech are
never chosen. Each is named by its patient's pseudonym and the first letters of its sha256; names of files
are not shown, since they may hold names and dates.

A clip belongs to the journal if its sha256 is in it. The sha256 of the file is computed again before the clip is shown.
Events are those of the session if it was labelled by the model of the journal's verdict; otherwise only the first and
the last pop are known. Times are in seconds.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from popdetect.detection.audio.recording import Samples, read
from popdetect.detection.model.bundle import OperatingPoint
from popdetect.errors import AudioError, UsageError
from popdetect.records import pops_in_words
from popdetect.session.clips import LabelledClip
from popdetect.session.files import read_bytes, readable
from popdetect.session.plots import close_up, points_of_interest, spectrogram
from popdetect.session.session import Session
from popdetect.study.journal.journal import Values
from popdetect.study.report.drawing import ACCENT, FAINT, INK, POP, Figure, Picture, drawn
from popdetect.study.report.sentences import GROUP_NAMES

OF_A_KIND: Final = 2
NOTE: Final = (
    "A clip is named by its patient's pseudonym and by the first letters of the sha256 that clips.csv has of it. Names "
    "of files are not shown, because they may hold a name or a date. Clips that may hold speech were not chosen."
)

_Known = tuple[Session, LabelledClip]


def _p(record: Values) -> float:
    return float(record["p_pop"] or 0.0)


def _answered(record: Values, answer: str) -> bool:
    return answer in (record["pop_heard_by_patient"], record["pop_heard_by_therapist"])


# each kind: its name, a condition, and the key by which its clips are sorted
KINDS: Final[tuple[tuple[str, Callable[[Values], bool], Callable[[Values], float]], ...]] = (
    ("Clear pop", lambda r: r["label"] == "pop" and not _answered(r, "no"), lambda r: -_p(r)),
    ("Clear no pop", lambda r: r["label"] == "no_pop" and not _answered(r, "yes"), _p),
    ("Most uncertain", lambda r: r["label"] == "uncertain", lambda r: abs(_p(r) - 0.5)),
    ("Pop by the detector, not by a person", lambda r: r["label"] == "pop" and _answered(r, "no"), lambda r: -_p(r)),
    ("No pop by the detector, a pop by a person", lambda r: r["label"] == "no_pop" and _answered(r, "yes"), _p),
)


def find_known(
    folders: Sequence[str | os.PathLike[str]], known: set[str]
) -> tuple[dict[str, _Known], dict[str, tuple[str, OperatingPoint]]]:
    """Look into session folders for clips whose sha256 is `known`.

    Returns
    -------
    clips : dict of str to (Session, LabelledClip)
        By sha256.
    points : dict of str to (str, OperatingPoint)
        By the sha256 of the model: name and thresholds of the operating point of the run.

    Raises
    ------
    UsageError
        For a folder that is missing, is not labelled, or has no clip of the journal.
    """
    clips: dict[str, _Known] = {}
    points: dict[str, tuple[str, OperatingPoint]] = {}
    for folder in folders:
        session = Session.read(folder)
        own = {clip.sha256: (session, clip) for clip in session.clips if clip.sha256 in known}
        if not own:
            raise UsageError(
                f"{readable(str(Path(folder)))}: none of its clips is in the journal; is it a session of another "
                "study, or not logged yet?"
            )
        clips |= own
        if session.operating_point is not None:
            points[session.clips[0].model_sha256] = session.operating_point
    return clips, points


def examples(
    records: Sequence[Values], known: Mapping[str, _Known], point: OperatingPoint | None = None
) -> tuple[list[Picture], list[str]]:
    """Select, read and draw clips; also return a note about clips that no longer exist.

    `point` has the thresholds of the verdicts, which are shown with uncertain clips; None if they are not known.
    """
    there = [
        record
        for record in records
        if record["sha256"] in known
        and record["label"] is not None
        and "speech" not in str(record["quality"] or "").split(";")
    ]
    pictures: list[Picture] = []
    lost: set[str] = set()
    for kind, condition, key in KINDS:
        patients: set[object] = set()
        for record in sorted(filter(condition, there), key=lambda r: (key(r), str(r["sha256"]))):
            sha256 = str(record["sha256"])
            if len(patients) == OF_A_KIND:
                break
            if record["patient"] in patients:
                continue
            session, clip = known[sha256]
            sound = _sound(session, clip)
            if sound is None:
                lost.add(sha256)
                continue
            patients.add(record["patient"])
            pictures.append(_picture(f"example-{len(pictures) + 1}", kind, record, clip, point, *sound))
    notes = [f"{len(lost)} example clips were not shown: gone from the folder, or changed since."] if lost else []
    return pictures, notes


def _sound(session: Session, clip: LabelledClip) -> tuple[Samples, int] | None:
    """Return samples and sample rate; None if the file is missing, unreadable or changed since."""
    path = session.sounds.get(clip.file)
    if path is None:
        return None
    try:
        raw = read_bytes(path)
        return read(io.BytesIO(raw)) if hashlib.sha256(raw).hexdigest() == clip.sha256 else None
    except (UsageError, AudioError):
        return None


def _picture(
    name: str,
    kind: str,
    record: Values,
    clip: LabelledClip,
    point: OperatingPoint | None,
    samples: Samples,
    rate_hz: int,
) -> Picture:
    same = clip.model_sha256 == record["model_sha256"] and clip.label == (record["label"] or "")
    events = clip.events if same else ()
    pops_s = [event.onset_s for event in events if event.is_pop]
    others_s = [event.onset_s for event in events if not event.is_pop]
    if not events:  # the journal knows the first pop and the last
        ends_s = (record["first_pop_s"], record["last_pop_s"])
        pops_s = list(dict.fromkeys(float(at) for at in ends_s if at is not None))
    is_sure = record["label"] != "uncertain"
    fill = "full" if is_sure else "none"
    duration_s = len(samples) / rate_hz
    start_s, end_s = close_up(points_of_interest(events) or pops_s, duration_s) or (0.0, duration_s)
    pops_s, others_s = ([at for at in times if start_s <= at <= end_s] for times in (pops_s, others_s))

    def draw(figure: Figure) -> None:
        # fixed places: pictures side by side should be alike
        axes = figure.add_axes((0.13, 0.2, 0.84, 0.68))
        marks = figure.add_axes((0.13, 0.89, 0.84, 0.1), sharex=axes)
        margin = rate_hz // 50
        start = max(0, int(start_s * rate_hz) - margin)
        wave = samples.mean(axis=1)[start : int(end_s * rate_hz) + margin]
        spectrogram(axes, wave, start, rate_hz, window_ms=3.0 if end_s - start_s < 1 else 8.0)
        for at, marker, colour in ((pops_s, "v", POP), (others_s, "x", ACCENT)):
            marks.plot(at, np.zeros(len(at)), marker, color=colour, markersize=6, fillstyle=fill, clip_on=False)
            for onset in at:
                axes.axvline(onset, color=FAINT, linewidth=0.8, linestyle=":")
        marks.set(ylim=(-1, 1))
        marks.axis("off")
        axes.set(xlim=(start_s, end_s), xlabel="s", ylabel="kHz")
        axes.tick_params(labelsize=8, colors=INK)

    words = _words(record, clip.sha256, point)
    marked = (
        f"{'' if is_sure else 'uncertain '}pops marked at {', '.join(f'{at:.3f} s' for at in pops_s)}"
        if pops_s
        else "no pop marked"
    )
    marked += f"; {len(others_s)} other candidates" if others_s else ""
    seen = f"Spectrogram from {start_s:.2f} to {end_s:.2f} s of the clip; {marked}."
    svg = drawn(name, f"{kind}: {words}", seen, draw, figsize=(3.6, 2.3), dpi=110, layout=None)
    return Picture(kind, words, svg)


def _words(record: Values, sha256: str, point: OperatingPoint | None) -> str:
    answers = (("patient", record["pop_heard_by_patient"]), ("therapist", record["pop_heard_by_therapist"]))
    label, n_pops = str(record["label"]), int(record["n_pops"] or 0)
    pops = f", {pops_in_words(label, n_pops)}" if label != "no_pop" else ""
    limits = f" ({point})" if label == "uncertain" and point else ""
    thrust = f", thrust {record['thrust_no']}" if record["thrust_no"] is not None else ""
    verdict = f"{GROUP_NAMES[label]}, probability {_p(record):.2f}{limits}{pops}"
    heard = [f"{who}: {answer}" for who, answer in answers if answer is not None]
    return f"{record['patient']}{thrust} (recording {sha256[:8]}): {'; '.join([verdict, *heard])}"
