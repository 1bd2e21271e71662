"""``popdetect label``: a folder of recordings, labelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from popdetect.cli import options, terminal
from popdetect.cli.terminal import one_line
from popdetect.errors import UsageError
from popdetect.records import pops_in_words, to_json

if TYPE_CHECKING:
    from popdetect.session.clips import LabelledClip
    from popdetect.session.labelling import Summary

CONTINUES = True  # an interrupted run keeps finished clips
EXAMPLES = ("popdetect label session_07", "popdetect label session_07 --formats audacity,raven --jobs 2")
OPTIONS = (
    options.path("folder", "DIR", "folder of the session"),
    options.path("--out", "DIR", "folder for the results (default: DIR/popdetect)"),
    options.text("--formats", "LIST", "also write label files: audacity, raven, textgrid, separated by commas"),
    options.number("--jobs", 1, 1, 256, "number of processes that run in parallel", unit="processes"),
    options.text(
        "--cluster",
        "ADDRESS",
        "run on the Dask cluster of this scheduler, such as tcp://10.0.0.5:8786; its "
        "workers read the recordings under the same paths",
    ),
    options.flag("--ship-bytes", "send the recordings to the cluster, for workers that do not see the folder"),
    options.flag("--watch", "then label recordings as they arrive in the folder, until Ctrl-C; half-copied files wait"),
    options.flag("--force", "process finished clips again"),
    *options.MODEL,
)


def run(args: options.Args) -> int:
    """Writes the tables clips.csv, events.csv and bursts.csv into DIR/popdetect.

    If a run is interrupted, the same command continues it; finished clips are not processed again.
    """
    from popdetect.session import labelling

    formats = tuple(name for name in (args.formats or "").replace(" ", "").split(",") if name)
    settings = options.chosen(args, "out", "model", "operating_point", "jobs", "cluster", "ship_bytes", "force")
    if args.watch:
        summary = _watched(args, formats)
    else:
        with terminal.progress("clips", args.quiet) as on_progress:
            summary = labelling.label(args.folder, formats=formats, on_progress=on_progress, **settings)
    for name, error in summary.unlisted:
        terminal.message(f"the folder {name} cannot be read: {error}", args.quiet)
    terminal.show(args, as_json(summary), as_text(summary), summary=True)
    if summary.n_failed == summary.n_clips and not (args.watch and not summary.n_clips):
        return terminal.FAILED_ALL
    return terminal.FAILED_SOME if summary.n_failed or summary.unlisted else 0


def _watched(args: options.Args, formats: tuple[str, ...]) -> Summary:
    """Label with a line for each clip, until Ctrl-C."""
    from popdetect.session import watching

    if args.cluster or args.ship_bytes:
        raise UsageError("label: --watch labels on this computer; leave out --cluster and --ship-bytes")
    settings = options.chosen(args, "out", "model", "operating_point", "jobs", "force")
    terminal.message(f"watching {one_line(args.folder)}; stop with Ctrl-C", args.quiet)

    def on_clip(row: LabelledClip) -> None:
        found = row.error or f"{row.label.replace('_', ' ')}, {pops_in_words(row.label, row.n_pops or 0)}"
        terminal.message(f"{one_line(row.file)}: {one_line(found)}", args.quiet)

    return watching.watch(args.folder, formats=formats, on_clip=on_clip, **settings)


def as_text(summary: Summary) -> str:
    """Return the counts, the clips to check, and the files that were written."""
    n = summary.n_by_label
    possible = f" ({terminal.counted(summary.n_uncertain_pops, 'uncertain pop')})" if n["uncertain"] else ""
    before = f"; {summary.n_skipped} were finished before" if summary.n_skipped else ""
    lines = [
        f"{summary.n_clips} clips: {n['pop']} pop ({summary.n_pops} pops), {n['no_pop']} no pop, "
        f"{n['uncertain']} uncertain{possible}, {summary.n_failed} failed{before}"
    ]
    found = summary.pops_found_on
    if any(found.values()):
        lines.append(
            f"  two channels: {found['1']} pops found on channel 1 only, {found['2']} on channel 2 only, "
            f"{found['both']} on both (where the sound was found, not which joint popped)"
        )
    lines += [f"  failed: {one_line(file)}: {one_line(error)}" for file, error in summary.failed[:5]]
    if summary.n_failed > 5:
        lines.append(f"  … and {summary.n_failed - 5} more: see the column error in clips.csv")
    for words, files in (
        ("cut off, labelled by what is left of them", summary.truncated),
        ("uncertain, please listen", summary.uncertain),
    ):
        if files:
            more = f" … and {len(files) - 3} more" if len(files) > 3 else ""
            lines.append(f"  {words}: {', '.join(map(one_line, files[:3]))}{more}")
    if summary.waiting:
        lines.append(f"  not labelled, because still changing: {', '.join(map(one_line, summary.waiting[:5]))}")
    if differences := _differences(summary.kinds):
        lines.append(f"  the recordings differ: {differences}")
    if summary.passed_over.n:
        lines.append(f"  passed over: {one_line(summary.passed_over.in_words)}; their names are in run.json")
    return "\n".join([*lines, *(f"  {one_line(path)}" for path in summary.written)])


def _differences(found: Mapping[str, Mapping[str, int]]) -> str:
    """Return the mixed properties in words: ``48000 Hz (20), 44100 Hz (10); 1 channel (29), 2 channels (1)``."""
    names: dict[str, Callable[[str], str]] = {
        "sample_rates_hz": lambda value: f"{value} Hz",
        "channels": lambda value: terminal.counted(int(value), "channel"),
        "formats": lambda value: value or "no known format",
    }
    parts = []
    for name, words in names.items():
        if len(found[name]) > 1:
            shown = [f"{words(value)} ({n})" for value, n in list(found[name].items())[:4]]
            parts.append(", ".join([*shown, "…"] if len(found[name]) > 4 else shown))
    return "; ".join(parts)


def as_json(summary: Summary) -> dict[str, Any]:
    """Return the same as an object, with all file names."""
    names = ("folder", "out", "n_clips", "n_new", "n_skipped", "n_failed", "n_pops", "n_uncertain_pops",
             "pops_found_on", "uncertain", "truncated", "written")  # fmt: skip
    row = {name: to_json(getattr(summary, name)) for name in names}
    row |= {f"n_{name}": n for name, n in summary.n_by_label.items()} | {"seconds": round(summary.seconds, 3)}
    over = {name: n for name, n in summary.passed_over.n_by_reason.items() if n}
    row |= {"n_passed_over": summary.passed_over.n, "passed_over": over, **summary.kinds}
    failed = [{"file": file, "error": error} for file, error in summary.failed]
    return row | {"failed": failed, "unlisted": [{"folder": name, "error": error} for name, error in summary.unlisted]}
