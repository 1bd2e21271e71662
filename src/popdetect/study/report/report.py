"""Write the report of a study: one page from a journal, which works offline.

Its parts are the answer, pictures, example clips, every figure, the flow of thrusts, methods, the detector, how the
report was made, and terms. The same journal and options give the same page, except for the date. Names of files and
folders do not appear, because they may identify clinics and patients.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path

from popdetect import __version__
from popdetect.detection.model import bundle
from popdetect.errors import ModelError, NothingFound, UsageError
from popdetect.session.files import readable, write_text
from popdetect.study.analysis.columns import columns_of
from popdetect.study.analysis.detector_errors import Counts
from popdetect.study.analysis.outcomes import MARGIN, Outcomes, outcomes
from popdetect.study.analysis.regression import WORDS
from popdetect.study.analysis.thrusts import PainScale, Thrust
from popdetect.study.journal import journal
from popdetect.study.journal.pseudonyms import may_write
from popdetect.study.report import pictures as report_pictures
from popdetect.study.report.examples import NOTE, examples
from popdetect.study.report.forest import forest
from popdetect.study.report.model_cards import cards, thresholds
from popdetect.study.report.page import page
from popdetect.study.report.recordings import find_known
from popdetect.study.report.sentences import counted, margin_words, sentences
from popdetect.study.report.tables import Sheet, changed, filled_cells, flow, sheets

TITLE = "Pops and pain: report of a study"
_LIBRARIES = ("numpy", "scipy", "statsmodels", "matplotlib", "Jinja2")


@dataclass(frozen=True, slots=True)
class Written:
    """A report that was written.

    Attributes
    ----------
    path : Path
    sentences : tuple of str
        The answer, in three.
    n_bytes : int
    notes : tuple of str
        Remarks about this report: a scale left out, clips that no longer exist.
    n_pictures, n_examples : int
    """

    path: Path
    sentences: tuple[str, ...]
    n_bytes: int
    notes: tuple[str, ...]
    n_pictures: int = 0
    n_examples: int = 0


def write(
    study: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    sessions: Sequence[str | os.PathLike[str]] = (),
    margin: float = MARGIN,
    scale: PainScale | None = None,
    sensitivity: Counts | None = None,
    specificity: Counts | None = None,
    seed: int = 0,
    title: str | None = None,
    force: bool = False,
) -> Written:
    """Write the report of a journal.

    Parameters
    ----------
    study : path
        The journal.
    out : path
        The page to write, ``report.html``.
    sessions : sequence of paths
        Folders of labelled sessions; a few of their clips are shown as examples.
    margin, scale, sensitivity, specificity, seed
        As for `outcomes`; without `scale`, the scale of most thrusts.
    title : str, optional
    force : bool
        Replace what is there.

    Returns
    -------
    Written

    Raises
    ------
    UsageError
        If the journal is not one or cannot be read, an option is out of range, `out` exists already, or it cannot be
        written.
    NothingFound
        If no thrust has a score yet.
    """
    place, book = Path(out), Path(study)
    if place.is_dir():
        name = readable(str(place))
        raise UsageError(f"{name}: a folder; a report is one file, such as {readable(str(place / 'report.html'))}")
    may_write(place, book, force=force, what="a report")
    thrusts = journal.thrusts(book)
    if not thrusts:
        raise NothingFound(
            f"{readable(str(book))}: no thrust with a score in it yet; `popdetect log` puts sessions into it"
        )
    chosen, notes = _scale(thrusts, scale)
    o = outcomes(thrusts, margin=margin, scale=chosen, sensitivity=sensitivity, specificity=specificity, seed=seed)
    shipped = _shipped()
    columns = columns_of(thrusts, o.scale)
    on_scale = [t for t in thrusts if t.pain_scale == o.scale]
    records = journal.records(book)
    known_clips = find_known(sessions, {str(record["sha256"]) for record in records if record["sha256"]})
    clips, gone = examples(records, known_clips)
    notes += gone
    marks = thresholds(on_scale, shipped, known_clips.points)
    pictures = (
        report_pictures.before_after(o, columns),
        forest(o),
        report_pictures.dose(o, columns),
        report_pictures.agreement(o),
        report_pictures.probabilities(on_scale, marks),
    )
    asked = {(t.session, t.file) for t in thrusts}
    n_clips_only = sum(known not in asked for known in journal.recordings(book))
    models = cards(thrusts, shipped)
    if len(models) > 1:
        notes.append(f"{len(models)} models judged these clips; their verdicts are not comparable.")
    answer = sentences(o)
    command = _command(margin, scale, sensitivity, specificity, seed, len(sessions), title)
    text = page(
        title=title or TITLE,
        under=f"{counted(o.n_thrusts, 'thrust')} of {counted(o.n_patients, 'patient')}, pain on {o.scale}",
        version=__version__,
        sentences=answer,
        notes=notes,
        caveats=o.caveats,
        pictures=pictures,
        examples=clips,
        examples_note=NOTE,
        sheets=sheets(o),
        flow=[flow(o, thrusts, n_clips_only), filled_cells(thrusts), *changed(journal.history(book))],
        main_model=_main_model(o),
        margin=margin_words(o),
        errors=_errors(sensitivity, specificity),
        models=models,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        origin=_origin(command, thrusts),
    )
    write_text(place, text)
    n_pictures = sum(bool(picture.svg) for picture in pictures)
    return Written(place, answer, len(text.encode()), tuple(notes), n_pictures, len(clips))


def _scale(thrusts: Sequence[Thrust], scale: PainScale | None) -> tuple[PainScale | None, list[str]]:
    """Return the scale of the report, which is one even if the journal has two, and a note about the other."""
    found = Counter(thrust.pain_scale for thrust in thrusts)
    if scale is not None or len(found) < 2:
        return scale, []
    (most, n), (other, n_other) = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return most, [
        f"Pain is on two scales, which cannot be mixed: this report is on {most} ({counted(n, 'thrust')}); "
        f"{counted(n_other, 'thrust')} on {other} are left out, and --scale {other} makes their report."
    ]


def _shipped() -> bundle.Model | None:
    """Return the shipped model; a report does not fail if its card is missing."""
    try:
        return bundle.load()
    except ModelError:
        return None


def _main_model(o: Outcomes) -> str:
    main = o.main
    if main.model is None:
        return f"Here it could not be given: {main.estimate.why_not}."
    adjusted = " and ".join(main.adjusted_for) or "nothing"
    return f"Here: {WORDS[main.model]}, because of {main.why}; adjusted for {adjusted}."


def _errors(sensitivity: Counts | None, specificity: Counts | None) -> str:
    if sensitivity is None or specificity is None:
        return "The counts behind the detector's sensitivity and specificity were not given, so nothing is corrected."
    return (
        f"As given, counted on decided clips that a person listened to: sensitivity {sensitivity[0]} of "
        f"{sensitivity[1]}, specificity {specificity[0]} of {specificity[1]}."
    )


def _command(
    margin: float,
    scale: PainScale | None,
    sensitivity: Counts | None,
    specificity: Counts | None,
    seed: int,
    n_sessions: int,
    title: str | None,
) -> str:
    words = ["popdetect report STUDY.db -o report.html", f"--margin {margin:g}"]
    words += [f"--scale {scale}"] if scale else []
    for name, counts in (("sensitivity", sensitivity), ("specificity", specificity)):
        words += [f"--{name} {counts[0]}/{counts[1]}"] if counts else []
    words += [f"--seed {seed}", *["--session DIR"] * n_sessions]
    words += ['--title "…"'] if title else []
    return " ".join(words)


def _origin(command: str, thrusts: Sequence[Thrust]) -> Sheet:
    """Return what is needed to remake the page, without a name of a file or folder."""
    content = hashlib.sha256("\n".join(sorted(map(repr, thrusts))).encode()).hexdigest()
    rows = [
        ("command", command),
        ("fingerprint of the thrusts", content),
        ("popdetect", __version__),
        ("Python", platform.python_version()),
        *((name, _version(name)) for name in _LIBRARIES),
    ]
    note = (
        "Names of files and folders are replaced in the command and appear nowhere in this report, because they may "
        "identify a clinic or a patient. The fingerprint changes if any thrust in the journal changes."
    )
    return Sheet("origin-facts", "Command and versions", ("what", "value"), tuple(rows), (note,))


def _version(name: str) -> str:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return "not known"
