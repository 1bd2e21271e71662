"""The command line: find the command, read its options, run it, return its exit code.

Results go to standard output; messages and progress go to standard error. Only the module of the named command is
imported, and it imports the library inside `run`: ``popdetect classify`` loads numpy and soundfile only, and
``popdetect --version`` loads neither.

A new command is one module in this folder and one line in `COMMANDS`. The module defines

* ``EXAMPLES``: command lines for the help,
* ``add_options(parser)``,
* ``run(args)``, which returns the exit code, and
* ``as_text(result)`` and ``as_json(result)``, for people and for programs. JSON keys are only ever added.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Container, Sequence
from importlib import import_module

from popdetect import __version__
from popdetect.cli import terminal
from popdetect.cli.options import NOTE, Parser
from popdetect.errors import PopdetectError, missing_extra

INTERRUPTED = 130

# The module popdetect.cli.NAME and the line that describes it in the help.
COMMANDS = {
    "classify": "report for each recording whether it contains pops, when, and how probable they are",
    "label": "label every recording in a folder and in its subfolders",
    "review": "listen to a labelled session and correct the labels, on a page in the browser",
    "train": "adapt the model to your own labelled clips, and compare it with the current model",
    "evaluate": "measure how well a model agrees with clips that people labelled",
    "simulate": "make a session folder of simulated clips whose correct labels are known",
    "log": "add a labelled session and its pain scores (session.csv) to the journal of a study",
    "outcomes": "compare pain after thrusts with and without a pop, from the journal of a study",
    "report": "write the results of a study as one web page with pictures, to read, print or send",
    "export": "write the journal of a study as tables for other programs",
    "model": "show or check a model",
    "demo": "run all steps on a small simulated study: simulate, label, log, report",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``popdetect``; those of the process by default.

    Returns
    -------
    int
        0 done, 1 internal error, 2 wrong use, 3 some inputs failed, 4 nothing readable, 5 model unfit,
        130 interrupted. An output that is closed or full is wrong use. An output whose reader stops early, such as
        ``| head``, is no error.
    """
    # Set before numpy is loaded: its threads cost start-up time and memory, and do not help with small matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = sys.argv[1:] if argv is None else list(argv)
    args = argparse.Namespace()
    try:
        terminal.prepare()
        try:
            args, unknown = build_parser(words).parse_known_args(words)
            if unknown:  # parse_args would point to the help of popdetect, not to the help of the command
                args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
            with terminal.warnings_as_messages():
                return int(args.run(args))
        finally:
            with terminal.output(sys.stdout):
                sys.stdout.flush()
    except KeyboardInterrupt:
        terminal.message(_interrupted(args))
        return INTERRUPTED
    except terminal.ReaderGoneError:
        return 0
    except Exception as error:
        known = error if isinstance(error, PopdetectError) else missing_extra(error, words[0] if words else "popdetect")
        if known is not None:
            for line in known.lines:
                terminal.message(line)
            return known.exit_code
        if os.environ.get("POPDETECT_DEBUG"):
            raise
        terminal.message(
            f"internal error (a bug in popdetect): {type(error).__name__}: {error}. "
            "Set POPDETECT_DEBUG=1 to see where it happened"
        )
        return 1


def build_parser(names: Container[str] = COMMANDS) -> Parser:
    """Return the parser of the whole command line.

    Parameters
    ----------
    names : container of str
        Commands whose modules are imported and whose options are added; the others have only their line in the help.
    """
    parser = Parser(
        prog="popdetect",
        description=f"Detect joint pops (cavitations) in sound recordings. Works offline. {NOTE}",
        epilog="first steps:\n  popdetect demo\n  popdetect classify clip.wav\n  popdetect label SESSION_FOLDER\n"
        "The options of a command: popdetect COMMAND --help",
    )
    parser.add_argument("--version", action="version", version=f"popdetect {__version__}")
    parser.set_defaults(run=lambda _: _no_command(parser), parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, about in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        if name in names:
            module = import_module(f"popdetect.cli.{name}")
            command.set_defaults(run=getattr(module, "run", None), parser=command)
            module.add_options(command)
            command.finish(module.EXAMPLES)
    return parser


def _no_command(parser: Parser) -> int:
    with terminal.output(sys.stderr):
        parser.print_help(sys.stderr)
    return 2


def _interrupted(args: argparse.Namespace) -> str:
    if not getattr(args, "continues", False):
        return "interrupted; no incomplete file was left. Run the same command to start again"
    without = " without --force" if args.force else ""
    return f"interrupted; finished clips are kept. Run the same command{without} to continue"
