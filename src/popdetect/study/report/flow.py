"""Who is in a study and who is out: from the clips in the journal to the thrusts that the answer rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from popdetect.study.analysis.columns import columns_of, complete, has
from popdetect.study.analysis.outcomes import Outcomes
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.journal.journal import Replaced
from popdetect.study.report.tables import Sheet

_GROUPS = (("pop", "pop"), ("no pop", "no_pop"), ("uncertain", "uncertain"), ("not judged", None))


def flow(o: Outcomes, thrusts: Sequence[Thrust], n_clips_only: int) -> Sheet:
    """Numbers of thrusts, step by step; `n_clips_only` clips are in the journal without any score."""
    rows = [
        ("clips and thrusts in the journal", str(len(thrusts) + n_clips_only), ""),
        (
            "thrusts of which something was asked",
            str(len(thrusts)),
            _lost(n_clips_only, "clips without a line of scores"),
        ),
        (f"on the scale {o.scale}", str(o.n_thrusts), _lost(o.n_other_scale, "on the other scale")),
    ]
    left = o.n_thrusts
    for reason, n in _left_out(o, thrusts).items():
        left -= n
        rows.append((f"without: {reason}", str(left), str(n)))
    main = o.main
    if main.estimate.value is not None:
        last = f"in the answer: {main.n_pop} with and {main.n_no_pop} without a pop, {main.n_patients} patients"
        rows.append((last, str(main.n), ""))
        notes: tuple[str, ...] = ()
    else:
        notes = (f"There is no answer: {main.estimate.why_not}.",)
    columns = ("step", "thrusts left", "left out here")
    return Sheet("flow", "From the journal to the answer", columns, tuple(rows), notes)


def missing(thrusts: Sequence[Thrust]) -> Sheet:
    """How many cells are filled in each group, on both scales together."""
    groups = [[t for t in thrusts if t.label == label] for _, label in _GROUPS]
    fields = (
        ("pain before", "pain_before"),
        ("pain after", "pain_after"),
        ("expectation of relief", "expects_relief"),
        ("belief that a pop is needed", "believes_pop_needed"),
        ("pop heard by patient", "pop_heard_by_patient"),
        ("pop heard by therapist", "pop_heard_by_therapist"),
        ("thrust speed", "thrust_speed"),
        ("adverse event noted", "adverse_event"),
    )
    rows = [("thrusts", *(str(len(group)) for group in groups), str(len(thrusts)))]
    for name, field in fields:
        filled = [sum(getattr(t, field) not in (None, "") for t in group) for group in groups]
        rows.append((name, *map(str, filled), str(sum(filled))))
    notes = (
        "What was not asked cannot be told from what was not answered. Nothing was filled in for what is missing: each "
        "comparison uses the thrusts that have what it needs.",
        "An adverse event is a filled cell; what it says is not in this report.",
    )
    return Sheet("missing", "Cells that are filled in, by what was heard", ("field", *(n for n, _ in _GROUPS), "all"),
                 tuple(rows), notes)  # fmt: skip


def changed(history: Sequence[Replaced]) -> Sheet | None:
    """How many values were replaced after they had been logged, by field; None if none were."""
    if not history:
        return None
    counts = Counter(replaced.field for replaced in history)
    rows = tuple((field, str(n)) for field, n in sorted(counts.items()))
    note = "The old values are kept in the journal's history."
    return Sheet("changed", "Values replaced after they were logged", ("field", "times"), rows, (note,))


def _left_out(o: Outcomes, thrusts: Sequence[Thrust]) -> dict[str, int]:
    if o.main.left_out is not None:
        return o.main.left_out
    columns = columns_of(thrusts, o.scale)
    return complete(
        ("clip could not be judged", columns.label != ""),
        ("verdict uncertain", columns.label != "uncertain"),
        ("no pain before", has(columns.before)),
        ("no pain after", has(columns.after)),
    )[1]


def _lost(n: int, what: str) -> str:
    return f"{n} {what}" if n else "0"
