#!/usr/bin/env python3
"""Build the shipped model from simulated pops, the CC0 pops and the real distractors of a sound folder.

Only sounds of the role `train` are learned from; those of `dev-test` serve for one look at the end, whose figures go
into the card. The same sounds and seed give the same bundle.

Example: scripts/build_model.py --sounds ../shared/audio --out models/default --force
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import sys
import zlib
from pathlib import Path

import numpy as np

from popdetect import __version__
from popdetect.errors import PopdetectError
from popdetect.learning import bundling, comparison, provenance
from popdetect.learning.scenes import SceneRule, compose
from popdetect.learning.scores import score
from popdetect.learning.sounds import Recorded, Source, read_manifest
from popdetect.learning.training import Example, fit

N_FOLDS = 5
# 16 and 22.05 kHz are what phones and old recorders give; levels reach a little below those we hope to hear at
LEARN = SceneRule(
    pop_db=(12.0, 48.0),
    distractor_db=(0.0, 42.0),
    rates_hz=(48_000, 48_000, 48_000, 44_100, 44_100, 32_000, 24_000, 22_050, 16_000, 8_000),
    worn_share=0.3,
)
LOOK = SceneRule(pop_db=(15.0, 45.0), distractor_db=(0.0, 40.0), rates_hz=(48_000, 44_100))


def main() -> int:
    """Build, write and show the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=Path, required=True, metavar="DIR", help="sound folder with a MANIFEST.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder of the bundle")
    parser.add_argument("--scenes", type=int, default=5000, metavar="N", help="clips to learn from (default: 5000)")
    parser.add_argument("--look", type=int, default=600, metavar="N", help="dev-test clips (default: 600)")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--force", action="store_true", help="replace a bundle that is there")
    args = parser.parse_args()
    try:
        build(args)
    except PopdetectError as error:
        print(f"build_model: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def build(args: argparse.Namespace) -> None:
    """Fit, look, write."""
    shipped = args.out.resolve() == bundling.bundle.shipped().resolve()
    bundling.check_target(args.out, force=args.force, replace_shipped=True)
    train = read_manifest(args.sounds, "train")
    banks = _banks(train)
    examples = [
        _example(f"scene {i}", f"fold {i % N_FOLDS}", [args.seed, i], banks[i % N_FOLDS], LEARN)
        for i in range(args.scenes)
    ]
    fitted = fit(examples, name="popdetect", version=__version__, seed=args.seed, on_progress=_say)
    held_out = score(comparison.held_out(fitted, examples), seed=args.seed)
    scores = {
        "Sounds held out by source": {
            "about": "Mixed clips; distractors, backgrounds and recorded pops of each fifth come from sources that "
            "the classifier had not heard. The simulated pops, most of all pops, follow the same rules throughout, "
            "and the calibration was fitted on these very answers, so these figures flatter.",
            "figures": comparison.figures(held_out),
        }
    }
    dev = read_manifest(args.sounds, "dev-test")
    bank = Recorded(dev, made_pop_share=0.0, made_share=0.0)
    look = [_example(f"look {i}", f"look {i % 20}", [args.seed, 10**6 + i], bank, LOOK) for i in range(args.look)]
    scores["The dev-test sounds"] = {
        "about": f"Mixed clips of files of which none was learned from; {_shared(dev, train)} of the {len(dev)} files "
        "come from sources of which other files were. The pops are those of one recording of one person's neck, so the "
        "intervals are too narrow: they do not hold what another person would change.",
        "figures": comparison.figures(score(comparison.judged(fitted.model, look), seed=args.seed)),
    }
    facts = {
        **provenance.statements(),
        "provenance": {
            "clips": f"{args.scenes} mixed clips of {LEARN.duration_s:g} s, half with 1 to {LEARN.max_pops} pops",
            "seed": args.seed,
            "recordings": f"{len(train)} files of {len({s.group for s in train})} groups, role train",
            "kinds": dict(sorted(collections.Counter(s.kind for s in train).items())),
            "recorded_pops": [f"{s.group} ({len(s.onsets_s)} pops, {s.licence})" for s in train if s.kind == "pop"],
            "licences": dict(sorted(collections.Counter(_family(s.licence) for s in train).items())),
            "attributions": sorted({s.licence for s in train if _family(s.licence) == "CC BY"}),
            "sha256_of_all_inputs": _digest(train),
            "simulated": "pops (air and skin-mounted), one in ten distractors, a third of the rooms, devices, codecs",
            "libraries": provenance.versions(),
        },
        "scores": scores,
        "contest": provenance.contest(fitted),
    }
    model = bundling.write(fitted, args.out, facts, force=args.force, replace_shipped=shipped)
    print(f"{args.out}: {model.title}, sha256 {model.sha256}")
    for title, part in scores.items():
        print(f"\n{title}")
        for name, value in part["figures"].items():
            print(f"  {name:50} {bundling.card.figure(value)}")


def _banks(train: list[Source]) -> list[Recorded]:
    """Each fold has sources of its own; a fold with a pop recording hears it much, the others hear made pops."""
    banks = []
    pops = sorted({s.group for s in train if s.kind == "pop"})
    for fold in range(N_FOLDS):
        own = [
            s
            for s in train
            if (pops.index(s.group) == fold if s.kind == "pop" else zlib.crc32(s.group.encode()) % N_FOLDS == fold)
        ]
        banks.append(Recorded(own, made_pop_share=0.3 if any(s.kind == "pop" for s in own) else 1.0, speech_share=0.3))
    return banks


def _example(file: str, group: str, seed: list[int], bank: Recorded, rule: SceneRule) -> Example:
    scene = compose(np.random.default_rng(seed), bank, rule)
    return Example(
        file,
        group,
        bool(scene.onsets_s),
        scene.onsets_s,
        lambda: (scene.samples[:, None], scene.rate_hz),
    )


def _shared(dev: list[Source], train: list[Source]) -> int:
    """How many of the one come from a source of the other."""
    return sum(source.group in {s.group for s in train} for source in dev)


def _family(licence: str) -> str:
    """The licence's own name, without where it was stated."""
    for name in ("CC0", "CC BY-SA", "CC BY", "Apache-2.0", "BSD", "MIT", "public domain"):
        if name.lower() in licence.lower():
            return name
    return licence.split(" (")[0]


def _digest(sources: list[Source]) -> str:
    return hashlib.sha256("\n".join(s.sha256 for s in sources).encode()).hexdigest()


def _say(what: str, done: int, total: int) -> None:
    if total < 10 or done % 500 == 0:
        print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
