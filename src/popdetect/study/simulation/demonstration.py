"""The demonstration: simulate, label, log and report one small study.

Everything is in one folder: ``session/`` (clips, scores, truth, labels), ``demo.db``, ``demo.key`` and
``report.html``. Results of an earlier run are used again. A folder that holds anything else is refused, because it may
be a real study.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from popdetect.errors import UsageError
from popdetect.session import labelling
from popdetect.session.clips import LabelledClip
from popdetect.session.files import readable
from popdetect.session.tables import Row, read_rows
from popdetect.study.journal.logging import Logged, log
from popdetect.study.report import report
from popdetect.study.simulation import session as simulated_session
from popdetect.study.simulation.study import StudyPlan

# the effect is large enough for a study of this size to show it in most cases
PLAN: Final = StudyPlan(n_patients=15, n_thrusts=60, effect=-1.5, pop_share=0.6)
SEED: Final = 1
SESSION, JOURNAL, REPORT = "session", "demo.db", "report.html"
TITLE = "Demonstration: a simulated study of pops and pain"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The results of the demonstration.

    Attributes
    ----------
    summary : labelling.Summary
        Of labelling.
    rows : tuple of (LabelledClip, dict)
        Each clip as it was labelled, and its truth.
    effect : float
        True effect of a pop, in NPRS points.
    """

    session: Path
    summary: labelling.Summary
    rows: tuple[tuple[LabelledClip, Row], ...]
    logged: Logged
    report: report.Written
    effect: float


def demonstrate(
    folder: Path, *, on_stage: Callable[[str], None], on_progress: Callable[[int, int], None] | None
) -> Demonstration:
    """Run all steps; steps that an earlier run finished are not repeated.

    `folder` is new, empty, or that of an earlier run; raises UsageError if it holds other files or cannot be written.
    `on_stage` is called with the name of the next step, `on_progress` with the number of clips done and of all clips.
    """
    session = folder / SESSION
    if not (session / simulated_session.TRUTH).is_file():
        _must_be_empty(folder)
        on_stage(f"making a study of {PLAN.n_thrusts} clips in {readable(str(session))}")
        simulated_session.simulate(session, PLAN, seed=SEED, on_progress=on_progress)
    summary = labelling.label(session, formats=("audacity",), on_progress=on_progress)
    logged = log(session, folder / JOURNAL, update=True)  # another model may have labelled it before
    on_stage("writing the report")
    written = report.write(folder / JOURNAL, folder / REPORT, sessions=[session], title=TITLE, force=True)
    found = {clip.file: clip for clip in summary.session.clips}
    truths = read_rows(session / simulated_session.TRUTH_TABLE)
    rows = tuple((found[truth["file"]], truth) for truth in truths if truth["file"] in found)
    return Demonstration(session, summary, rows, logged, written, PLAN.effect)


def _must_be_empty(folder: Path) -> None:
    try:
        others = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{readable(str(folder))}: cannot be used: {error.strerror or error}") from error
    if others:
        raise UsageError(
            f"{readable(str(folder))} is not empty, and not of an earlier demo; name a folder that does not exist yet"
        )
