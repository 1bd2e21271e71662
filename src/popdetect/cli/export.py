"""``popdetect export``: the journal of a study as tables for other programs."""

from __future__ import annotations

import csv

from popdetect.cli import terminal
from popdetect.cli.options import JOURNAL, Args, flag, path, text
from popdetect.cli.terminal import counted, one_line
from popdetect.errors import UsageError
from popdetect.records import to_json

EXAMPLES = (
    "popdetect export STUDY.db -o study.csv --columns patient,label,pain_before,pain_after",
    "popdetect export STUDY.db --format redcap -o redcap",
)
OPTIONS = (
    path("study", "STUDY.db", JOURNAL),
    text("--format", "NAME", "csv (one row per thrust), wide (one row per patient and session), redcap (import file "
         "and data dictionary), codebook (csv and Markdown), fhir (bundle of the pain scores and pops) or xlsx (Excel "
         "workbook) (default: xlsx if PATH ends with .xlsx, else csv)"),
    path("-o --out", "PATH", "file to write; for redcap and codebook, which are two files each, a folder"),
    text("--columns", "LIST", "export only these fields, separated by commas (without this option: all fields except "
         "free text, file names, details of the recordings and your own columns; the codebook describes all fields)"),
    text("--excel", "LANGUAGE", "write csv files for the Excel of a language: de (semicolons, decimal commas) or en",
         choices=("de", "en")),
    flag("--raw", "leave texts as they are that a spreadsheet could take for a formula"),
    flag("--force", "replace files that already exist"),
)  # fmt: skip


def run(args: Args) -> None:
    """Without -o, the formats csv, wide and fhir are printed."""
    from popdetect.study.export import export

    is_workbook = args.out is not None and args.out.suffix.lower() == ".xlsx"
    format = args.format or ("xlsx" if is_workbook else "csv")
    if args.out is None and (args.json or format in export.IN_A_FOLDER):
        what = "--json reports which files were written" if args.json else f"{format} is two files"
        raise UsageError(f"export: {what}; name the place with -o")
    columns = None
    if args.columns is not None:  # parsed as csv, because the name of your own column may contain a comma
        listed = next(csv.reader([args.columns], skipinitialspace=True), [])
        columns = [name.strip() for name in listed if name.strip()]
    done = export.export(
        args.study, format, args.out, columns=columns, force=args.force, excel=args.excel or "", raw=args.raw
    )
    left_out = one_line(", ".join(done.left_out)) if done.format != "fhir" else ""
    notes = [f"left out: {left_out}; use --columns to choose the fields"] if left_out else []
    notes += [f"note: {hint}" for hint in done.hints]
    if args.out is None:
        terminal.result(str(done.texts[""]).removesuffix("\n"))
        for note in notes:
            terminal.message(note, args.quiet)
        return
    lines = [one_line(path) for path in done.written]
    lines[0] += f": {counted(done.n_rows, done.row_name)}"
    row = {
        "format": done.format, "written": done.written, "rows": done.n_rows, "row": done.row_name,
        "columns": done.columns, "left_out": done.left_out, "notes": done.hints,
    }  # fmt: skip
    terminal.show(args, to_json(row), "\n".join([*lines, *(f"  {note}" for note in notes)]), summary=True)
