#!/usr/bin/env python3
"""Build the shipped model from simulated pops and the recorded sounds of a folder.

Only sounds of role `train` are used for training; those of role `dev-test` are used once, for figures of the card. The
same sounds and seed give the same bundle. Takes about half an hour on two cores.

training_sounds.csv is the registry of the training sounds: source, path, licence and SHA-256 of each, but no sound. The
folder is checked against it first; missing and changed files are listed, and stop the build unless --other-sounds.

Examples
--------
scripts/build_model.py --sounds ../shared/audio --check-sounds
scripts/build_model.py --sounds ../shared/audio --out models/default --force
scripts/build_model.py --tables --out models/default
    Only refresh the card: its texts, and the tables beside the bundle (ablations.json of benchmarks/ablate.py,
    peers.json and unheard.json of bench.py --accuracy, voices.json of benchmarks/voices.py).
"""

from __future__ import annotations

import argparse
import collections
import csv
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import numpy as np
from threadpoolctl import threadpool_limits

import accuracy
import card_tables
import corpus
from popdetect import __version__
from popdetect.detection.model import bundle
from popdetect.detection.model.bundle import Model
from popdetect.detection.model.classifiers import Floats
from popdetect.errors import PopdetectError, UsageError
from popdetect.training.data.examples import CandidateSet, used_for
from popdetect.training.data.manifest import NAME, read_manifest
from popdetect.training.data.sounds import Recorded
from popdetect.training.evaluation import comparison
from popdetect.training.evaluation.scores import card_figures, score
from popdetect.training.models import bundle_files, card, replay
from popdetect.training.models.fitting import Fitted
from popdetect.training.models.replay import Replay

MODELS = Path(__file__).resolve().parent.parent / "models"
REGISTRY = Path(__file__).resolve().parent / "training_sounds.csv"
REGISTRY_COLUMNS = ("path", "kind", "what", "group", "licence", "source", "comment", "sha256", "onsets_s")
THREADS = 2  # sums over several threads differ in the last digit with the number of threads
STATEMENTS = {
    "notice": (
        "A research tool, not a medical device. There is no public recording of a spinal manipulation: no clinical "
        "recording was used, and **no figure here is clinical accuracy**."
    ),
    "calibrated_on": "on clips of sounds and pops that the classifier was not trained on, half of them with pops",
    "licence": "MIT; the training sounds keep their own licences and are not part of it",
    "intended_use": card.INTENDED_USE,
    "limits": [
        "it was neither trained nor tested on clinical recordings",
        *card.CANNOT,
        "probabilities hold for clips of about 3 s, half of them with a pop: where pops are rarer, they are too high",
        "skin-mounted sensors (bandwidth 0.8 to 2.5 kHz) were simulated only; no recording of one was available",
        card.OUT_OF_RANGE,
    ],
}
REPLAY_ROWS = 4_500  # about 200 bytes each, packed; more rows made no adapted model better
HARD_FROM = -3.0  # log-odds of negatives that are hard to tell from pops
COMMAND = "scripts/build_model.py --sounds ../shared/audio --out models/default --force"


def main() -> int:
    """Build, write, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=Path, metavar="DIR", help="sound folder with a MANIFEST.csv")
    parser.add_argument("--out", type=Path, metavar="BUNDLE", help="folder of the bundle")
    parser.add_argument("--scenes", type=int, default=corpus.N_SCENES, metavar="N", help="mixed clips (default: 8000)")
    parser.add_argument(
        "--trials", type=int, default=300, metavar="N", help="test clips for each test and source of pops (300)"
    )
    parser.add_argument("--look", type=int, default=600, metavar="N", help="dev-test clips (default: 600)")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--force", action="store_true", help="replace an existing bundle")
    parser.add_argument("--tables", action="store_true", help="only refresh the card of an existing bundle")
    parser.add_argument("--check-sounds", action="store_true", help="only check the sound folder against the registry")
    parser.add_argument("--other-sounds", action="store_true", help="build even if sounds differ from the registry")
    parser.add_argument("--write-registry", action="store_true", help="only write the registry from the sound folder")
    args = parser.parse_args()
    if args.sounds is None and not args.tables:
        parser.error("--sounds is needed: a folder of recordings with a MANIFEST.csv")
    if args.out is None and not (args.check_sounds or args.write_registry):
        parser.error("--out is needed: the folder of the bundle")
    try:
        if args.tables:
            print(f"{args.out}: sha256 {refresh(args.out).sha256}")
        elif args.write_registry:
            write_registry(args.sounds, REGISTRY)
        else:
            problems = sound_problems(args.sounds, REGISTRY)
            for problem in problems:
                print(problem, file=sys.stderr)
            if problems and not args.other_sounds:
                raise UsageError(f"{args.sounds}: {len(problems)} training sounds differ from {REGISTRY.name}")
            if args.check_sounds:
                print(f"{args.sounds}: {len(problems)} training sounds differ from {REGISTRY.name}")
                return 0
            with threadpool_limits(THREADS):
                build(args)
    except PopdetectError as error:
        print(f"build_model: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def build(args: argparse.Namespace) -> None:
    """Fit, measure the forecast on sources that no fit was trained on, test on the dev-test sounds, write."""
    bundle_files.check_target(args.out, force=args.force, replace_shipped=True)
    clips = accuracy.material(args.sounds, args.scenes, args.trials)
    print(f"{len(clips.examples)} clips mixed", file=sys.stderr, flush=True)
    fitted = accuracy.fit_to(clips, name="popdetect", version=__version__, seed=args.seed, on_progress=_print_progress)
    write(args, clips, fitted)


def write(args: argparse.Namespace, clips: accuracy.Material, fitted: Fitted) -> None:
    """Measure a fitted model, and write its bundle."""
    train, dev = read_manifest(args.sounds, "train"), read_manifest(args.sounds, "dev-test")
    forecast = accuracy.forecast(fitted, clips)
    (MODELS / "unheard.json").write_text(json.dumps({**forecast, "command": COMMAND}, indent=1) + "\n")
    accuracy.print_table(forecast["rows"])
    bank = Recorded(dev, made_pop_share=0.0, made_share=0.0)
    look = [
        corpus.scene(f"look {i}", f"look {i % 20}", [args.seed, 10**6 + i], bank, corpus.TRY) for i in range(args.look)
    ]
    groups = {source.group for source in train}
    title, about = score_text(sum(source.group in groups for source in dev), len(dev))
    figures = card_figures(score(comparison.detect_all(fitted.model, look), seed=args.seed))
    scores = {**card_tables.top_scores(forecast), title: {"about": about, "figures": figures}}
    rule = corpus.LEARN
    facts = {
        **STATEMENTS,
        "provenance": {
            "command": COMMAND,
            "clips": f"{len(clips.scenes)} mixed clips of {rule.duration_s:g} s, {rule.pop_share:.0%} of them with "
            f"1 to {rule.max_pops} simulated pops (a third with one), {rule.contact_share:.0%} as from a skin-mounted "
            f"sensor, and {len(clips.singles)} clips of single recordings of other sounds: unchanged, at other speeds "
            f"and sample rates, and speech with simulated mouth clicks; and {len(clips.simulated)} clips of simulated "
            "sounds alone",
            "calibration": f"{sum('calibration' in trial.example.uses for trial in clips.trials)} mixed clips with the "
            "recorded pops, half of them without pops, each with log-odds of a fit without its sources",
            "seed": args.seed,
            "recordings": f"{len(train)} files of {len({s.group for s in train})} groups, role train, listed in "
            f"scripts/{REGISTRY.name}",
            "kinds": dict(sorted(collections.Counter(s.kind for s in train).items())),
            "recorded_pops": [f"{s.group} ({len(s.onsets_s)} pops, {s.licence})" for s in train if s.kind == "pop"],
            "licences": dict(sorted(collections.Counter(_family(s.licence) for s in train).items())),
            card.ATTRIBUTIONS_KEY: sorted({s.licence for s in train if _family(s.licence) == "CC BY"}),
            "sha256_of_all_inputs": digest([s.sha256 for s in train]),
            "simulated": "all pops that were trained on (air and skin-mounted), three in ten distractors, mouth "
            "clicks, a third of the rooms, devices, codecs",
            "libraries": card.versions(),
        },
        "scores": scores,
        "contest": card.selection_table(fitted),
        **_tables(),
    }
    learn = fitted.candidates.only_of(used_for("training", clips.examples))
    rows = replay_rows(learn, fitted.selection[0].logits, args.seed)
    model = bundle_files.write(
        fitted, args.out, facts, replay=rows, force=args.force, replace_shipped=True, tables=card_tables.render(facts)
    )
    print(f"{args.out}: {model.title}, sha256 {model.sha256}")
    for name, value in figures.items():
        print(f"  {title}: {name:50} {card.figure(value)}")


def score_text(n_shared: int, n_dev: int) -> tuple[str, str]:
    """Return the title of the score table and its limitations; `n_shared` dev-test files share a source."""
    return (
        "The dev-test sounds",
        f"Mixed clips of files that were not used for training; {n_shared} of the {n_dev} files come from sources of "
        "which other files were used. The pops are those of one recording of one person's neck, and the backgrounds "
        "are rain, sea and helicopters, so the intervals are too narrow.",
    )


def replay_rows(candidates: CandidateSet, logits: Floats, seed: int, n_rows: int = REPLAY_ROWS) -> Replay:
    """Choose replay rows: up to a third each of pops, of negatives that are hard to tell from pops, and of others.

    Parameters
    ----------
    candidates : CandidateSet
        The training material of the model.
    logits : ndarray, shape (n,)
        Held-out log-odds.
    """
    rng = np.random.default_rng([seed, 777])
    others = np.flatnonzero(candidates.marks == 0)
    hard = logits[others] > HARD_FROM
    kinds = [kind for kind in (np.flatnonzero(candidates.marks == 1), others[hard], others[~hard]) if len(kind)]
    chosen, weights = [], []
    for kind in kinds:
        few = np.sort(rng.permutation(kind)[: n_rows // len(kinds)])
        chosen.append(few)
        weights.append(np.full(len(few), len(kind) / len(few)))
    index = np.concatenate(chosen)
    order = np.argsort(index, kind="stable")
    index = index[order]
    return Replay(
        np.clip(candidates.rows[index], -replay.HALF, replay.HALF),
        candidates.marks[index],
        logits[index],
        np.concatenate(weights)[order],
    )


def refresh(folder: Path) -> Model:
    """Write the texts and tables of now into an existing bundle; what decides stays unchanged."""
    info, tables = bundle.load(folder).info, _tables()
    scores = {title: part for title, part in info["scores"].items() if not title.startswith(card_tables.TOP)}
    facts = {"scores": {**card_tables.top_scores(tables["unheard"]), **scores}, **tables}
    return rewrite(folder, {**STATEMENTS, "provenance": {"command": COMMAND, **info["provenance"]}, **facts})


def rewrite(folder: Path, facts: Mapping[str, Any], files: Mapping[str, bytes] | None = None) -> Model:
    """Add facts for people to ``model.json`` and the card of a bundle, or replace some `files`; weights stay.

    Raises
    ------
    ModelError
        When there is no sound bundle.
    UsageError
        When it cannot be written.
    """
    info = {**bundle.load(folder).info, **facts}
    raw = {name: (folder / name).read_bytes() for name in info["files"]} | dict(files or {})
    return bundle_files.put(info, raw, folder, card_tables.render(info))


def write_registry(sounds: Path, registry: Path) -> None:
    """Write the registry of the training sounds: facts from the manifest, no sound."""
    onsets = {source.path: source.onsets_s for source in read_manifest(sounds, "train")}
    with (sounds / NAME).open(newline="", encoding="utf-8") as file:
        rows = sorted((row for row in csv.DictReader(file) if row["role"] == "train"), key=lambda row: row["path"])
    with registry.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, REGISTRY_COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            marks = " ".join(f"{onset:g}" for onset in onsets[sounds / row["path"]])
            writer.writerow({**row, "onsets_s": marks})


def read_registry(registry: Path) -> list[dict[str, str]]:
    """Read the registry, sorted by path."""
    with registry.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def sound_problems(sounds: Path, registry: Path) -> list[str]:
    """Compare a sound folder with the registry; one line for each missing, changed or additional file."""
    listed = {source.path for source in read_manifest(sounds, "train")}
    problems = []
    for row in read_registry(registry):
        path = sounds / row["path"]
        if not path.is_file():
            problems.append(f"{row['path']}: missing; from {row['source']}")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            problems.append(f"{row['path']}: changed; sha256 {row['sha256']} is needed, from {row['source']}")
        elif path not in listed:
            problems.append(f"{row['path']}: not in {NAME} with role train")
        listed.discard(path)
    return problems + [f"{path.relative_to(sounds)}: not in {registry.name}" for path in sorted(listed)]


def digest(hashes: list[str]) -> str:
    """Return one SHA-256 of the hashes of all training sounds, in the order of their paths."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _tables() -> dict[str, Any]:
    """The tables for the card that the benchmarks left beside the models."""
    found = {name: MODELS / f"{name}.json" for name in ("unheard", "voices", "ablations", "peers")}
    return {name: json.loads(path.read_text()) for name, path in found.items() if path.is_file()}


def _family(licence: str) -> str:
    """The name of a licence, without its source."""
    for name in ("CC0", "CC BY-SA", "CC BY", "Apache-2.0", "BSD", "MIT", "public domain"):
        if name.lower() in licence.lower().replace("cc-by", "cc by"):
            return name
    return licence.split(" (")[0]


def _print_progress(what: str, done: int, total: int) -> None:
    if total < 10 or done % 500 == 0:
        print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
