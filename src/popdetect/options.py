"""What can be asked for on the command line: commands, options, their units, ranges and defaults.

An option out of range is refused, never clamped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from popdetect import __version__

Run = Callable[[argparse.Namespace], int]
NOTE = "A research tool, not a medical device."


def _number(kind: type, low: float, high: float, unit: str = "") -> Callable[[str], Any]:
    """An argparse type that refuses what is out of range, and never clamps."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            limits = f"from {low:g} to {high:g}" if high < 1e9 else f"at least {low:g}"
            raise argparse.ArgumentTypeError(f"{text!r}: a number {limits}{' ' + unit if unit else ''} is allowed")
        return value

    return parse


def parser(runs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The whole command line; `runs` has the function of each command, ``model show`` by that name."""
    whole = argparse.ArgumentParser(
        prog="popdetect",
        description="Hear joint pops (cavitations) in short recordings, offline. " + NOTE,
        epilog="Start with: popdetect demo · popdetect classify clip.wav · popdetect label SESSION_FOLDER",
    )
    whole.add_argument("--version", action="version", version=f"popdetect {__version__}")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, about: str, example: str) -> Any:
        sub = commands.add_parser(
            name,
            help=about,
            description=about[0].upper() + about[1:] + ".",
            epilog=f"example: {example}",
            allow_abbrev=False,
        )
        _common(sub, runs[name])
        return sub

    sub = command("classify", "say of each file whether it holds pops, when and how sure",
                  "popdetect classify clip.wav --plot clip.png")  # fmt: skip
    sub.add_argument(
        "files", nargs="+", metavar="FILE", help="recordings (wav, flac, ogg, mp3, aiff); - is a wav on standard input"
    )
    sub.add_argument(
        "--events", action="store_true", help="also list every candidate with a probability of 0.05 or more"
    )
    sub.add_argument(
        "--plot",
        type=Path,
        metavar="PNG",
        help="draw waveform and spectrogram with the pops marked; for several files, a folder",
    )
    _model_options(sub)

    sub = command("label", "label every clip below a folder; goes on where it was interrupted",
                  "popdetect label session_07 --formats audacity,raven --jobs 2")  # fmt: skip
    sub.add_argument("folder", type=Path, metavar="DIR", help="the session's folder")
    sub.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: DIR/popdetect)")
    sub.add_argument(
        "--formats", metavar="LIST", help="label files as well: audacity, raven, textgrid, separated by commas"
    )
    sub.add_argument(
        "--jobs",
        type=_number(int, 1, 256, "processes"),
        default=1,
        metavar="N",
        help="processes side by side (default: 1)",
    )
    sub.add_argument("--force", action="store_true", help="judge finished clips again")
    _model_options(sub)

    sub = command("train", "retrain on one's own labelled clips and compare with the current model",
                  "popdetect train session_07/labels.csv --out models/ours")  # fmt: skip
    sub.add_argument(
        "labels",
        type=Path,
        metavar="LABELS",
        help="labels.csv (file, label, onsets_s in seconds, patient_id), or a folder with pop/ and no_pop/",
    )
    sub.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder of the new model")
    sub.add_argument(
        "--current", type=Path, metavar="BUNDLE", help="the model to compare with (default: the shipped one)"
    )
    sub.add_argument("--name", default="retrained", help="name of the new model (default: retrained)")
    sub.add_argument(
        "--seed",
        type=_number(int, 0, 2**31),
        default=0,
        metavar="N",
        help="same labels and seed, same model (default: 0)",
    )
    sub.add_argument(
        "--allow-ungrouped", action="store_true", help="accept labels without patient_id; the figures then flatter"
    )
    sub.add_argument("--force", action="store_true", help="replace a model that is there")

    sub = command("evaluate", "score a model against labelled clips, with intervals",
                  "popdetect evaluate session_07/labels.csv --by-group")  # fmt: skip
    sub.add_argument("truth", type=Path, metavar="TRUTH", help="labels.csv, or a folder with pop/ and no_pop/")
    sub.add_argument("--by-group", action="store_true", help="also each patient or group by itself")
    sub.add_argument(
        "--seed", type=_number(int, 0, 2**31), default=0, metavar="N", help="of the bootstrap intervals (default: 0)"
    )
    _model_options(sub)

    sub = command("simulate", "make a session folder with known truth",
                  "popdetect simulate practice --clips 40 --seed 3")  # fmt: skip
    sub.add_argument("out", type=Path, metavar="OUT", help="folder to make")
    sub.add_argument(
        "--clips", type=_number(int, 1, 100_000, "clips"), default=60, metavar="N", help="how many clips (default: 60)"
    )
    sub.add_argument(
        "--patients",
        type=_number(int, 1, 10_000, "patients"),
        default=12,
        metavar="N",
        help="how many patients (default: 12)",
    )
    sub.add_argument(
        "--seconds",
        type=_number(float, 0.5, 600, "seconds"),
        default=3.0,
        metavar="S",
        help="length of a clip in seconds (default: 3)",
    )
    sub.add_argument(
        "--rate",
        type=_number(int, 8_000, 192_000, "Hz"),
        default=48_000,
        metavar="HZ",
        help="sample rate in Hz (default: 48000)",
    )
    sub.add_argument(
        "--pop-share",
        type=_number(float, 0, 1),
        default=0.5,
        metavar="P",
        help="share of clips with pops, 0 to 1 (default: 0.5)",
    )
    sub.add_argument(
        "--max-pops", type=_number(int, 1, 20, "pops"), default=7, metavar="N", help="most pops in a clip (default: 7)"
    )
    sub.add_argument(
        "--max-distractors",
        type=_number(int, 0, 20, "sounds"),
        default=3,
        metavar="N",
        help="most other sounds in a clip (default: 3)",
    )
    sub.add_argument(
        "--sounds",
        type=Path,
        metavar="DIR",
        help="mix recordings of this folder (with a MANIFEST.csv) instead of made sounds",
    )
    sub.add_argument("--role", metavar="NAME", help="only recordings of this role, such as train or dev-test")
    sub.add_argument(
        "--seed", type=_number(int, 0, 2**31), default=0, metavar="N", help="same seed, same files (default: 0)"
    )

    model = commands.add_parser(
        "model", help="show or verify a model", description="Show or verify a model.", allow_abbrev=False
    )
    verbs = model.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, about in (
        ("show", "print a model's card"),
        ("verify", "check a model's files and its parity with scikit-learn"),
    ):
        sub = verbs.add_parser(
            name,
            help=about,
            description=about[0].upper() + about[1:] + ".",
            epilog=f"example: popdetect model {name}",
            allow_abbrev=False,
        )
        sub.add_argument(
            "bundle", nargs="?", type=Path, metavar="BUNDLE", help="folder of the model (default: the shipped one)"
        )
        _common(sub, runs[f"model {name}"])

    sub = command("demo", "simulate a session, label it and show the result", "popdetect demo")
    sub.add_argument(
        "out",
        nargs="?",
        type=Path,
        default=Path("popdetect-demo"),
        metavar="OUT",
        help="folder to use (default: popdetect-demo)",
    )
    return whole


def _common(sub: argparse.ArgumentParser, run: Run) -> None:
    sub.add_argument("--json", action="store_true", help="print JSON, one object a line")
    sub.add_argument("--quiet", action="store_true", help="only results, no words and no progress")
    sub.set_defaults(run=run)


def _model_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--model", type=Path, metavar="BUNDLE", help="folder of the model (default: the shipped one)")
    sub.add_argument(
        "--operating-point",
        default="balanced",
        metavar="NAME",
        help="balanced, sensitive or specific, or another of the model's (default: balanced)",
    )
