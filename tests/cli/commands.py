"""What the tests of the command line share: running a command in this process, and reading its JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from popdetect.cli import main as cli

Capture = pytest.CaptureFixture[str]
COMMAND = [sys.executable, "-m", "popdetect"]


def run(args: list[str], capsys: Capture) -> tuple[int, str, str]:
    """Exit code, standard output and standard error, argparse's own exits included."""
    try:
        code = cli.main(args)
    except SystemExit as stopped:  # of --help and --version
        code = int(stopped.code or 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def json_lines(text: str) -> list[Any]:
    """Strict JSON Lines: one object a line, no NaN and no Infinity, no colour."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert "\x1b" not in text
    return [json.loads(line, parse_constant=refuse) for line in text.rstrip("\n").split("\n")]


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    subs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not subs:
        yield parser
    for sub in subs:
        for child in sub.choices.values():
            yield from parsers(child)
