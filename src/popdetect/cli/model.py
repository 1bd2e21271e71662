"""``popdetect model show`` and ``popdetect model verify``: the card of a model, and the check of its files."""

from __future__ import annotations

import json
from pathlib import Path

from popdetect.cli import options, terminal
from popdetect.errors import UsageError

EXAMPLES = ("popdetect model show", "popdetect model verify models/ours")
OPTIONS = (
    options.text("action", "show|verify", "show: print the card of a model (scores, limits and sources); verify: check "
                 "that a model is complete, and that the installed code gives its results",
                 choices=("show", "verify")),
    options.bundle("bundle", "folder of the model", nargs="?"),
)  # fmt: skip


def run(args: options.Args) -> None:
    """A model is a folder with model.json, weights.npz and CARD.md."""
    from popdetect.detection.model import bundle

    if args.action == "verify":
        from popdetect.detection import verification

        done = verification.verify(args.bundle)
        title, worst, n_rows = done.model.title, done.worst_parity, done.n_rows
        row = {"model": title, "sha256": done.model.sha256, "parity": worst, "rows": n_rows}
        text = (
            f"{title} is complete and unchanged: the hashes are correct; the probabilities equal those of "
            f"scikit-learn within {worst:.1e} on {n_rows} rows; {done.n_clips} golden clips give the stored results"
        )
        terminal.show(args, row | {"golden_clips": done.n_clips}, text)
        return
    model = bundle.load(args.bundle)
    if args.json:
        terminal.result(json.dumps(model.info, ensure_ascii=False))
        return
    card = (Path(args.bundle) if args.bundle else bundle.shipped()) / "CARD.md"
    try:
        terminal.result(card.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{card}: the card cannot be read; --json prints model.json instead") from None
