"""The registry of the training sounds belongs to the shipped model, and differences of a sound folder are found."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from popdetect.detection import verification
from popdetect.detection.model import bundle
from popdetect.training.data.examples import CandidateSet
from popdetect.training.data.manifest import COLUMNS, NAME
from popdetect.training.models import card

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
_spec = importlib.util.spec_from_file_location("build_model", SCRIPTS / "build_model.py")
assert _spec is not None
assert _spec.loader is not None
build_model = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build_model)


def test_the_registry_is_that_of_the_shipped_model() -> None:
    rows = build_model.read_registry(build_model.REGISTRY)
    provenance = bundle.load().info["provenance"]

    assert build_model.digest([row["sha256"] for row in rows]) == provenance["sha256_of_all_inputs"]
    assert len(rows) == sum(provenance["kinds"].values())
    for row in rows:
        assert row["source"]
        assert row["licence"]


def test_missing_changed_and_additional_sounds_are_listed(tmp_path: Path) -> None:
    names = ("a.wav", "b.wav", "c.wav")
    lines = [",".join(COLUMNS), *(f"{name},train,distractor,door,g" for name in names)]
    (tmp_path / NAME).write_text("\n".join(lines) + "\n")
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    registry = tmp_path / "registry.csv"
    good = hashlib.sha256(b"a.wav").hexdigest()
    registry.write_text(f"path,source,sha256\na.wav,here,{good}\nb.wav,there,0\nd.wav,nowhere,0\n")

    assert [line.split(";")[0] for line in build_model.sound_problems(tmp_path, registry)] == [
        "b.wav: changed",
        "d.wav: missing",
        "c.wav: not in registry.csv",
    ]


def test_facts_are_added_to_a_bundle_and_nothing_else_changes(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(bundle.shipped(), folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    row = {"auroc": {"value": 0.9, "low": 0.8, "high": 0.95}, "sensitivity_at_95": 0.7, "f1": 0.8, "count_error": 0.5}
    model = build_model.rewrite(folder, {"ablations": {"about": "Few clips", "rows": {"without bands": row}}})
    after = {path.name: path.read_bytes() for path in folder.iterdir()}

    assert "| without bands | 0.900 (0.800 to 0.950) | 0.700 | 0.800 | 0.500 |" in after["CARD.md"].decode()
    assert {name for name in before if before[name] != after[name]} == {"CARD.md", "model.json"}
    info, old = json.loads(after["model.json"]), json.loads(before["model.json"])
    assert {**info, "ablations": 0} == {**old, "ablations": 0}
    assert model.sha256 == verification.verify(folder).model.sha256


def test_without_new_facts_a_bundle_keeps_its_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(bundle.shipped(), folder)
    build_model.rewrite(folder, {})

    for path in bundle.shipped().iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_shipped_card_has_the_statements_of_new_models() -> None:
    info = bundle.load().info

    assert {key: info[key] for key in build_model.STATEMENTS} == build_model.STATEMENTS
    assert build_model.STATEMENTS.keys() == card.own_statements(20, 10, 3, 1.0).keys()


def test_replay_rows_stand_for_all_that_was_trained_on() -> None:
    rng = np.random.default_rng(0)
    marks = np.repeat(np.array([1, 0, -1], np.int8), [300, 4000, 50])
    rows, clips = rng.standard_normal((4350, 3)), np.arange(4350)
    candidates = CandidateSet(rows, marks, clips, np.zeros(4350), np.ones(4350))
    logits = rng.normal(-3, 2, 4350)
    chosen = build_model.replay_rows(candidates, logits, 0, 900)

    assert len(chosen.rows) == 900
    hard = chosen.logits > build_model.HARD_FROM
    for mark, kind in ((1, True), (0, True), (0, False)):
        n = ((marks == mark) & (mark == 1 or (logits > build_model.HARD_FROM) == kind)).sum()
        own = (chosen.marks == mark) & (mark == 1 or hard == kind)
        assert own.sum() == 300
        assert chosen.weights[own].sum() == pytest.approx(n)
