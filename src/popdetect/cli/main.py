"""The command line: find the command, read its options, run it, return its exit code.

Results go to standard output; messages and progress go to standard error. Only the module of the named command is
imported, and it imports the library inside `run`: ``popdetect classify`` loads numpy and soundfile only, and
``popdetect --version`` loads neither.

A new command is one module in this folder and one line in `COMMANDS`. The module defines

* ``EXAMPLES``: command lines for the help,
* ``OPTIONS``: options made by the functions of `options`; a text between them is the title of the group that follows,
* ``run(args)``, which prints the result as text or JSON and returns the exit code, None for 0. JSON keys are only ever
  added. Its docstring is a part of the help.
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
    "listen": "report pops from a microphone as they happen",
    "train": "adapt the model to your own labelled clips, and compare it with the current model",
    "evaluate": "measure how well a model agrees with clips that people labelled",
    "simulate": "make a session folder of simulated clips whose correct labels are known",
    "log": "add a labelled session and its pain scores (session.csv) to the journal of a study",
    "plan": "simulate how many patients a study needs, and write its plan before the data",
    "outcomes": "compare pain after thrusts with and without a pop, from the journal of a study",
    "report": "write the results of a study as one web page with pictures, to read, print or send",
    "export": "write the journal of a study as tables for other programs",
    "model": "show or check a model",
    "demo": "run all steps on a small simulated study: simulate, label, log, report",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; `argv` holds the words after ``popdetect``, by default the process's.

    0 done, 1 internal error, 2 wrong use, 3 some inputs failed, 4 nothing readable, 5 model unfit, 130 interrupted. An
    output that is closed or full is wrong use. An output whose reader stops early, such as ``| head``, is no error.
    """
    # Set before numpy is loaded: its threads cost start-up time and memory, and do not help with small matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = sys.argv[1:] if argv is None else list(argv)
    args = argparse.Namespace(continues=False)
    try:
        terminal.prepare()
        try:
            if words and words[0] not in COMMANDS and _is_recording(words[0]):
                words.insert(0, "classify")
            args, unknown = build_parser(words).parse_known_args(words)
            if unknown:  # parse_args would point to the help of popdetect, not to the help of the command
                args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
            if args.run is None:
                args.parser.print_help(sys.stderr)
                return 2
            with terminal.warnings_as_messages():
                return int(args.run(args) or 0)
        finally:
            with terminal.output(sys.stdout):
                sys.stdout.flush()
    except KeyboardInterrupt:
        how = "no incomplete file was left. Run the same command to start again"
        if args.continues:
            how = f"finished clips are kept. Run the same command{' without --force' * args.force} to continue"
        terminal.message(f"interrupted; {how}")
        return INTERRUPTED
    except terminal.ReaderGoneError:
        return 0
    except Exception as error:
        known = error if isinstance(error, PopdetectError) else missing_extra(error, words[0] if words else "popdetect")
        if known is None and os.environ.get("POPDETECT_DEBUG"):
            raise
        bug = f"internal error (a bug in popdetect): {type(error).__name__}: {error}"
        for line in known.lines if known else (f"{bug}. Set POPDETECT_DEBUG=1 to see where it happened",):
            terminal.message(line)
        return known.exit_code if known else 1


def _is_recording(word: str) -> bool:
    """Whether a word in place of a command is a recording: ``popdetect clip.wav`` means ``classify clip.wav``."""
    if word.startswith("-"):
        return False
    if os.path.isfile(word):  # noqa: PTH113  # pathlib is not loaded for ``--version``
        return True
    from popdetect.detection.audio.formats import format_of

    return bool(format_of(word)) and not word.isalpha()


def build_parser(names: Container[str] = COMMANDS) -> Parser:
    """Return the parser of the whole command line.

    Only the modules of the commands in `names` are imported, and only their options are added; the other commands have
    only their line in the help.
    """
    parser = Parser(
        prog="popdetect",
        description=f"Detect joint pops (cavitations) in sound recordings. Works offline.\n{NOTE}",
        epilog="first steps:\n  popdetect demo\n  popdetect classify clip.wav\n  popdetect label SESSION_FOLDER\n"
        "The options of a command: popdetect COMMAND --help",
    )
    parser.add_argument("--version", action="version", version=f"popdetect {__version__}")
    parser.set_defaults(run=None, parser=parser, continues=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, about in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        if name in names:
            command.add_command(import_module(f"popdetect.cli.{name}"))
    return parser
