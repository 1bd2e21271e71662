"""``popdetect label``: a folder of recordings, labelled."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from popdetect.cli import options, terminal
from popdetect.cli.terminal import SCHEMA_VERSION, one_line

if TYPE_CHECKING:
    from popdetect.session.summary import Summary

EXAMPLES = ("popdetect label session_07", "popdetect label session_07 --formats audacity,raven --jobs 2")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.description = (
        f"{parser.description} The tables clips.csv and events.csv are written into DIR/popdetect. If the run is "
        "interrupted, the same command continues it; finished clips are not processed again."
    )
    parser.add_argument("folder", type=options.path, metavar="DIR", help="folder of the session")
    parser.add_argument(
        "--out", type=options.path, metavar="DIR", help="folder for the results (default: DIR/popdetect)"
    )
    parser.add_argument("--formats", metavar="LIST",
                        help="also write label files: audacity, raven, textgrid, separated by commas")  # fmt: skip
    options.add_number(parser, "--jobs", 1, 1, 256, "number of processes that run in parallel", unit="processes")
    options.add_flag(parser, "--force", "process finished clips again")
    options.add_model(parser)
    parser.set_defaults(continues=True)


def run(args: argparse.Namespace) -> int:
    """Label the folder."""
    from popdetect.session import labelling

    formats = tuple(name for name in (args.formats or "").replace(" ", "").split(",") if name)
    with terminal.progress("clips", args.quiet) as on_progress:
        summary = labelling.label(
            args.folder,
            out=args.out,
            model=args.model,
            operating_point=args.operating_point,
            formats=formats,
            jobs=args.jobs,
            force=args.force,
            on_progress=on_progress,
        )
    for name, error in summary.unlisted:
        terminal.message(f"the folder {name} cannot be read: {error}", args.quiet)
    if args.json:
        terminal.json_result(as_json(summary))
    elif not args.quiet:
        terminal.result(as_text(summary))
    if summary.n_failed == summary.n_clips:
        return terminal.FAILED_ALL
    return terminal.FAILED_SOME if summary.n_failed or summary.unlisted else 0


def as_text(summary: Summary) -> str:
    """Return the counts, the clips to check, and the files that were written."""
    n = summary.n_by_label
    lines = [
        f"{summary.n_clips} clips: {n['pop']} pop ({summary.n_pops} pops), {n['no_pop']} no pop, "
        f"{n['uncertain']} uncertain, {summary.n_failed} failed"
        + (f"; {summary.n_skipped} were finished before" if summary.n_skipped else "")
    ]
    lines += [f"  failed: {one_line(file)}: {one_line(error)}" for file, error in summary.failed[:5]]
    if summary.n_failed > 5:
        lines.append(f"  … and {summary.n_failed - 5} more: see the column error in clips.csv")
    if summary.uncertain:
        shown = ", ".join(map(one_line, summary.uncertain[:3]))
        more = f" … and {len(summary.uncertain) - 3} more" if len(summary.uncertain) > 3 else ""
        lines.append(f"  uncertain, please listen: {shown}{more}")
    return "\n".join([*lines, *(f"  {one_line(path)}" for path in summary.written)])


def as_json(summary: Summary) -> dict[str, Any]:
    """Return the same as an object, with all file names."""
    return {
        "schema_version": SCHEMA_VERSION,
        "folder": str(summary.folder),
        "out": str(summary.out),
        "n_clips": summary.n_clips,
        "n_new": summary.n_new,
        "n_skipped": summary.n_skipped,
        **{f"n_{name}": n for name, n in summary.n_by_label.items()},
        "n_failed": summary.n_failed,
        "n_pops": summary.n_pops,
        "seconds": round(summary.seconds, 3),
        "failed": [{"file": file, "error": error} for file, error in summary.failed],
        "unlisted": [{"folder": folder, "error": error} for folder, error in summary.unlisted],
        "uncertain": list(summary.uncertain),
        "written": [str(path) for path in summary.written],
    }
