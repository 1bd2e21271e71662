"""The report of a study: the one call behind ``report``. A journal in, one page out that opens anywhere, offline.

Decides what stands in it and in which order: the answer, pictures, example clips, every figure, who is in and out,
methods, the detector, how it was made, terms. The same journal and options give the same page, but for the line with
the date. Of file and folder names nothing gets in, as they may tell of clinics and patients.
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
from popdetect.study.journal.pseudonyms import key_beside
from popdetect.study.report import flow as report_flow
from popdetect.study.report import pictures as report_pictures
from popdetect.study.report.examples import NOTE, examples
from popdetect.study.report.forest import forest
from popdetect.study.report.models import cards
from popdetect.study.report.page import page
from popdetect.study.report.recordings import open_sessions
from popdetect.study.report.tables import Sheet, sheets
from popdetect.study.report.text import margin_words, sentences
from popdetect.study.report.thresholds import thresholds

TITLE = "Pops and pain: report of a study"
_LIBRARIES = ("numpy", "scipy", "statsmodels", "matplotlib", "Jinja2")


@dataclass(frozen=True, slots=True)
class Written:
    """What a report is.

    Attributes
    ----------
    path : Path
    sentences : tuple of str
        The answer, in three.
    n_bytes : int
    notes : tuple of str
        What is to be known of this report: a scale left out, clips that are not there any more.
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
        Folders of labelled sessions, of which a few clips are shown as examples.
    margin, scale, sensitivity, specificity, seed
        As `outcomes` takes them; without `scale`, the one that most thrusts have.
    title : str, optional
    force : bool
        Replace what is there.

    Returns
    -------
    Written

    Raises
    ------
    UsageError
        When the journal is none or cannot be read, an option is out of range, something is at `out` already, or it
        cannot be written.
    NothingFound
        When nothing was asked of any thrust yet.
    """
    place, book = Path(out), Path(study)
    _check(place, book, force)
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
    folders = open_sessions(sessions, {str(record["sha256"]) for record in records if record["sha256"]})
    clips, gone = examples(records, folders)
    notes += gone
    marks = thresholds(on_scale, shipped, folders.points)
    pictures = (
        report_pictures.before_after(o, columns),
        forest(o),
        report_pictures.dose(o, columns),
        report_pictures.agreement(o),
        report_pictures.probabilities(on_scale, marks),
    )
    asked = {(t.session, t.file) for t in thrusts}
    n_clips_only = sum(known not in asked for known in journal.recordings(book))
    changed = report_flow.changed(journal.history(book))
    models = cards(thrusts, shipped)
    if len(models) > 1:
        notes.append(f"{len(models)} models judged these clips; their verdicts are not the same measure.")
    answer = sentences(o)
    command = _command(margin, scale, sensitivity, specificity, seed, len(sessions), title)
    text = page(
        title=title or TITLE,
        under=f"{_n(o.n_thrusts, 'thrust')} of {_n(o.n_patients, 'patient')}, pain on {o.scale}",
        version=__version__,
        sentences=answer,
        notes=notes,
        caveats=o.caveats,
        pictures=pictures,
        examples=clips,
        examples_note=NOTE,
        sheets=sheets(o),
        flow=[s for s in (report_flow.flow(o, thrusts, n_clips_only), report_flow.missing(thrusts), changed) if s],
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


def _check(place: Path, book: Path, force: bool) -> None:
    name = readable(str(place))
    if place.is_dir():
        raise UsageError(f"{name}: a folder; a report is one file, such as {readable(str(place / 'report.html'))}")
    if not os.path.lexists(place):
        return
    for kept in (book, key_beside(book)):
        if kept.exists() and place.exists() and place.samefile(kept):
            raise UsageError(f"{name}: the study itself; a report never replaces it: choose another name")
    if not force:
        raise UsageError(f"{name}: is there already; --force replaces it")


def _scale(thrusts: Sequence[Thrust], scale: PainScale | None) -> tuple[PainScale | None, list[str]]:
    """The scale to report on; two are never mixed, and a report should not fail for them."""
    found = Counter(thrust.pain_scale for thrust in thrusts)
    if scale is not None or len(found) < 2:
        return scale, []
    (most, n), (other, n_other) = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return most, [
        f"Pain is on two scales, which cannot be mixed: this report is on {most} ({_n(n, 'thrust')}); "
        f"{_n(n_other, 'thrust')} on {other} are left out, and --scale {other} makes their report."
    ]


def _shipped() -> bundle.Model | None:
    """The model that comes along; a report does not fail for want of its card."""
    try:
        return bundle.load()
    except ModelError:
        return None


def _main_model(o: Outcomes) -> str:
    main = o.main
    if main.model is None:
        return f"Here it could not be given: {main.estimate.why_not}."
    held = " and ".join(main.adjusted_for) or "nothing"
    return f"Here: {WORDS[main.model]}, because of {main.why}; adjusted for {held}."


def _errors(sensitivity: Counts | None, specificity: Counts | None) -> str:
    if sensitivity is None or specificity is None:
        return "The counts behind the detector's sensitivity and specificity were not given, so nothing is corrected."
    return (
        f"As given, counted on decided clips that a person heard: sensitivity {sensitivity[0]} of {sensitivity[1]}, "
        f"specificity {specificity[0]} of {specificity[1]}."
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
    """Enough to make the page again, without a name of a file or folder."""
    content = hashlib.sha256("\n".join(sorted(map(repr, thrusts))).encode()).hexdigest()
    rows = [
        ("command", command),
        ("fingerprint of the thrusts", content),
        ("popdetect", __version__),
        ("Python", platform.python_version()),
        *((name, _version(name)) for name in _LIBRARIES),
    ]
    note = (
        "Names of files and folders are replaced in the command, and appear nowhere here: they may tell of a clinic or "
        "a patient. The fingerprint is the same as long as nothing in the journal's thrusts changes."
    )
    return Sheet("origin-facts", "Command and versions", ("what", "value"), tuple(rows), (note,))


def _version(name: str) -> str:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return "not known"


def _n(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"
