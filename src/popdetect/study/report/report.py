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
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from popdetect import __version__
from popdetect.detection.model import bundle
from popdetect.errors import ModelError, NothingFound, UsageError
from popdetect.session.files import readable, write_files
from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.columns import columns_of
from popdetect.study.analysis.detector_errors import Counts
from popdetect.study.analysis.outcomes import MARGIN, outcomes
from popdetect.study.analysis.plan_file import Plan
from popdetect.study.analysis.regression import WORDS
from popdetect.study.analysis.thrusts import PainScale, Thrust
from popdetect.study.analysis.units import Unit, units_of
from popdetect.study.journal import journal
from popdetect.study.journal.pseudonyms import may_write
from popdetect.study.journal.sources import blinded, sourced
from popdetect.study.report import pictures
from popdetect.study.report.checklist import ITEMS, context
from popdetect.study.report.examples import NOTE, examples, find_known
from popdetect.study.report.forest import forest
from popdetect.study.report.model_cards import cards, thresholds
from popdetect.study.report.page import page
from popdetect.study.report.patients import adverse_events, table_1
from popdetect.study.report.pdf import as_pdf
from popdetect.study.report.sentences import counted, in_units, margin_words, sentences
from popdetect.study.report.tables import Sheet, changed, filled_cells, flow, reviewed, sheets

TITLE = "Pops and pain: report of a study"
_LIBRARIES = ("numpy", "scipy", "statsmodels", "matplotlib", "Jinja2")


@dataclass(frozen=True, slots=True)
class Written:
    """A report that was written.

    `sentences` are the answer, in three; `notes` are remarks about this report, such as clips that no longer exist.
    """

    path: Path
    sentences: tuple[str, ...]
    n_bytes: int
    notes: tuple[str, ...]
    n_pictures: int
    n_examples: int


def write(
    study: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    sessions: Sequence[str | os.PathLike[str]] = (),
    margin: float = MARGIN,
    scale: PainScale | None = None,
    unit: Unit | None = None,
    time_point: str | None = None,
    adjust: Sequence[str] | None = None,
    plan: Plan | str | os.PathLike[str] | None = None,
    source: str = journal.DETECTOR,
    sensitivity: Counts | None = None,
    specificity: Counts | None = None,
    seed: int = 0,
    sensitivity_analyses: bool = False,
    title: str | None = None,
    force: bool = False,
) -> Written:
    """Write the report of a journal.

    Parameters
    ----------
    study : path
        The journal.
    out : path
        The page to write: ``report.html``, or ``report.pdf`` printed by a browser of this computer (see `pdf`).
    sessions : sequence of paths
        Folders of labelled sessions; a few of their clips are shown as examples.
    margin, scale, unit, time_point, adjust, plan, sensitivity, specificity, seed, sensitivity_analyses
        As for `outcomes`; without `scale`, the scale of most thrusts.
    source : str
        Who says whether there was a pop; see `sources.sourced`.
    title : str, optional
    force : bool
        Replace what is there.

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
    if place.suffix.lower() not in (".html", ".pdf"):
        raise UsageError(f"{readable(str(place))}: a report is report.html or report.pdf; the name says which")
    typed = (sensitivity, specificity)
    read = sourced(book, source, sensitivity, specificity)
    thrusts, sensitivity, specificity = read.thrusts, read.sensitivity, read.specificity
    if not thrusts:
        raise NothingFound(
            f"{readable(str(book))}: no thrust with a score in it yet; `popdetect log` puts sessions into it"
        )
    chosen, notes = _scale(thrusts, scale)
    o = outcomes(
        thrusts,
        margin=margin,
        scale=chosen,
        unit=unit,
        time_point=time_point,
        adjust=adjust,
        plan=plan,
        sensitivity=sensitivity,
        specificity=specificity,
        seed=seed,
        sensitivity_analyses=sensitivity_analyses,
    )
    o = replace(o, caveats=(*read.caveats, *o.caveats))
    try:
        shipped = bundle.load()
    except ModelError:
        shipped = None  # a report does not fail if the card of the model is missing
    units = units_of([t for t in thrusts if t.pain_scale == o.scale], o.unit, o.time_point or None)
    columns, on_scale = columns_of(units.rows, o.scale), units.thrusts
    records = journal.records(book)
    known, points = find_known(sessions, {str(record["sha256"]) for record in records if record["sha256"]})
    models = cards(thrusts, shipped)
    limits = thresholds(on_scale, shipped, points)
    clips, gone = examples(records, known, limits[0] if len(models) == 1 else None)
    notes += gone
    if len(models) > 1:
        notes.append(f"{len(models)} models judged these clips; their verdicts are not comparable.")
    drawn = (
        pictures.before_after(o, columns),
        forest(o),
        pictures.dose(o, columns),
        pictures.agreement(o),
        pictures.probabilities(on_scale, limits),
    )
    asked = {(t.session, t.file) for t in thrusts}
    n_clips_only = sum(known not in asked for known in journal.recordings(book))
    command = [f"popdetect report STUDY.db -o report.html --margin {margin:g}", f"--scale {scale}" if scale else ""]
    command.append("--plan PLAN" if plan else "")
    command.append("--sensitivity-analyses" if sensitivity_analyses else "")
    command += [f"--unit {unit}" if unit else "", f'--time-point "{time_point}"' if time_point else ""]
    command += [f'--adjust "{name}"' for name in adjust or ()]
    command.append(f"--source {source}" if source != journal.DETECTOR else "")
    for name, counts in zip(("sensitivity", "specificity"), typed, strict=True):
        command.append(f"--{name} {counts[0]}/{counts[1]}" if counts else "")
    command += [f"--seed {seed}", *["--session DIR"] * len(sessions), '--title "…"' if title else ""]
    errors = "The counts behind the detector's sensitivity and specificity were not given, so nothing is corrected."
    if sensitivity and specificity:
        errors = (
            f"{'As given' if any(typed) else 'From the review'}, counted on decided clips that a person listened to: "
            "sensitivity "
            f"{sensitivity[0]} of {sensitivity[1]}, specificity {specificity[0]} of {specificity[1]}."
        )
    answer = sentences(o)
    text = page(
        title=title or TITLE,
        under=f"{counted(o.n_thrusts, o.unit)} of {counted(o.n_patients, 'patient')}, pain on {o.scale}",
        version=__version__,
        sentences=answer,
        notes=notes,
        caveats=o.caveats,
        pictures=drawn,
        examples=clips,
        examples_note=NOTE,
        sheets=[*sheets(o), *reviewed(blinded(book))],
        flow=[
            flow(o, thrusts, units, n_clips_only),
            table_1(o, units.thrusts),
            adverse_events(units.thrusts),
            filled_cells(thrusts),
            *changed(journal.history(book)),
        ],
        context=context(),
        checklist=ITEMS,
        main_model=in_units(_main_model(o.main), o),
        margin=margin_words(o),
        errors=errors,
        models=models,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        origin=_origin(" ".join(filter(None, command)), thrusts),
    )
    raw = as_pdf(text) if place.suffix.lower() == ".pdf" else text.encode()
    write_files({place: raw})
    return Written(place, answer, len(raw), tuple(notes), sum(bool(one.svg) for one in drawn), len(clips))


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


def _main_model(main: Difference) -> str:
    if main.model is None:
        return f"Here it could not be given: {main.estimate.why_not}."
    adjusted = " and ".join(main.adjusted_for) or "nothing"
    return f"Here: {WORDS[main.model]}, because of {main.why}; adjusted for {adjusted}."


def _origin(command: str, thrusts: Sequence[Thrust]) -> Sheet:
    """Return what is needed to remake the page, without a name of a file or folder."""
    rows = [
        ("command", command),
        ("fingerprint of the thrusts", hashlib.sha256("\n".join(sorted(map(repr, thrusts))).encode()).hexdigest()),
        ("popdetect", __version__),
        ("Python", platform.python_version()),
        *((name, version(name)) for name in _LIBRARIES),
    ]
    note = (
        "Names of files and folders are replaced in the command and appear nowhere in this report, because they may "
        "identify a clinic or a patient. The fingerprint changes if any thrust in the journal changes."
    )
    return Sheet("origin-facts", "Command and versions", ("what", "value"), rows, [note])
