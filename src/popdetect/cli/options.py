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
    """Help whose descriptions keep their lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n".join(fill(line, width, indent) for line in text.splitlines())


class Parser(argparse.ArgumentParser):
    """A parser that reports wrong use as one line, and an output that cannot be written as an error.

    argparse would print all options above the message and end the process.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_Help, **settings)

    def finish(self, examples: Sequence[str]) -> None:
        """Add the options of every command, and `examples` below the help."""
        group = self.add_argument_group("output")
        group.add_argument("--json", action="store_true", help="print JSON, one object per line")
        group.add_argument("--quiet", action="store_true", help="print results only, no messages and no progress")
        self.epilog = "\n".join(f"example: {example}" for example in examples)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{command(*self.prog.split()[1:], '--help')}`")

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is not sys.stdout:
            super()._print_message(message, file)
            return
        with output(sys.stdout):
            file.write(message)


# --- types ----------------------------------------------------------------------------------------------------------


def number(kind: type, low: float, high: float, unit: str = "") -> Callable[[str], Any]:
    """Return an argparse type for numbers from `low` to `high`, both included."""

    def parse(text: str) -> Any:
        value = kind(text) if _WRITTEN[kind].fullmatch(text) else None
        if value is None or not low <= value <= high:
            what = f"a number {_limits(low, high)}{' ' + unit if unit else ''} is allowed"
            raise argparse.ArgumentTypeError(f"{text!r}: {what}")
        return value

    return parse


def path(text: str) -> Path:
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


def counts(text: str) -> tuple[int, int]:
    """Return two whole numbers written as ``46/50``, the first not larger than the second."""
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    first, second = (int(found[1]), int(found[2])) if found else (1, 0)
    if not first <= second or not second:
        raise argparse.ArgumentTypeError(f"{text!r}: two counts such as 46/50 are allowed, the first of the second")
    return first, second


def _limits(low: float, high: float) -> str:
    return f"from {low:g} to {high:g}" if high < 1e9 else f"at least {low:g}"


# --- options --------------------------------------------------------------------------------------------------------


def add_number(
    options: Options, name: str, default: float, low: float, high: float, about: str, metavar: str = "N", unit: str = ""
) -> None:
    """Add a number, whole if its default is whole; the help shows its range and its default."""
    text = f"{about} ({_limits(low, high)}{' ' + unit if unit else ''}; default: {default:g})"
    kind = number(type(default), low, high, unit)
    options.add_argument(name, type=kind, default=default, metavar=metavar, help=text)


def add_flag(options: Options, name: str, about: str) -> None:
    """Add an option that is on or off."""
    options.add_argument(name, action="store_true", help=about)


def add_seed(options: Options, about: str) -> None:
    """Add the seed of the random numbers."""
    add_number(options, "--seed", 0, 0, 2**31, about)


def add_bundle(options: Options, name: str, about: str, **more: Any) -> None:
    """Add the folder of a model; `bundle.load` checks it, with an exit code of its own."""
    options.add_argument(name, type=Path, metavar="BUNDLE", help=f"{about} (default: the model of popdetect)", **more)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model and its operating point."""
    group = parser.add_argument_group("model")
    add_bundle(group, "--model", "folder of the model")
    group.add_argument(
        "--operating-point", default="balanced", metavar="NAME",
        help="thresholds: balanced, sensitive (misses fewer pops), specific (fewer false pops), or another name that "
        "the model has (default: balanced)",
    )  # fmt: skip


def load_detector(args: argparse.Namespace) -> Detector:
    """Return the detector that the options of `add_model` describe."""
    from popdetect.detection.detector import Detector
    from popdetect.detection.model.bundle import load

    return Detector(load(args.model), args.operating_point)


def add_analysis(parser: argparse.ArgumentParser) -> None:
    """Add the settings of the analysis of a study."""
    group = parser.add_argument_group("analysis")
    add_number(group, "--margin", 1.0, 0.01, 100, "a difference below this is too small to matter, in points of NPRS "
               "(0 to 10)", "POINTS")  # fmt: skip
    group.add_argument("--scale", choices=("NPRS", "VAS100"), metavar="SCALE",
                       help="NPRS or VAS100; needed if the journal contains both")  # fmt: skip
    group.add_argument(
        "--sensitivity", type=counts, metavar="K/N",
        help="of N clips in which a person heard a pop, the detector labelled K as pop; such as 46/50",
    )  # fmt: skip
    group.add_argument(
        "--specificity", type=counts, metavar="K/N",
        help="of N clips in which a person heard no pop, the detector labelled K as no pop. With --sensitivity and "
        "--specificity, the results are corrected for the errors of the detector",
    )  # fmt: skip
    add_seed(group, "seed of the bootstrap intervals")


def analysis(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of `add_analysis` by name."""
    return {name: getattr(args, name) for name in ("margin", "scale", "sensitivity", "specificity", "seed")}
