"""The feature code with one number changed, and whether the golden clips notice it.

A mutant is the source of one module of `popdetect.detection.signal` with one numeric literal changed. All of
`popdetect.detection` is imported afresh with it, in this process, and the shipped bundle is verified.

    PYTHONPATH=src python tests/golden/mutants.py [MODULE...]

tries every numeric literal, twice: about three minutes.
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


# Lines of which some small change of a number is not noticed, by the reason. Each entry is a part of the line.
UNNOTICED: dict[str, tuple[str, ...]] = {
    "results of earlier calls are kept; no result depends on how many": ("lru_cache",),
    "a default; the bundle has its own value": (
        "rise_db: float", "background_hops: int", "radius_hops: int", "prominence_db: float", "base_hops: int",
    ),
    "a default; the engine always gives the value": ("first_hop: int = 0",),
    "only the order of sums depends on it": ("SEGMENT_HOPS",),
    "the fine envelope is calculated a little further than it is used": ("AFTER_MS",),
    "it avoids a division by 0, or a logarithm of 0, far below any sound": (
        "_TINY", "- 1) * POWER_FLOOR", "1e-30", "1e-6)", "1e-9)", "max(mel.sum(), 1)", "np.maximum(count[fewer], 1)",
        "np.maximum(n_known, 1)", "count[count == 0]", "where=total > 0",
    ),
    "an index of an axis with one entry, or a place where every channel or band says the same": (
        "[:, :, 0]", "[:, 0]", "patch[PAST_HOPS, 0]", "[:, :, 1]", "full[-1]", "full[0]", "sizes[0]", "reshape(",
        ".take(np.maximum(last, 0)",
    ),
    "nothing to process: no candidate, no frame, a clip shorter than one window": (
        "np.empty((0", "np.empty(0", "if n == 0", "max(0, ", "slice(0, len", "last < 0", "starts < 0", "index < 0",
        "np.maximum(starts, 0)", "samples.take(starts[:, None]", "return 0.0", "self._peak", "len(groups_db) - 1",
        "fine.shape[1] - 1", "sums[last",
    ),
    "both branches give the same result": ("if n_channels > 1", "power *= np.float32(1 / n_channels)"),
    "replaced later, or lower than anything it is compared with": (
        "-130.0", "patch[:, :, absent]", "relative, -60.0", "relative, 60.0", "np.full(radius, -1", "risen[:lag]",
        "out[(count == 0)", "nan=0.0", "part.copy() if n > 1", "weight[[0, -1]]", "lags > 0", "np.count_nonzero(lags)",
        "for column in range(1,", "(lead.shape[1] - 1) // 2",
    ),
    "whole samples, bins or hops hide so small a change": (
        "1000 / rate_hz", "* rate_hz / 1000", "rate_hz * 6e-5", "8.0 / BIN_MS", "n_fft // 2 + 1",
        "len(transform.kernels) - 1", "range(1, window_hops - 1)", "2 * radius + 1", "peak_at - 1",
        "dft.reshape(front_end", "spans), n * n_columns",
    ),
    "the courses of energy have a hop of 1 ms; tests/detection/signal/test_speech.py has the others": (
        "per_hop = 1000", "per_hop // 2", "border // per_time",
    ),
    "a case that no golden clip has": (
        "rate_hz / 2 * 1.01", "2 * transform.hop", "np.clip(led", "np.minimum(np.maximum(top", "step > -20",
        "np.maximum(gap_b, 0.1)", "np.abs(onset_ms.take(other)", "starts = [first - 5", "10 * np.log10(total",
        "np.isnan(known[:, :, 1])", "(last + 1, n_channels", "peak_g[:, None], -60, 20)",
    ),
    "few scores are so near the limit; tests/detection/signal/test_context.py has such scores": ("UNLIKELY = ",),
}  # fmt: skip


def reason(mutant: Mutant) -> str:
    """Why a mutant may stay unnoticed; empty if it must be noticed."""
    return next((why for why, parts in UNNOTICED.items() if any(part in mutant.text for part in parts)), "")


def main() -> None:
    """Try every numeric literal of the modules named, or of all; print those that are not noticed."""
    for name in sys.argv[1:] or sorted(path.stem for path in SIGNAL.glob("[a-z]*.py")):
        tried = mutants(name)
        missed = [one for one in tried if not noticed(one)]
        for one in missed:
            print(f"{one} | {one.text} | {reason(one) or 'NO REASON'}")  # noqa: T201
        print(f"{name}: {len(tried) - len(missed)} of {len(tried)} noticed")  # noqa: T201


if __name__ == "__main__":
    main()
