"""``popdetect export``: the journal of a study as tables for other programs."""

from __future__ import annotations

import argparse
import csv
from typing import TYPE_CHECKING, Any

from popdetect.cli import options, terminal
from popdetect.cli.terminal import counted, one_line
from popdetect.errors import UsageError
from popdetect.records import to_json

if TYPE_CHECKING:
    from popdetect.study.export.export import Exported

EXAMPLES = (
    "popdetect export STUDY.db -o study.csv --columns patient,label,pain_before,pain_after",
    "popdetect export STUDY.db --format redcap -o redcap",
)


def add_options(parser: options.Parser) -> None:
    """Add the options of this command."""
    options.path(parser, "study", "STUDY.db", "the journal, made by popdetect log")
    options.text(parser, "--format", "NAME", "csv (one row per thrust), wide (one row per patient and session), redcap "
                 "(import file and data dictionary), codebook (csv and Markdown) or fhir (R4 bundle of the pain "
                 "scores) (default: csv)", default="csv")  # fmt: skip
    options.path(parser, "-o --out", "PATH", "file to write; for redcap and codebook, which are two files each, a "
                 "folder; without this option, csv, wide and fhir are printed")  # fmt: skip
    options.text(parser, "--columns", "LIST", "export only these fields, separated by commas (without this option: all "
                 "fields except free text, file names, details of the recordings and your own columns; the codebook "
                 "describes all fields)")  # fmt: skip
    options.flag(parser, "--force", "replace files that already exist")


def run(args: argparse.Namespace) -> int:
    """Write the tables, or print the table if no file is named."""
    from popdetect.study.export import export

    if args.out is None and (args.json or args.format in export.IN_A_FOLDER):
        what = "--json reports which files were written" if args.json else f"{args.format} is two files"
        raise UsageError(f"export: {what}; name the place with -o")
    columns = None
    if args.columns is not None:  # parsed as csv, because the name of your own column may contain a comma
        listed = next(csv.reader([args.columns], skipinitialspace=True), [])
        columns = [name.strip() for name in listed if name.strip()]
    done = export.export(args.study, args.format, args.out, columns=columns, force=args.force)
    if args.out is None:
        terminal.result(done.texts[""].removesuffix("\n"))
        for note in _notes(done):
            terminal.message(note, args.quiet)
    else:
        terminal.show(args, as_json(done), as_text(done), summary=True)
    return 0


def as_text(done: Exported) -> str:
    """Return the files, the number of rows and the notes."""
    n = counted(done.n_rows, done.row_name)
    lines = [f"{one_line(path)}: {n}" if not i else one_line(path) for i, path in enumerate(done.written)]
    return "\n".join([*lines, *(f"  {note}" for note in _notes(done))])


def _notes(done: Exported) -> list[str]:
    left_out = one_line(", ".join(done.left_out)) if done.format != "fhir" else ""
    notes = [f"left out: {left_out}; use --columns to choose the fields"] if left_out else []
    return [*notes, *(f"note: {hint}" for hint in done.hints)]


def as_json(done: Exported) -> dict[str, Any]:
    """Return the same as an object."""
    row = to_json(done)
    rows = {"format": done.format, "written": row["written"], "rows": done.n_rows, "row": done.row_name}
    return rows | {"columns": row["columns"], "left_out": row["left_out"], "notes": row["hints"]}
