"""``popdetect review``: the review page of a labelled session."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from popdetect.cli import options, terminal
from popdetect.cli.terminal import SCHEMA_VERSION, one_line

if TYPE_CHECKING:
    from popdetect.app.review_session import Reviewed

EXAMPLES = ("popdetect review session_07", "popdetect review session_07 --blind --rater anna")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.description = (
        f"{parser.description} Only this computer can open the page. Every answer is saved at once; Ctrl-C ends the "
        "review."
    )
    parser.add_argument("folder", type=options.path, metavar="DIR", help="folder of the session, already labelled")
    parser.add_argument(
        "--out", type=options.path, metavar="DIR",
        help="folder with the tables of popdetect label; corrections.csv is written there (default: DIR/popdetect)",
    )  # fmt: skip
    parser.add_argument("--rater", metavar="NAME",
                        help="who answers; answers are kept separately for each rater (default: your login name)")  # fmt: skip
    options.add_flag(parser, "--blind", "hide the result of the detector until you have answered")
    options.add_number(parser, "--port", 0, 0, 65_535, "port on 127.0.0.1; 0 means any free port", "PORT")
    options.add_flag(parser, "--no-browser", "print the address and do not open the browser")
    options.add_seed(parser, "seed of the random sample of clips from which the error rate is estimated")


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C, which is the normal end."""
    from popdetect.app import review_session

    def on_ready(address: str, n_clips: int) -> None:
        if args.json:
            terminal.json_result({"schema_version": SCHEMA_VERSION, "address": address, "clips": n_clips})
        else:
            terminal.result(address)
        sys.stdout.flush()
        about = f"the page shows {terminal.counted(n_clips, 'clip')}; only this computer can open it; Ctrl-C ends it"
        terminal.message(about, args.quiet)

    done = review_session.review(
        args.folder,
        out=args.out,
        rater=args.rater,
        blind=args.blind,
        port=args.port,
        seed=args.seed,
        browser=not args.no_browser,
        on_ready=on_ready,
    )
    if args.json:
        terminal.json_result(as_json(done))
    elif not args.quiet:
        terminal.result(as_text(done))
    return 0


def as_text(done: Reviewed) -> str:
    """Return the number of answers and where they are."""
    if not done.n_answered:
        return "No answer was given; nothing was written."
    corrected = "" if done.n_corrected is None else f", {done.n_corrected} corrected"
    return (
        f"{one_line(done.path)}: {done.n_answered} of {done.n_clips} clips answered by {one_line(done.rater)}{corrected}"
        "\nRun the same command again to continue."
    )


def as_json(done: Reviewed) -> dict[str, Any]:
    """Return the same as an object."""
    return {
        "schema_version": SCHEMA_VERSION,
        "written": str(done.path) if done.n_answered else None,
        "rater": done.rater,
        "n_clips": done.n_clips,
        "n_answered": done.n_answered,
        "n_corrected": done.n_corrected,
    }
