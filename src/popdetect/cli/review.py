"""``popdetect review``: the review page of a labelled session."""

from __future__ import annotations

import sys

from popdetect.cli import terminal
from popdetect.cli.options import SEEDS, Args, chosen, flag, number, path, text
from popdetect.cli.terminal import counted, one_line

EXAMPLES = ("popdetect review session_07", "popdetect review session_07 --blind --rater anna")
OPTIONS = (
    path("folder", "DIR", "folder of the session, already labelled"),
    path("--out", "DIR", "folder with the tables of popdetect label; corrections.csv is written there (default: "
         "DIR/popdetect)"),
    text("--rater", "NAME", "who answers; the answers of each rater are kept separately (default: your login name)"),
    flag("--blind", "hide the result of the detector until you have answered"),
    number("--port", 0, 0, 65_535, "port on 127.0.0.1; 0 means any free port", "PORT"),
    flag("--no-browser", "print the address and do not open the browser"),
    number("--seed", 0, *SEEDS, "seed of the random sample of clips from which the error rate is estimated"),
)  # fmt: skip


def run(args: Args) -> None:
    """Only this computer can open the page. Every answer is saved at once. Ctrl-C ends the review."""
    from popdetect.app import review_session

    def on_ready(address: str, n_clips: int) -> None:
        terminal.show(args, {"address": address, "clips": n_clips}, address)
        sys.stdout.flush()
        terminal.message(f"{counted(n_clips, 'clip')}; only this computer can open the page; Ctrl-C ends", args.quiet)

    settings = chosen(args, "out", "rater", "blind", "port", "seed")
    done = review_session.review(args.folder, browser=not args.no_browser, on_ready=on_ready, **settings)
    corrected = "" if done["n_corrected"] is None else f", {done['n_corrected']} corrected"
    answered = f"{done['n_answered']} of {done['n_clips']} clips answered by {one_line(done['rater'])}{corrected}"
    result = f"{one_line(done['path'])}: {answered}\nRun the same command again to continue."
    if not done["n_answered"]:
        result = "No answer was given; nothing was written."
    terminal.show(args, {"written": done["path"] if done["n_answered"] else None, **done}, result, summary=True)
