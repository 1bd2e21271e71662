"""``popdetect review``: the review page of a labelled session."""

from __future__ import annotations

import argparse
import sys

from popdetect.cli import options, terminal
from popdetect.cli.terminal import counted, one_line

EXAMPLES = ("popdetect review session_07", "popdetect review session_07 --blind --rater anna")


def add_options(parser: options.Parser) -> None:
    """Add the options of this command."""
    parser.explain("Only this computer can open the page. Every answer is saved at once. Ctrl-C ends the review.")
    options.path(parser, "folder", "DIR", "folder of the session, already labelled")
    options.path(parser, "--out", "DIR", "folder with the tables of popdetect label; corrections.csv is written there "
                 "(default: DIR/popdetect)")  # fmt: skip
    options.text(parser, "--rater", "NAME", "who answers; the answers of each rater are kept separately (default: "
                 "your login name)")  # fmt: skip
    options.flag(parser, "--blind", "hide the result of the detector until you have answered")
    options.number(parser, "--port", 0, 0, 65_535, "port on 127.0.0.1; 0 means any free port", "PORT")
    options.flag(parser, "--no-browser", "print the address and do not open the browser")
    options.seed(parser, "seed of the random sample of clips from which the error rate is estimated")


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C, which is the normal end."""
    from popdetect.app import review_session

    def on_ready(address: str, n_clips: int) -> None:
        terminal.show(args, {"address": address, "clips": n_clips}, address)
        sys.stdout.flush()
        terminal.message(f"{counted(n_clips, 'clip')}; only this computer can open the page; Ctrl-C ends", args.quiet)

    settings = options.chosen(args, "out", "rater", "blind", "port", "seed")
    done = review_session.review(args.folder, browser=not args.no_browser, on_ready=on_ready, **settings)
    corrected = "" if done["n_corrected"] is None else f", {done['n_corrected']} corrected"
    answered = f"{done['n_answered']} of {done['n_clips']} clips answered by {one_line(done['rater'])}{corrected}"
    text = f"{one_line(done['path'])}: {answered}\nRun the same command again to continue."
    if not done["n_answered"]:
        text = "No answer was given; nothing was written."
    row = {"written": done["path"] if done["n_answered"] else None, **done}
    terminal.show(args, row, text, summary=True)
    return 0
