"""Types of options, and the options that several commands share.

An option out of range is an error; it is never changed to an allowed value. Numbers and paths in a form that only
Python accepts are errors too. An option is a pair: its names, and its settings for `argparse`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import textwrap
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from popdetect.cli.terminal import command, counted, message, output
from popdetect.errors import UsageError

if TYPE_CHECKING:
    from popdetect.detection.detector import Detector
    from popdetect.session.excerpts import ClipFolder

Option = tuple[list[str], dict[str, Any]]
Args = argparse.Namespace  # the values of the options, by name
NOTE = "A research tool, not a medical device."
SEEDS = (0, 2**31)  # lowest and highest

# Python also accepts 1_0, spaces around a number, and the digits of every script.
_WRITTEN = {int: re.compile(r"-?[0-9]+"), float: re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")}


class Parser(argparse.ArgumentParser):
    """A parser that reports wrong use as one line, and an output that cannot be written as an error.

    argparse would print all options above the message and end the process.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def add_command(self, module: ModuleType) -> None:
        """Add the options of a command, its help and what runs it; the parts of `module` are described in `main`."""
        self.set_defaults(run=module.run, parser=self, continues=getattr(module, "CONTINUES", False))
        width = max(20, shutil.get_terminal_size().columns - 2)  # as that of argparse, which fills the other parts
        words = f"{self.description} {module.run.__doc__ or ''}".split()
        self.description = textwrap.fill(" ".join(words), width)
        self.epilog = "\n".join(f"example: {example}" for example in module.EXAMPLES)
        group: argparse._ActionsContainer = self
        for option in (*module.OPTIONS, *_OUTPUT):
            if isinstance(option, str):
                group = self.add_argument_group(option)
            else:
                group.add_argument(*option[0], **option[1])

    def error(self, message: str) -> NoReturn:
        """Report `message` and where the options are described."""
        raise UsageError(f"{message}; see `{command(*self.prog.split()[1:], '--help')}`")

    def _print_message(self, message: str, file: Any = None) -> None:
        with output(file):
            file.write(message)


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


def flag(name: str, about: str) -> Option:
    """Return an option that is on or off."""
    return [name], {"action": "store_true", "help": about}


def text(names: str, metavar: str, about: str, **more: Any) -> Option:
    """Return an option with a text; its short name may come first, as in ``-o --out``."""
    return names.split(), {"metavar": metavar, "help": about, **more}


def path(names: str, metavar: str, about: str, **more: Any) -> Option:
    """Return an option with a file or a folder."""
    return text(names, metavar, about, type=_path, **more)


def number(
    name: str, default: float, low: float, high: float, about: str, metavar: str = "N", unit: str = ""
) -> Option:
    """Return an option with a number, whole if its default is whole; the help shows its range and its default.

    Both limits are allowed.
    """
    kind = type(default)
    limits = (f"from {low:g} to {high:g}" if high < 1e9 else f"at least {low:g}") + (f" {unit}" if unit else "")

    def parse(given: str) -> Any:
        value = kind(given) if _WRITTEN[kind].fullmatch(given) else None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{given!r}: a number {limits} is allowed")
        return value

    return text(name, metavar, f"{about} ({limits}; default: {default:g})", type=parse, default=default)


def bundle(name: str, about: str, **more: Any) -> Option:
    """Return the folder of a model; `bundle.load` checks it, with an exit code of its own."""
    return text(name, "BUNDLE", f"{about} (default: the model of popdetect)", type=Path, **more)


def chosen(args: Args, *names: str) -> dict[str, Any]:
    """Return the values of some options by name, to pass them to a function."""
    return {name: getattr(args, name) for name in names}


def load_detector(args: Args) -> Detector:
    """Return the detector that the options `MODEL` describe."""
    from popdetect.detection.detector import Detector
    from popdetect.detection.model.bundle import load

    return Detector(load(args.model), args.operating_point)


def report_clips(clips: ClipFolder, quiet: bool) -> None:
    """Say how many clips around thrusts were written, and what can be done with them."""
    if not clips.n_clips:
        message("no thrust was found, so no clip was written", quiet)
        return
    steps = f"{command('review', clips.folder)} or {command('log', clips.folder, '--init')}"
    message(f"{counted(clips.n_clips, 'clip')} around thrusts in {clips.folder}, labelled; next: {steps}", quiet)


JOURNAL = "the journal, made by popdetect log"
MODEL = (
    "model",
    bundle("--model", "folder of the model"),
    text("--operating-point", "NAME", "thresholds: balanced, sensitive (misses fewer pops), specific (fewer false "
         "pops), or another name that the model has (default: balanced)", default="balanced"),
)  # fmt: skip
ANALYSIS = (  # of a study; their names, but for the source, are ANALYSIS_NAMES
    "analysis",
    number("--margin", 1.0, 0.01, 100, "a smaller difference does not matter to patients", "POINTS", "NPRS points"),
    text("--scale", "SCALE", "NPRS or VAS100; needed if the journal contains both", choices=("NPRS", "VAS100")),
    path("--plan", "PLAN", "follow this plan, made by `popdetect plan` before the data, and name what differs from it"),
    text("--unit", "UNIT", "what has pain scores of its own: thrust or session (default: recognised from the scores)",
         choices=("thrust", "session")),
    text("--time-point", "NAME", "when pain after was asked, as in the table (default: that with most scores)"),
    text("--adjust", "COLUMN", "adjust for a further column, such as therapist, site, region, technique or one of your "
         "own; can be given several times", action="append"),
    text("--source", "SOURCE", "who says whether there was a pop: detector, consensus (on which raters agreed), or a "
         "rater of the review (default: detector)", default="detector"),
    flag("--sensitivity-analyses", "also make the comparison under other assumptions: uncertain clips, missing "
         "answers, errors of the detector that depend on pain"),
    text("--sensitivity", "K/N", "of N clips in which a person heard a pop, the detector labelled K as pop; such as "
         "46/50", type=_counts),
    text("--specificity", "K/N", "of N clips in which a person heard no pop, the detector labelled K as no pop. With "
         "both options, the results are corrected for the errors of the detector (default: the counts of the blinded "
         "random sample of the review, if it has enough clips)", type=_counts),
    number("--seed", 0, *SEEDS, "seed of the bootstrap intervals"),
)  # fmt: skip
ANALYSIS_NAMES = (
    "margin", "scale", "plan", "unit", "time_point", "adjust", "sensitivity_analyses", "sensitivity", "specificity",
    "seed",
)  # fmt: skip
_OUTPUT = (
    "output",
    flag("--json", "print JSON, one object per line"),
    flag("--quiet", "print results only, no messages and no progress"),
)
