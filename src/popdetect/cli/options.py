"""Types of options, and the options that several commands share.

An option out of range is an error; it is never changed to an allowed value. Numbers and paths in a form that only
Python accepts are errors too.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from popdetect.cli.terminal import command, output
from popdetect.errors import UsageError

if TYPE_CHECKING:
    from popdetect.detection.detector import Detector

Options = argparse._ActionsContainer  # a parser or a group of its options
NOTE = "A research tool, not a medical device."

# Python also accepts 1_0, spaces around a number, and the digits of every script.
_WRITTEN = {int: re.compile(r"-?[0-9]+"), float: re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")}


class _Help(argparse.HelpFormatter):
    """Help whose descriptions keep their lines, and whose examples are not wrapped, to be copied."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n".join(
            line if line.startswith(("example:", " ")) else fill(line, width, indent) for line in text.splitlines()
        )


class Parser(argparse.ArgumentParser):
    """A parser that reports wrong use as one line, and an output that cannot be written as an error.

    argparse would print all options above the message and end the process.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_Help, **settings)

    def explain(self, more: str) -> None:
        """Add sentences to the description."""
        self.description = f"{self.description} {more}"

    def finish(self, examples: Sequence[str]) -> None:
        """Add the options of every command, and `examples` below the help."""
        if self._subparsers is None:
            group = self.add_argument_group("output")
            flag(group, "--json", "print JSON, one object per line")
            flag(group, "--quiet", "print results only, no messages and no progress")
        self.epilog = "\n".join(f"example: {example}" for example in examples)

    def error(self, message: str) -> NoReturn:
        """Report `message` and where the options are described."""
        raise UsageError(f"{message}; see `{command(*self.prog.split()[1:], '--help')}`")

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is not sys.stdout:
            super()._print_message(message, file)
            return
        with output(sys.stdout):
            file.write(message)


# --- types ----------------------------------------------------------------------------------------------------------


def _number(kind: type, low: float, high: float, unit: str = "") -> Callable[[str], Any]:
    """Return an argparse type for numbers from `low` to `high`, both included."""

    def parse(text: str) -> Any:
        value = kind(text) if _WRITTEN[kind].fullmatch(text) else None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r}: a number {_limits(low, high, unit)} is allowed")
        return value

    return parse


def _limits(low: float, high: float, unit: str) -> str:
    return (f"from {low:g} to {high:g}" if high < 1e9 else f"at least {low:g}") + (f" {unit}" if unit else "")


def _path(text: str) -> Path:
    """Return a path that is possible on this computer, whether or not it exists."""
    if not text:  # most often from an unset shell variable; Python would read it as the current folder
        raise argparse.ArgumentTypeError("an empty name; the name of a file or folder is needed")
    try:
        os.lstat(text)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {getattr(error, 'strerror', None) or error}") from None
    return Path(text)


def _counts(text: str) -> tuple[int, int]:
    """Return two whole numbers written as ``46/50``, the first not larger than the second."""
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    first, second = (int(found[1]), int(found[2])) if found else (1, 0)
    if not first <= second or not second:
        raise argparse.ArgumentTypeError(f"{text!r}: two counts such as 46/50 are allowed, the first of the second")
    return first, second


# --- options of one command -----------------------------------------------------------------------------------------


def flag(options: Options, name: str, about: str) -> None:
    """Add an option that is on or off."""
    options.add_argument(name, action="store_true", help=about)


def text(options: Options, name: str, metavar: str, about: str, **more: Any) -> None:
    """Add an option with a text."""
    options.add_argument(name, metavar=metavar, help=about, **more)


def path(options: Options, names: str, metavar: str, about: str, **more: Any) -> None:
    """Add a file or a folder; its short name may come first, as in ``-o --out``."""
    options.add_argument(*names.split(), type=_path, metavar=metavar, help=about, **more)


def number(
    options: Options, name: str, default: float, low: float, high: float, about: str, metavar: str = "N", unit: str = ""
) -> None:
    """Add a number, whole if its default is whole; the help shows its range and its default."""
    kind = _number(type(default), low, high, unit)
    shown = f"{about} ({_limits(low, high, unit)}; default: {default:g})"
    options.add_argument(name, type=kind, default=default, metavar=metavar, help=shown)


def chosen(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the values of some options by name, to pass them to a function."""
    return {name: getattr(args, name) for name in names}


# --- options of several commands ------------------------------------------------------------------------------------


def seed(options: Options, about: str) -> None:
    """Add the seed of the random numbers."""
    number(options, "--seed", 0, 0, 2**31, about)


def bundle(options: Options, name: str, about: str, **more: Any) -> None:
    """Add the folder of a model; `bundle.load` checks it, with an exit code of its own."""
    text(options, name, "BUNDLE", f"{about} (default: the model of popdetect)", type=Path, **more)


def model(parser: Parser) -> None:
    """Add the model and its operating point."""
    group = parser.add_argument_group("model")
    bundle(group, "--model", "folder of the model")
    text(group, "--operating-point", "NAME", "thresholds: balanced, sensitive (misses fewer pops), specific (fewer "
         "false pops), or another name that the model has (default: balanced)", default="balanced")  # fmt: skip


def load_detector(args: argparse.Namespace) -> Detector:
    """Return the detector that the options of `model` describe."""
    from popdetect.detection.detector import Detector
    from popdetect.detection.model.bundle import load

    return Detector(load(args.model), args.operating_point)


ANALYSIS = ("margin", "scale", "sensitivity", "specificity", "seed")


def analysis(parser: Parser) -> None:
    """Add the settings of the analysis of a study, `ANALYSIS`."""
    group = parser.add_argument_group("analysis")
    number(
        group, "--margin", 1.0, 0.01, 100, "a smaller difference does not matter to patients", "POINTS", "NPRS points"
    )
    text(group, "--scale", "SCALE", "NPRS or VAS100; needed if the journal contains both", choices=("NPRS", "VAS100"))
    text(group, "--sensitivity", "K/N", "of N clips in which a person heard a pop, the detector labelled K as pop; "
         "such as 46/50", type=_counts)  # fmt: skip
    text(group, "--specificity", "K/N", "of N clips in which a person heard no pop, the detector labelled K as no "
         "pop. With both options, the results are corrected for the errors of the detector", type=_counts)  # fmt: skip
    seed(group, "seed of the bootstrap intervals")
