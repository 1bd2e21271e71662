"""Who says whether there was a pop: the detector or people; and the detector's errors, as people found them.

A blinded random sample is what raters answered on the review page before they saw the detector's result, about clips
that were drawn at random. Only such answers say how often the detector is wrong: clips that were drawn because the
detector was uncertain are harder than others, and who has seen its result tends to agree.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Final

from popdetect.errors import UsageError
from popdetect.session.corrections import CONSENSUS
from popdetect.study.analysis.detector_errors import Counts
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.journal import journal
from popdetect.study.journal.journal import DETECTOR

FEWEST: Final = 5  # clips of each kind behind sensitivity and specificity


@dataclass(frozen=True, slots=True)
class Sourced:
    """Thrusts with the labels of one source, and what belongs to them."""

    thrusts: list[Thrust]
    sensitivity: Counts | None  # of the detector: as given, or from the blinded random sample
    specificity: Counts | None
    caveats: tuple[str, ...]  # sentences about the source


def sourced(
    path: str | os.PathLike[str],
    source: str = DETECTOR,
    sensitivity: Counts | None = None,
    specificity: Counts | None = None,
) -> Sourced:
    """Read the thrusts of a journal with the labels of a source (see `journal.thrusts`), by default the detector's.

    The detector judges all clips in one way, with errors that can be counted and corrected for; so its labels are used
    unless another source is named. Without counts, those of the blinded random sample are used.

    Raises
    ------
    UsageError
        As `journal.thrusts`, or if counts of the detector's errors are given with another source.
    """
    thrusts = journal.thrusts(path, source)
    if source != DETECTOR:
        if sensitivity or specificity:
            raise UsageError(
                f"--sensitivity and --specificity are of the detector; leave them out with --source {source}"
            )
        n = len({(t.session, t.file) for t in thrusts if t.label is not None})
        n_all = len({(t.session, t.file) for t in thrusts})
        who = "that raters agreed on" if source == CONSENSUS else f"of the rater {source}"
        left = "; the others are not judged" if n < n_all else ""
        return Sourced(thrusts, None, None, (f"The labels are those {who}, of {n} of {n_all} clips{left}.",))
    said = []
    heard = journal.heard(path)
    if heard:
        n_differ = sum(one.label != one.detector for one in heard.values())
        said.append(
            f"The labels are the detector's. People reviewed {len(heard)} of the clips, and heard something else in "
            f"{n_differ} of them; --source consensus, or --source and a rater, uses their answers."
        )
    if sensitivity is None and specificity is None and (counted := accuracy(path)) is not None:
        sensitivity, specificity = counted
        said.append(
            f"Sensitivity ({sensitivity[0]} of {sensitivity[1]}) and specificity ({specificity[0]} of "
            f"{specificity[1]}) of the detector are from the blinded random sample of reviewed clips."
        )
    return Sourced(thrusts, sensitivity, specificity, tuple(said))


def accuracy(path: str | os.PathLike[str]) -> tuple[Counts, Counts] | None:
    """Return the counts behind sensitivity and specificity from the blinded random sample.

    (right, n) of the clips with and without a pop, as people heard it; clips that either side calls uncertain are left
    out. None if there are fewer than `FEWEST` of one kind.
    """
    pairs = blinded(path)
    counts = [(pairs[kind, kind], pairs["pop", kind] + pairs["no_pop", kind]) for kind in ("pop", "no_pop")]
    return (counts[0], counts[1]) if min(n for _, n in counts) >= FEWEST else None


def blinded(path: str | os.PathLike[str]) -> Counter[tuple[str, str]]:
    """Return how many clips of the blinded random sample have each (label of the detector, answer of people)."""
    return Counter((one.detector or "", one.label) for one in journal.agreed(path, sample=True).values())
