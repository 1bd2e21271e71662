"""What can be asked for on the command line: commands, options, their units, ranges and defaults.

An option out of range is refused, never clamped; so is a number or a path in a form that only Python would take.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from popdetect import __version__
from popdetect.cli.terminal import output
from popdetect.errors import UsageError

Run = Callable[[argparse.Namespace], int]
NOTE = "A research tool, not a medical device."

# Python also takes 1_0, spaces around it, and the digits of every script
_WRITTEN = {int: re.compile(r"-?[0-9]+"), float: re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")}


def _number(kind: type, low: float, high: float, unit: str = "") -> Callable[[str], Any]:
    """An argparse type that refuses what is out of range, and never clamps."""

    def parse(text: str) -> Any:
        value = kind(text) if _WRITTEN[kind].fullmatch(text) else None
        if value is None or not low <= value <= high:
            limits = f"from {low:g} to {high:g}" if high < 1e9 else f"at least {low:g}"
            raise argparse.ArgumentTypeError(f"{text!r}: a number {limits}{' ' + unit if unit else ''} is allowed")
        return value

    return parse


def _path(text: str) -> Path:
    """A path that could be one, whether or not there is something: too long a name is refused for all commands here."""
    if not text:  # of an unset variable, most often; Python would take it for the current folder
        raise argparse.ArgumentTypeError("an empty name")
    try:
        os.lstat(text)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {getattr(error, 'strerror', None) or error}") from None
    return Path(text)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as every command does; argparse would print all options above it, and leave by itself.

    And says it when the help could not be written, of which argparse makes nothing.
    """

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; `{self.prog} --help` tells what it takes")

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is not sys.stdout:
            super()._print_message(message, file)
            return
        with output(sys.stdout):
            file.write(message)


def _counts(text: str) -> tuple[int, int]:
    """Two whole numbers with a stroke between them, the first not above the second."""
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    counts = (int(found[1]), int(found[2])) if found else (1, 0)
    if not counts[0] <= counts[1] or not counts[1]:
        raise argparse.ArgumentTypeError(f"{text!r}: two counts such as 46/50 are allowed, the first of the second")
    return counts


# what is true in a simulated study: option, range, default, what it is
_STUDY = (
    ("--effect", -3, 3, -0.5, "what a pop adds to pain after, in points of NPRS; negative relieves"),
    ("--expectation", -0.5, 0.5, -0.1, "what each point of expected relief (0 to 10) adds, in points of NPRS"),
    ("--interaction", -1, 1, 0.0, "what each point of belief that a pop is needed (1 to 5) adds to the effect of a "
     "pop, in points of NPRS"),
    ("--dropout", 0, 1, 0.0, "chance that a patient stays away after a thrust, 0 to 1"),
    ("--missing", 0, 1, 0.0, "share of answers that were not given, 0 to 1"),
)  # fmt: skip
_VERDICTS = (("--sensitivity", 1.0, "with a pop that are called pop"), ("--specificity", 1.0, "without that are not"))


def refuse_idle(args: argparse.Namespace) -> None:
    """Refuse options of a simulated study where none is made; they would be passed over in silence.

    Raises
    ------
    UsageError
    """
    of_study = [("--no-sound", False), *((name, default) for name, _, _, default, _ in _STUDY)]
    of_verdicts = [(name, default) for name, default, _ in _VERDICTS]
    for named, needed, why in (
        (of_study, "--study", ""),
        (of_verdicts, "--no-sound", "; with sound, the detector's errors are its own"),
    ):
        for name, default in named:
            if not _given(args, needed) and _given(args, name) != default:
                raise UsageError(f"simulate: {name} needs {needed}{why}")


def _given(args: argparse.Namespace, option: str) -> Any:
    return getattr(args, option.removeprefix("--").replace("-", "_"))


class _Command:
    """One command while its options are listed."""

    def __init__(self, among: Any, name: str, about: str, example: str, run: Run) -> None:
        self._parser: argparse.ArgumentParser = among.add_parser(
            name,
            help=about,
            description=about[0].upper() + about[1:] + ".",
            epilog=f"example: {example}",
            allow_abbrev=False,
        )
        self.flag("--json", "print JSON, one object a line")
        self.flag("--quiet", "only results, no words and no progress")
        self._parser.set_defaults(run=run)

    def flag(self, name: str, about: str) -> None:
        """Add what is on or off."""
        self._parser.add_argument(name, action="store_true", help=about)

    def text(self, name: str, about: str, **more: Any) -> None:
        """Add what is taken as it is."""
        self._parser.add_argument(name, help=about, **more)

    def path(self, name: str, metavar: str, about: str, **more: Any) -> None:
        """Add a file or a folder; an option's short form may stand before its name, as in ``-o --out``."""
        self._parser.add_argument(*name.split(), type=_path, metavar=metavar, help=about, **more)

    def number(self, name: str, parse: Callable[[str], Any], default: float, about: str, metavar: str = "N") -> None:
        """Add a number; its default is told."""
        self._parser.add_argument(
            name, type=parse, default=default, metavar=metavar, help=f"{about} (default: {default:g})"
        )

    def seed(self, about: str) -> None:
        """Add where chance begins."""
        self.number("--seed", _number(int, 0, 2**31), 0, about)

    def bundle(self, name: str, about: str, **more: Any) -> None:
        """Add a model's folder; what is wrong with it is for `bundle.load` to tell, with an exit code of its own."""
        self.text(name, f"{about} (default: the shipped one)", type=Path, metavar="BUNDLE", **more)

    def model(self) -> None:
        """Add which model judges, and how."""
        self.bundle("--model", "folder of the model")
        self.text(
            "--operating-point",
            "balanced, sensitive or specific, or another of the model's (default: balanced)",
            default="balanced",
            metavar="NAME",
        )

    def conclusions(self) -> None:
        """Add what the outcomes of a study depend on."""
        self.number("--margin", _number(float, 0.01, 100), 1.0,
                    "difference that would be too small to matter, in points of NPRS", "POINTS")  # fmt: skip
        self.text(
            "--scale", "NPRS or VAS100, where the journal holds both", choices=("NPRS", "VAS100"), metavar="SCALE"
        )
        self.text(
            "--sensitivity",
            "how many of so many clips with a pop, heard by a person, the detector called pop, such as 46/50",
            type=_counts,
            metavar="K/N",
        )
        self.text(
            "--specificity",
            "how many of so many clips without a pop it called no pop; with both, figures are corrected for its errors",
            type=_counts,
            metavar="K/N",
        )
        self.seed("of the resampled intervals")


def parser(runs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The whole command line; `runs` has the function of each command, ``model show`` by that name."""
    whole = _Parser(
        prog="popdetect",
        description="Hear joint pops (cavitations) in short recordings, offline. " + NOTE,
        epilog="Start with: popdetect demo · popdetect classify clip.wav · popdetect label SESSION_FOLDER",
    )
    whole.add_argument("--version", action="version", version=f"popdetect {__version__}")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, about: str, example: str) -> _Command:
        return _Command(commands, name, about, example, runs[name])

    sub = command("classify", "say of each file whether it holds pops, when and how sure",
                  "popdetect classify clip.wav --plot clip.png")  # fmt: skip
    sub.text("files", "recordings (wav, flac, ogg, mp3, aiff); - is a wav on standard input", nargs="+", metavar="FILE")
    sub.flag("--events", "also list every candidate with a probability of 0.05 or more")
    sub.path("--plot", "PNG", "draw waveform and spectrogram with the pops marked; for several files, a folder")
    sub.model()

    sub = command("label", "label every clip below a folder; goes on where it was interrupted",
                  "popdetect label session_07 --formats audacity,raven --jobs 2")  # fmt: skip
    sub.path("folder", "DIR", "the session's folder")
    sub.path("--out", "DIR", "where to write (default: DIR/popdetect)")
    sub.text("--formats", "label files as well: audacity, raven, textgrid, separated by commas", metavar="LIST")
    sub.number("--jobs", _number(int, 1, 256, "processes"), 1, "processes side by side")
    sub.flag("--force", "judge finished clips again")
    sub.model()

    sub = command("review", "hear, see and correct a labelled session, on a page that only this computer can open",
                  "popdetect review session_07 --blind --rater anna")  # fmt: skip
    sub.path("folder", "DIR", "the session's folder, labelled before")
    sub.path("--out", "DIR", "where label wrote its tables, if elsewhere; corrections.csv goes there (DIR/popdetect)")
    sub.text("--rater", "who answers; raters are kept apart (default: your login name)", metavar="NAME")
    sub.flag("--blind", "hide what the detector said until the answer is kept")
    sub.number("--port", _number(int, 0, 65_535), 0, "port on 127.0.0.1; 0 takes any free one", "PORT")
    sub.flag("--no-browser", "only print the address")
    sub.seed("of the random sample that the estimate of errors rests on")

    sub = command("train", "adapt the model to one's own labelled clips, and compare with the current one",
                  "popdetect train session_07 session_08 --out models/ours")  # fmt: skip
    sub.path(
        "labels",
        "DIR",
        "sessions corrected with popdetect review; or labels.csv (file, label, onsets_s in seconds, patient_id), or "
        "folders with pop/ and no_pop/",
        nargs="+",
    )
    sub.path("--out", "BUNDLE", "folder of the new model", required=True)
    sub.bundle("--current", "the model to adapt and to compare with")
    sub.path("--guard", "DIR", "recordings of yours without pops, on which the new model must not hear more of them")
    sub.flag("--curve", "also say whether more labelled clips are worth it; takes some minutes")
    sub.text("--name", "name of the new model (default: retrained)", default="retrained")
    sub.seed("same labels and seed, same model")
    sub.flag("--allow-ungrouped", "accept labels without patient_id; the figures then flatter")
    sub.flag("--force", "replace a model that is there")

    sub = command("evaluate", "score a model against labelled clips, with intervals",
                  "popdetect evaluate session_07/labels.csv --by-group")  # fmt: skip
    sub.path("truth", "TRUTH", "labels.csv, or a folder with pop/ and no_pop/")
    sub.flag("--by-group", "also each patient or group by itself")
    sub.seed("of the bootstrap intervals")
    sub.model()

    sub = command("simulate", "make a session folder with known truth",
                  "popdetect simulate practice --clips 40 --seed 3")  # fmt: skip
    sub.path("out", "OUT", "folder to make")
    sub.number("--clips", _number(int, 1, 100_000, "clips"), 60, "how many clips")
    sub.number("--patients", _number(int, 1, 10_000, "patients"), 12, "how many patients")
    sub.number("--seconds", _number(float, 0.5, 600, "seconds"), 3.0, "length of a clip in seconds", "S")
    sub.number("--rate", _number(int, 8_000, 192_000, "Hz"), 48_000, "sample rate in Hz", "HZ")
    sub.number("--pop-share", _number(float, 0, 1), 0.5, "share of clips with pops, 0 to 1", "P")
    sub.number("--max-pops", _number(int, 1, 20, "pops"), 7, "most pops in a clip")
    sub.number("--max-distractors", _number(int, 0, 20, "sounds"), 3, "most other sounds in a clip")
    sub.path("--sounds", "DIR", "mix recordings of this folder (with a MANIFEST.csv) instead of made sounds")
    sub.text("--role", "only recordings of this role, such as train or dev-test", metavar="NAME")
    sub.seed("same seed, same files")
    sub.flag("--study", "also pain scores (session.csv) in which the pop has a known effect, and the truth beside them")
    for name, low, high, default, about in _STUDY:
        metavar = "POINTS" if "NPRS" in about else "P"
        sub.number(name, _number(float, low, high), default, f"with --study: {about}", metavar)
    sub.flag("--no-sound", "with --study: no clips, but verdicts as if labelled, for large cohorts")
    for name, default, about in _VERDICTS:
        sub.number(name, _number(float, 0, 1), default, f"with --no-sound: share of clips {about}, 0 to 1", "P")

    sub = command("log", "join a labelled session with its pain scores (session.csv) into the study's journal",
                  "popdetect log session_07 --journal STUDY.db")  # fmt: skip
    sub.path("folder", "DIR", "the session's folder, labelled before, with its session.csv")
    sub.path("--journal", "FILE", "the study's journal, one file for all sessions; begun if it is not there")
    sub.flag("--init", "only write a session.csv to fill in, with a line for each clip")
    sub.flag("--update", "write values that differ from the journal's; the old ones stay in its history")
    sub.path(
        "--key",
        "FILE",
        "key that turns patient ids into pseudonyms (default: STUDY.key beside STUDY.db, made on first use)",
    )
    sub.flag("--with-notes", "keep the column notes too; free text may hold names")

    sub = command("outcomes", "say what a journal tells of pops and pain, and how far it can be trusted",
                  "popdetect outcomes STUDY.db --margin 1")  # fmt: skip
    sub.path("journal", "STUDY.db", "the study's journal, as made by popdetect log")
    sub.conclusions()

    sub = command("report", "write the outcomes of a journal as one page with pictures, to read, print and send",
                  "popdetect report STUDY.db -o report.html --session session_07")  # fmt: skip
    sub.path("study", "STUDY.db", "the study's journal, as made by popdetect log")
    sub.path("-o --out", "HTML", "the page to write, such as report.html; it opens offline", required=True)
    sub.path(
        "--session",
        "DIR",
        "folder of a labelled session of which a few clips are shown as examples; may be given several times",
        action="append",
    )
    sub.text("--title", "what stands above the page", metavar="TEXT")
    sub.flag("--force", "replace a file that is there")
    sub.conclusions()

    sub = command("export", "write the journal out for other tools, with only the columns asked for",
                  "popdetect export STUDY.db -o study.csv --columns patient,label,pain_before,pain_after")  # fmt: skip
    sub.path("study", "STUDY", "the study's journal")
    sub.text(
        "--format",
        "csv (a row for each thrust), wide (a row for each patient and session), redcap (import file and data "
        "dictionary), codebook (csv and Markdown) or fhir (R4 bundle of the pain scores) (default: csv)",
        default="csv",
        metavar="NAME",
    )
    sub.path(
        "-o --out",
        "PATH",
        "file to write, or folder for redcap and codebook, which are two files each; without it, standard output",
    )
    sub.text(
        "--columns",
        "fields to export, and no others, separated by commas (without it: all but free text, file names, details of "
        "the recordings and the clinic's own columns; the codebook describes all)",
        metavar="LIST",
    )
    sub.flag("--force", "replace files that are there")

    model = commands.add_parser(
        "model", help="show or verify a model", description="Show or verify a model.", allow_abbrev=False
    )
    verbs = model.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, about in (
        ("show", "print a model's card"),
        ("verify", "check a model's files and its parity with scikit-learn"),
    ):
        sub = _Command(verbs, name, about, f"popdetect model {name}", runs[f"model {name}"])
        sub.bundle("bundle", "folder of the model", nargs="?")

    sub = command("demo", "show the whole way on a simulated study: simulate, label, log, report",
                  "popdetect demo my-demo")  # fmt: skip
    sub.path("out", "OUT", "folder to use (default: popdetect-demo)", nargs="?", default=Path("popdetect-demo"))
    return whole
