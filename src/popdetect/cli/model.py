"""``popdetect model show`` and ``popdetect model verify``: the card of a model, and the check of its files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from popdetect.cli import options, terminal
from popdetect.errors import UsageError

EXAMPLES = ("popdetect model show", "popdetect model verify models/ours")


def add_options(parser: options.Parser) -> None:
    """Add the two commands below this one."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, about, run in (
        ("show", "print the card of a model: scores, limits and sources", show),
        (
            "verify",
            "check that a model is complete, and that the installed code gives its results",
            verify,
        ),
    ):
        command = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        options.bundle(command, "bundle", "folder of the model", nargs="?")
        command.set_defaults(run=run)
        command.finish((f"popdetect model {name} models/ours",))


def show(args: argparse.Namespace) -> int:
    """Print the card."""
    from popdetect.detection.model import bundle

    model = bundle.load(args.bundle)
    if args.json:
        terminal.result(json.dumps(model.info, ensure_ascii=False))
        return 0
    card = (Path(args.bundle) if args.bundle else bundle.shipped()) / "CARD.md"
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{card}: the card cannot be read; --json prints model.json instead") from None
    terminal.result(text)
    return 0


def verify(args: argparse.Namespace) -> int:
    """Check the files, and the installed code against the golden clips of the model."""
    from popdetect.detection import verification

    done = verification.verify(args.bundle)
    model, worst, n_rows = done.model, done.worst_parity, done.n_rows
    row = {"model": model.title, "sha256": model.sha256, "parity": worst, "rows": n_rows, "golden_clips": done.n_clips}
    text = (
        f"{model.title} is complete and unchanged: the hashes are correct; the probabilities equal those of "
        f"scikit-learn within {worst:.1e} on {n_rows} rows; {done.n_clips} golden clips give the stored results"
    )
    terminal.show(args, row, text)
    return 0
