"""The registry of the training sounds belongs to the shipped model, and differences of a sound folder are found."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from popdetect.detection.model import bundle
from popdetect.training.data.manifest import COLUMNS, NAME

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
