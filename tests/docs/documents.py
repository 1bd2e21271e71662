"""Run what the documents show, and compare the shown output with the real one.

Documents are README.md and the pages of docs/. Each runs in its own empty folder, its blocks in order:

``console``
    Each line that starts with ``$ popdetect`` is a command; the lines below it are its output (standard output and
    standard error in the order of writing). It must end with exit code 0.
``python``
    Code. All blocks of one document share their variables. A ``text`` block directly below is what the code prints.

A comment directly above a block changes the rule for this block:

``<!-- not run: REASON -->``
    The block is not run. Its ``popdetect`` commands must still be valid commands with valid options.
``<!-- exit code: N -->``
    The commands of the block end with exit code N.
``<!-- numbers within X %: REASON -->``
    Numbers of this block may differ by X percent of the shown number, or by one unit of the last shown digit.
``<!-- write: FILE -->``
    The text of the block is written to FILE.
``<!-- file: FILE -->``
    The text of the block is the content of FILE, under the same rule as an output.

A comment ``<!-- set-up: popdetect ... -->`` runs a command that the reader does not see.

The rule for shown output: every line is compared in full, in order. A line ``...`` stands for any number of lines;
``[...]`` within a line stands for any text on this line. Nothing else may vary.

A notebook is compared in the same way: each code cell runs, and what it prints, with the value of its last
expression, must equal its stored output.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import difflib
import functools
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(page for page in DOCS.rglob("*.md") if not page.relative_to(DOCS).parts[0].startswith("_")),
]
NOTEBOOKS = sorted(DOCS.glob("*.ipynb"))

_BLOCK = re.compile(
    r"(?P<comments>(?:<!--.*?-->\n+)*)^(?P<fence>```+)(?P<kind>[^\n`]*)\n(?P<text>.*?)^(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)
_LONE_SETUP = re.compile(r"<!-- set-up: (.*?) -->")
_RULE = re.compile(r"<!-- (not run|exit code|write|file): (.*?) -->|<!-- (numbers within) (\d+) %: .*? -->")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Block:
    """One fenced block of a document.

    Attributes
    ----------
    kind : str
        ``console``, ``python``, ``text``, ...; ``set-up`` for a hidden command.
    text : str
        What is inside the fence.
    start, end : int
        Place of `text` in the document.
    line : int
        Line number of the block in the document.
    rules : mapping of str to str
        The comments above the block.
    follows : bool
        Nothing but white space stands between the block before and this one.
    """

    kind: str
    text: str
    start: int
    end: int
    line: int
    rules: dict[str, str] = field(default_factory=dict)
    follows: bool = False


@dataclass(frozen=True)
class Shown:
    """One shown output beside the real one.

    Attributes
    ----------
    block : Block
    what : str
        The command, or the line of the code.
    shown, real : sequence of str
        Lines.
    start, end : int
        Place of the shown lines in the document.
    tolerance : float
        Allowed relative difference of numbers.
    exit_code : int or None
        Real exit code of a command.
    """

    block: Block
    what: str
    shown: Sequence[str]
    real: Sequence[str]
    start: int
    end: int
    tolerance: float = 0.0
    exit_code: int | None = None


def blocks(text: str) -> list[Block]:
    """List the fenced blocks and the hidden commands of a document, in order."""
    found = []
    last_end = -1
    for match in _BLOCK.finditer(text):
        rules: dict[str, str] = {}
        for name, value, numbers, percent in _RULE.findall(match["comments"]):
            rules[name or numbers] = value or percent
        between = text[last_end : match.start()] if last_end >= 0 else "x"
        line = text.count("\n", 0, match.start("text"))
        start, end = match.span("text")
        found.append(Block(match["kind"].strip(), match["text"], start, end, line, rules, not between.strip()))
        last_end = match.end()
    for match in _LONE_SETUP.finditer(text):
        found.append(Block("set-up", match[1], match.start(1), match.end(1), text.count("\n", 0, match.start()) + 1))
    return sorted(found, key=lambda block: block.start)


def differences(shown: Sequence[str], real: Sequence[str], tolerance: float = 0.0) -> list[str]:
    """Compare a shown output with the real one; an empty list says that they are equal under the rule.

    Parameters
    ----------
    shown, real : sequence of str
        Lines.
    tolerance : float ≥ 0
        Allowed difference of a number, relative to the shown one.
    """
    if _matches([line.rstrip() for line in shown], [line.rstrip() for line in real], tolerance):
        return []
    return list(difflib.unified_diff(list(shown), list(real), "shown", "real", lineterm=""))


def _matches(shown: Sequence[str], real: Sequence[str], tolerance: float) -> bool:
    if not shown:
        return not real
    if shown[0] == "...":
        return any(_matches(shown[1:], real[n:], tolerance) for n in range(len(real) + 1))
    return bool(real) and same_line(shown[0], real[0], tolerance) and _matches(shown[1:], real[1:], tolerance)


def same_line(shown: str, real: str, tolerance: float = 0.0) -> bool:
    """Compare one line; ``[...]`` stands for any text, and numbers may differ by `tolerance`."""
    words = r"(.*)".join(re.escape(part) for part in shown.split("[...]"))
    if re.fullmatch(words, real):
        return True
    if not tolerance:
        return False
    parts = [re.escape(part) for part in _NUMBER.sub("\0", shown).split("\0")]
    words = re.sub(r"(\\ )+", " +", r"([-+]?\d+(?:\.\d+)?)".join(parts))  # columns may be wider or narrower
    match = re.fullmatch(words, real)
    pairs = zip(_NUMBER.findall(shown), match.groups(), strict=True) if match else ()
    return match is not None and all(_near(one, other, tolerance) for one, other in pairs)


def _near(shown: str, real: str, tolerance: float) -> bool:
    unit = 10.0 ** -len(shown.partition(".")[2])
    return abs(float(shown) - float(real)) <= max(tolerance * abs(float(shown)), unit) * (1 + 1e-9)


def run_document(path: Path, folder: Path) -> Iterator[Shown]:
    """Run the blocks of a document in `folder`, in order, and yield each shown output with the real one."""
    text = path.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__main__"}
    printed: list[str] | None = None
    for block in blocks(text):
        tolerance = float(block.rules.get("numbers within", 0)) / 100
        if "write" in block.rules:
            target = folder / block.rules["write"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif "file" in block.rules:
            real = (folder / block.rules["file"]).read_text(encoding="utf-8").splitlines()
            shown = block.text.splitlines()
            yield Shown(block, block.rules["file"], shown, real, block.start, block.end, tolerance)
        elif "not run" in block.rules:
            continue
        elif block.kind == "set-up":
            code, lines = run_command(block.text, folder)
            if code:
                raise AssertionError(f"{path.name}:{block.line}: {block.text}: exit code {code}\n" + "\n".join(lines))
        elif block.kind == "console":
            for command, start, end in _commands(block):
                code, lines = run_command(command, folder)
                shown = text[start:end].splitlines()
                yield Shown(block, command, shown, lines, start, end, tolerance, code)
        elif block.kind == "python":
            printed = run_code(block.text, names, folder).splitlines()
        elif block.kind == "text" and block.follows and printed is not None:
            yield Shown(block, "python", block.text.splitlines(), printed, block.start, block.end, tolerance)
        if block.kind not in ("python",):
            printed = None


def _commands(block: Block) -> list[tuple[str, int, int]]:
    """Each command of a console block, with the place of its output in the document."""
    found: list[tuple[str, int, int]] = []
    at = block.start
    for line in block.text.splitlines(keepends=True):
        at += len(line)
        if line.startswith("$ "):
            found.append((line[2:].strip(), at, at))
        elif found:
            found[-1] = (*found[-1][:2], at)
        else:
            raise AssertionError(f"line {block.line}: a console block starts with a command")
    return found


@functools.cache
def _program() -> str:
    """Make a folder with the program ``popdetect``, as in an environment that is activated."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "popdetect").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m popdetect "$@"\n', encoding="utf-8")
    (folder / "popdetect").chmod(0o755)
    (folder / "popdetect.bat").write_text(f'@"{sys.executable}" -m popdetect %*\n', encoding="utf-8")
    return str(folder)


def run_command(command: str, folder: Path) -> tuple[int, list[str]]:
    """Run one shown command in `folder`; returns its exit code and its output lines."""
    words = shlex.split(command)
    if words[0] != "popdetect":
        raise AssertionError(f"only popdetect commands are run: {command}")
    paths = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-m", "popdetect", *words[1:]],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": paths, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONUTF8": "1"}
        | {"PATH": os.pathsep.join([_program(), os.environ.get("PATH", "")])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return done.returncode, done.stdout.splitlines()


def run_code(code: str, names: dict[str, Any], folder: Path, *, show_last: bool = False) -> str:
    """Run code in `folder`; returns what it prints and, with `show_last`, the value of its last expression."""
    tree = ast.parse(code)
    last = tree.body[-1] if tree.body and show_last else None
    value = None
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        if isinstance(last, ast.Expr) and not code.rstrip().endswith(";"):
            exec(compile(ast.Module(tree.body[:-1], []), "<document>", "exec"), names)
            value = eval(compile(ast.Expression(last.value), "<document>", "eval"), names)
        else:
            exec(compile(tree, "<document>", "exec"), names)
    return printed.getvalue() + (f"{value!r}\n" if value is not None else "")


def run_notebook(path: Path, folder: Path) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Run a notebook in `folder`; yields each code cell, its stored output and its real one."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            stored = "".join("".join(output.get("text", ())) for output in cell["outputs"])
            yield cell, stored, run_code("".join(cell["source"]), names, folder, show_last=True)


def refreshed(one: Shown) -> list[str]:
    """Return the lines to show from now on: the real ones, with ``...`` where the document has it."""
    if not differences(one.shown, one.real, one.tolerance):
        return list(one.shown)
    if "..." not in one.shown:
        return list(one.real)
    lines: list[str] = []
    at = 0
    for n, line in enumerate(one.shown):
        if line == "...":
            lines.append(line)
            continue
        rest = one.real[at:]
        if not rest:
            continue
        free = n > 0 and one.shown[n - 1] == "..."
        near = [difflib.SequenceMatcher(None, line, other).ratio() for other in rest] if free else [1.0]
        at += near.index(max(near)) + 1
        lines.append(one.real[at - 1])
    if one.shown[-1] != "...":
        lines += one.real[at:]
    return lines


def refresh_document(path: Path, folder: Path) -> str:
    """Return the text of a document with its outputs as they are now."""
    text = path.read_text(encoding="utf-8")
    for one in reversed(list(run_document(path, folder))):
        lines = refreshed(one)
        text = text[: one.start] + "".join(f"{line}\n" for line in lines) + text[one.end :]
    return text


def refresh_notebook(path: Path, folder: Path) -> str:
    """Return the text of a notebook with its outputs as they are now."""
    book = json.loads(path.read_text(encoding="utf-8"))
    real = [text for _, _, text in run_notebook(path, folder)]
    for n, cell in enumerate(cell for cell in book["cells"] if cell["cell_type"] == "code"):
        cell["execution_count"] = n + 1
        lines = real[n].splitlines(keepends=True)
        cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": lines}] if lines else []
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"
