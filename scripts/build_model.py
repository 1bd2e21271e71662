#!/usr/bin/env python3
"""Build the shipped model from simulated pops, the CC0 pops and the real distractors of a sound folder.

Only sounds of the role `train` are learned from; those of `dev-test` serve for one look at the end, whose figures go
into the card. The same sounds and seed give the same bundle.

Example: scripts/build_model.py --sounds ../shared/audio --out models/default --force
With --tables: only what the card of a bundle that is there says, and its tables: ablations.json of ablate.py,
peers.json of bench.py --accuracy, unheard.json of bench.py --accuracy --no-peers --scenes 8000, voices.json of
voices.py, which judges the bundle itself.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

from threadpoolctl import threadpool_limits

import corpus
from popdetect import __version__
from popdetect.errors import PopdetectError
from popdetect.training.data.sounds import Recorded, Source, read_manifest
from popdetect.training.evaluation import comparison
from popdetect.training.evaluation.scores import score
from popdetect.training.models import bundle_files, card, replay
from popdetect.training.models.fitting import fit

MODELS = Path(__file__).resolve().parent.parent / "models"
THREADS = 2  # sums that several threads share differ in their last digit from one number of threads to the next


def main() -> int:
    """Build, write and show the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=Path, metavar="DIR", help="sound folder with a MANIFEST.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder of the bundle")
    parser.add_argument("--scenes", type=int, default=corpus.N_SCENES, metavar="N", help="mixed clips (default: 8000)")
    parser.add_argument("--look", type=int, default=600, metavar="N", help="dev-test clips (default: 600)")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--force", action="store_true", help="replace a bundle that is there")
    parser.add_argument("--tables", action="store_true", help="only refresh the words and tables of the card")
    args = parser.parse_args()
    if args.sounds is None and not args.tables:
        parser.error("--sounds is needed, a folder of recordings with a MANIFEST.csv")
    try:
        if args.tables:
            print(f"{args.out}: sha256 {bundle_files.add_facts(args.out, {**card.statements(), **_tables()}).sha256}")
        else:
            with threadpool_limits(THREADS):
                build(args)
    except PopdetectError as error:
        print(f"build_model: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def build(args: argparse.Namespace) -> None:
    """Fit, look, write."""
    shipped = args.out.resolve() == bundle_files.bundle.shipped().resolve()
    bundle_files.check_target(args.out, force=args.force, replace_shipped=True)
    train = read_manifest(args.sounds, "train")
    rule, examples = corpus.LEARN, corpus.to_learn_from(train, args.scenes, args.seed)
    fitted = fit(examples, name="popdetect", version=__version__, seed=args.seed, on_progress=_say)
    heard = zip(comparison.held_out(fitted, examples), examples, strict=True)
    held_out = score([clip for clip, example in heard if example.sets_thresholds], seed=args.seed)
    scores = {
        "Sounds held out by source": {
            "about": "Mixed clips, none of them across the room; distractors, backgrounds and recorded pops of each "
            "fifth come from sources that the classifier had not heard. The simulated pops, most of all pops, follow "
            "the same rules throughout, and the calibration was fitted on these very answers, so these figures "
            "flatter.",
            "figures": comparison.figures(held_out),
        }
    }
    dev = read_manifest(args.sounds, "dev-test")
    bank = Recorded(dev, made_pop_share=0.0, made_share=0.0)
    look = [
        corpus.mixed(f"look {i}", f"look {i % 20}", [args.seed, 10**6 + i], bank, corpus.TRY) for i in range(args.look)
    ]
    scores["The dev-test sounds"] = {
        "about": f"Mixed clips of files of which none was learned from; {_shared(dev, train)} of the {len(dev)} files "
        "come from sources of which other files were. The pops are those of one recording of one person's neck, so the "
        "intervals are too narrow: they do not hold what another person would change.",
        "figures": comparison.figures(score(comparison.judged(fitted.model, look), seed=args.seed)),
    }
    facts = {
        **card.statements(),
        "provenance": {
            "clips": f"{args.scenes} mixed clips of {rule.duration_s:g} s, {rule.pop_share:.0%} of them with 1 to "
            f"{rule.max_pops} pops, {rule.far_share:.0%} heard across the room, and {len(examples) - args.scenes} "
            "clips of recordings of other sounds alone, as they are, at other paces and rates, and speech with made "
            "mouth clicks in it",
            "seed": args.seed,
            "recordings": f"{len(train)} files of {len({s.group for s in train})} groups, role train",
            "kinds": dict(sorted(collections.Counter(s.kind for s in train).items())),
            "recorded_pops": [f"{s.group} ({len(s.onsets_s)} pops, {s.licence})" for s in train if s.kind == "pop"],
            "licences": dict(sorted(collections.Counter(_family(s.licence) for s in train).items())),
            "attributions": sorted({s.licence for s in train if _family(s.licence) == "CC BY"}),
            "sha256_of_all_inputs": _digest(train),
            "simulated": "pops (air and skin-mounted), one in ten distractors, mouth clicks, a third of the rooms, "
            "devices, codecs",
            "libraries": card.versions(),
        },
        "scores": scores,
        "contest": card.contest(fitted),
        **_tables(),
    }
    # the log-odds of the recipe that was chosen, each by a fit that had not heard the row's source
    rows = replay.of(fitted.heard, fitted.selection[0].logits, args.seed)
    model = bundle_files.write(fitted, args.out, facts, replay=rows, force=args.force, replace_shipped=shipped)
    print(f"{args.out}: {model.title}, sha256 {model.sha256}")
    for title, part in scores.items():
        print(f"\n{title}")
        for name, value in part["figures"].items():
            print(f"  {name:50} {bundle_files.card.figure(value)}")


def _tables() -> dict[str, Any]:
    """What `ablate.py`, `voices.py` and `bench.py --accuracy` have left beside the models, for the card."""
    found = {name: MODELS / f"{name}.json" for name in ("unheard", "voices", "ablations", "peers")}
    return {name: json.loads(path.read_text()) for name, path in found.items() if path.is_file()}


def _shared(dev: list[Source], train: list[Source]) -> int:
    """How many of the one come from a source of the other."""
    return sum(source.group in {s.group for s in train} for source in dev)


def _family(licence: str) -> str:
    """The licence's own name, without where it was stated."""
    for name in ("CC0", "CC BY-SA", "CC BY", "Apache-2.0", "BSD", "MIT", "public domain"):
        if name.lower() in licence.lower().replace("cc-by", "cc by"):
            return name
    return licence.split(" (")[0]


def _digest(sources: list[Source]) -> str:
    return hashlib.sha256("\n".join(s.sha256 for s in sources).encode()).hexdigest()


def _say(what: str, done: int, total: int) -> None:
    if total < 10 or done % 500 == 0:
        print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
