"""``popdetect report``: the results of a study as one web page, or as a PDF."""

from __future__ import annotations

from popdetect.cli import terminal
from popdetect.cli.options import ANALYSIS, ANALYSIS_NAMES, JOURNAL, Args, chosen, flag, path, text
from popdetect.cli.terminal import counted, one_line

EXAMPLES = ("popdetect report STUDY.db -o report.html --session session_07",)
OPTIONS = (
    path("study", "STUDY.db", JOURNAL),
    path("-o --out", "FILE", "the page to write: report.html, which works offline, or report.pdf", required=True),
    path("--session", "DIR", "folder of a labelled session; a few of its clips are shown as examples; can be given "
         "several times", action="append"),
    text("--title", "TEXT", "title of the page"),
    flag("--force", "replace a file that already exists"),
    *ANALYSIS,
)  # fmt: skip


def run(args: Args) -> None:
    """The page needs no other file and no internet connection."""
    from popdetect.study.report import report

    settings = chosen(args, "title", "force", "source", *ANALYSIS_NAMES)
    done = report.write(args.study, args.out, sessions=args.session or (), **settings)
    row = {
        "written": str(done.path), "bytes": done.n_bytes, "pictures": done.n_pictures,
        "example_clips": done.n_examples, "sentences": list(done.sentences), "notes": list(done.notes),
    }  # fmt: skip
    clips = f", {counted(done.n_examples, 'example clip')}" if done.n_examples else ""
    lines = [f"{one_line(done.path)}: {counted(done.n_pictures, 'picture')}{clips}, {done.n_bytes / 1e6:.1f} MB"]
    lines += [f"  {i}. {sentence}" for i, sentence in enumerate(done.sentences, 1)]
    lines += [f"  note: {one_line(note)}" for note in done.notes]
    terminal.show(args, row, "\n".join(lines), summary=True)
