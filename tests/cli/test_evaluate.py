"""``popdetect evaluate``: the scores as JSON."""

from __future__ import annotations

from pathlib import Path

from commands import Capture, json_lines, run


def test_the_json_has_the_scores(session: Path, capsys: Capture) -> None:
    (row,) = json_lines(run(["evaluate", str(session), "--json"], capsys)[1])

    assert (row["schema_version"], row["scores"]["n_clips"]) == (1, 8)
