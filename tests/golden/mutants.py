"""The feature code with one number changed, and whether the golden clips notice it.

A mutant is the source of one module of `popdetect.detection.signal` with one numeric literal changed. All of
`popdetect.detection` is imported afresh with it, in this process, and the shipped bundle is verified.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, ModuleType

PACKAGE = "popdetect.detection"
SIGNAL = Path(importlib.import_module("popdetect.detection.signal").__path__[0])
SECONDS = 20  # a mutant that takes longer never ends


@dataclass(frozen=True)
class Mutant:
    """One numeric literal of one module, and what takes its place."""

    module: str
    line: int
    column: int
    old: float
    new: float
    text: str  # of the line

    def __str__(self) -> str:
        return f"{self.module}:{self.line}:{self.column} {self.old!r} -> {self.new!r}"


def _changed(value: float) -> tuple[float, float]:
    """A number a little greater and a little smaller: by 1, or by a tenth."""
    if isinstance(value, int):
        return value + 1, value - 1
    return (value * 1.1, value / 1.1) if value else (0.1, -0.1)


def _literals(tree: ast.Module) -> list[ast.Constant]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) in (int, float)]


def mutants(name: str, constants_only: bool = False) -> list[Mutant]:
    """All mutants of a module; with `constants_only`, those of its constants."""
    text = (SIGNAL / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    lines = text.splitlines()
    nodes: list[ast.Constant] = []
    for statement in tree.body if constants_only else [tree]:
        if not constants_only or isinstance(statement, ast.Assign | ast.AnnAssign):
            nodes += [n for n in ast.walk(statement) if isinstance(n, ast.Constant) and type(n.value) in (int, float)]
    return [
        Mutant(name, node.lineno, node.col_offset, node.value, new, lines[node.lineno - 1].strip())  # type: ignore[arg-type]
        for node in nodes
        for new in _changed(node.value)  # type: ignore[arg-type]
    ]


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles the source with one literal changed."""

    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_data(self.path))
        for node in _literals(tree):
            if (node.lineno, node.col_offset) == (self.mutant.line, self.mutant.column):
                node.value = self.mutant.new
        return compile(tree, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != f"{PACKAGE}.signal.{self._mutant.module}":
            return None
        loader = _Loader(fullname, str(SIGNAL / f"{self._mutant.module}.py"))
        loader.mutant = self._mutant
        return importlib.util.spec_from_loader(fullname, loader)


@contextmanager
def _afresh(finder: _Finder | None) -> Iterator[None]:
    """All modules of the detector are imported anew inside, and are as before outside."""
    known = {name: module for name, module in sys.modules.items() if name.startswith(PACKAGE)}
    for name in known:
        del sys.modules[name]
    if finder:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder:
            sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
            del sys.modules[name]
        sys.modules.update(known)


def noticed(mutant: Mutant | None) -> str:
    """What `model verify` says of the code with this mutant; empty if it notices nothing."""

    def too_long(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with _afresh(_Finder(mutant) if mutant else None):
            importlib.import_module(f"{PACKAGE}.verification").verify()
    except Exception as error:  # a crash is noticed, too
        return f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return ""
