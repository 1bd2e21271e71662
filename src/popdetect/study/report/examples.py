"""Example clips: clear ones, uncertain ones, and those on which the detector and people disagree.

Only clips of the journal, at most two of a kind and one of a patient in each kind. Clips that may hold speech are
never chosen. Each is named by its patient's pseudonym and the first letters of its sha256; names of files
are not shown, since they may hold names and dates.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from popdetect.detection.audio.recording import Samples, read
from popdetect.errors import AudioError
from popdetect.session.plots import close_up, points_of_interest, spectrogram
from popdetect.study.journal.journal import Values
from popdetect.study.report import drawing
from popdetect.study.report.drawing import ACCENT, FAINT, INK, POP, Figure
from popdetect.study.report.pictures import Picture
from popdetect.study.report.recordings import KnownClip, KnownClips
from popdetect.study.report.sentences import GROUP_NAMES

OF_A_KIND: Final = 2
NOTE: Final = (
    "A clip is named by its patient's pseudonym and by the first letters of the sha256 that clips.csv has of it. Names "
    "of files are not shown, because they may hold a name or a date. Clips that may hold speech were not chosen."
)


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


def examples(records: Sequence[Values], known: KnownClips) -> tuple[tuple[Picture, ...], list[str]]:
    """Select, read and draw clips; also return a note about clips that no longer exist."""
    there = [
        record
        for record in records
        if record["sha256"] in known.by_sha256
        and record["label"] is not None
        and "speech" not in str(record["quality"] or "").split(";")
    ]
    pictures: list[Picture] = []
    lost: set[str] = set()
    for kind, condition, key in KINDS:
        patients: set[object] = set()
        for record in sorted(filter(condition, there), key=lambda r: (key(r), str(r["sha256"]))):
            if len(patients) == OF_A_KIND:
                break
            if record["patient"] in patients:
                continue
            clip = known.by_sha256[str(record["sha256"])]
            picture = _picture(f"example-{len(pictures) + 1}", kind, record, clip)
            if picture is None:
                lost.add(str(record["sha256"]))
            else:
                patients.add(record["patient"])
                pictures.append(picture)
    notes = [f"{len(lost)} example clips were not shown: gone from the folder, or changed since."] if lost else []
    return tuple(pictures), notes


def _picture(name: str, kind: str, record: Values, known: KnownClip) -> Picture | None:
    raw = known.sound()
    if raw is None:
        return None
    try:
        samples, rate_hz = read(io.BytesIO(raw))
    except AudioError:
        return None
    events = known.events(record)
    pops_s = [event.onset_s for event in events if event.is_pop]
    others_s = [event.onset_s for event in events if not event.is_pop]
    if not events:  # the journal knows the first pop and the last
        ends_s = (record["first_pop_s"], record["last_pop_s"])
        pops_s = list(dict.fromkeys(float(at) for at in ends_s if at is not None))
    duration_s = len(samples) / rate_hz
    span = close_up(points_of_interest(events) or pops_s, duration_s) or (0.0, duration_s)
    pops_s, others_s = ([at for at in times if span[0] <= at <= span[1]] for times in (pops_s, others_s))
    words = _words(record, known.clip.sha256)
    seen = f"Spectrogram from {span[0]:.2f} to {span[1]:.2f} s of the clip; {_marked(pops_s, others_s)}."
    with drawing.style(name):
        figure = Figure(figsize=(3.6, 2.3), dpi=110)
        _draw(figure, samples, rate_hz, pops_s, others_s, span)
        svg = drawing.drawn(figure, name, f"{kind}: {words}", seen)
    return Picture(name, kind, svg, words)


def _draw(
    figure: Figure,
    samples: Samples,
    rate_hz: int,
    pops_s: Sequence[float],
    others_s: Sequence[float],
    span: tuple[float, float],
) -> None:
    # fixed places: pictures side by side should be alike
    axes = figure.add_axes((0.13, 0.2, 0.84, 0.68))
    marks = figure.add_axes((0.13, 0.89, 0.84, 0.1), sharex=axes)
    wave = samples.mean(axis=1)
    margin = rate_hz // 50
    start = max(0, int(span[0] * rate_hz) - margin)
    window_ms = 3.0 if span[1] - span[0] < 1 else 8.0
    spectrogram(axes, wave[start : int(span[1] * rate_hz) + margin], start, rate_hz, window_ms)
    for at, marker, colour in ((pops_s, "v", POP), (others_s, "x", ACCENT)):
        marks.plot(at, np.zeros(len(at)), marker, color=colour, markersize=6, clip_on=False)
        for onset in at:
            axes.axvline(onset, color=FAINT, linewidth=0.8, linestyle=":")
    marks.set(ylim=(-1, 1))
    marks.axis("off")
    axes.set(xlim=span, xlabel="s", ylabel="kHz")
    axes.tick_params(labelsize=8, colors=INK)


def _words(record: Values, sha256: str) -> str:
    n = int(record["n_pops"] or 0)
    heard = [
        f"{who}: {record[column]}"
        for who, column in (("patient", "pop_heard_by_patient"), ("therapist", "pop_heard_by_therapist"))
        if record[column] is not None
    ]
    counted = f", {n} pop{'' if n == 1 else 's'}" if record["label"] == "pop" else ""
    thrust = f", thrust {record['thrust_no']}" if record["thrust_no"] is not None else ""
    verdict = f"{GROUP_NAMES[str(record['label'])]}, probability {_p(record):.2f}{counted}"
    return f"{record['patient']}{thrust} (recording {sha256[:8]}): {'; '.join([verdict, *heard])}"


def _marked(pops_s: Sequence[float], others_s: Sequence[float]) -> str:
    marked = f"pops marked at {', '.join(f'{at:.3f} s' for at in pops_s)}" if pops_s else "no pop marked"
    return f"{marked}; {len(others_s)} other candidates" if others_s else marked
