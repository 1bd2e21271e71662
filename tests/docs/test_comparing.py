"""The comparison of shown outputs: what must fail does fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import Shown, blocks, differences, refreshed, run_document, same_line

REAL = ["120 clips: 57 pop (253 pops), 44 no pop, 19 uncertain, 0 failed", "  session_07/popdetect/clips.csv", "done"]


@pytest.mark.parametrize(
    "shown",
    [
        ["999 bananas: everything failed", *REAL[1:]],
        ["120 clips: 57 pop (253 pops), 44 no pop, 19 uncertain, 1 failed", *REAL[1:]],
        ["120 Clips: 57 pop (253 pops), 44 no pop, 19 uncertain, 0 failed", *REAL[1:]],
        REAL[:2],
        REAL[1:],
        [*REAL, "one more"],
        [REAL[1], REAL[0], REAL[2]],
        [],
        [*REAL[:1], "...", "not done"],
        ["120 clips: [...], 1 failed", *REAL[1:]],
        ["  120 clips: 57 pop (253 pops), 44 no pop, 19 uncertain, 0 failed", *REAL[1:]],
    ],
)
def test_an_output_that_differs_is_found(shown: list[str]) -> None:
    assert differences(shown, REAL)


@pytest.mark.parametrize(
    "shown",
    [
        REAL,
        ["..."],
        [REAL[0], "..."],
        ["...", REAL[2]],
        [REAL[0], "...", REAL[2]],
        [REAL[0], "...", *REAL[1:]],
        ["120 clips: [...], 0 failed", *REAL[1:]],
    ],
)
def test_what_may_vary_may_vary(shown: list[str]) -> None:
    assert not differences(shown, REAL)


def test_an_empty_output_must_be_shown_empty() -> None:
    assert not differences([], [])
    assert differences(["anything"], [])


@pytest.mark.parametrize(
    ("shown", "real", "same"),
    [
        ("AUROC  0.996 (0.991 to 0.999)", "AUROC  0.981 (0.980 to 1.000)", True),
        ("AUROC  0.996 (0.991 to 0.999)", "AUROC  0.800 (0.780 to 0.899)", False),
        ("AUROC  0.996 (0.991 to 0.999)", "AUROC 0.996 (0.991 to 0.999)", True),
        ("AUROC  0.996 (0.991 to 0.999)", "BANANAS  0.996 (0.991 to 0.999)", False),
        ("difference -0.002", "difference 0.009", False),
        ("difference -0.002", "difference -0.003", True),
        ("12 clips", "12 clips failed", False),
    ],
)
def test_numbers_vary_only_within_the_tolerance(shown: str, real: str, same: bool) -> None:
    assert same_line(shown, real, tolerance=0.05) is same
    assert same_line(shown, real) is (shown == real)


DOCUMENT = """
Text.

<!-- write: names.csv -->
```csv
a,b
```

```python
from pathlib import Path

print(len(Path("names.csv").read_text()))
```

```text
4
```

More text.

<!-- numbers within 5 %: a reason -->
```console
$ popdetect --version
popdetect 999
```

<!-- exit code: 2 -->
```console
$ popdetect classify
...
```

<!-- not run: it would wait -->
```bash
popdetect review session_07
```
"""


def test_a_document_is_read_block_by_block() -> None:
    found = blocks(DOCUMENT)

    assert [block.kind for block in found] == ["csv", "python", "text", "console", "console", "bash"]
    assert [block.rules for block in found] == [
        {"write": "names.csv"}, {}, {}, {"numbers within": "5"}, {"exit code": "2"}, {"not run": "it would wait"},
    ]  # fmt: skip
    assert [block.follows for block in found] == [False, True, True, False, True, True]
    assert all(DOCUMENT[block.start : block.end] == block.text for block in found)


def test_a_document_runs_in_order_and_wrong_outputs_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(DOCUMENT, encoding="utf-8")

    code, version, wrong = run_document(page, tmp_path)

    assert not differences(code.shown, code.real)
    assert differences(version.shown, version.real, version.tolerance)
    assert (version.exit_code, wrong.exit_code) == (0, 2)


def test_refreshing_keeps_the_gaps(tmp_path: Path) -> None:
    block = blocks(DOCUMENT)[3]
    shown = ["first 1", "...", "third 3", "..."]

    one = Shown(block, "x", shown, ["first 2", "second", "third 4", "fourth"], 0, 0)

    assert refreshed(one) == ["first 2", "...", "third 4", "..."]
