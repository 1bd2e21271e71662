"""A detector without a model, importable by worker processes: it hears what the file's bytes say.

``pop``, ``no_pop`` and ``uncertain`` clips are made by `clip_bytes`; the word ``broken`` raises as libsndfile would,
``surprise`` as nobody would, and ``killer`` takes its process along.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from threadpoolctl import threadpool_info

from popdetect.errors import AudioError, Truncated
from popdetect.records import Detection, Event, Verdict


@dataclass(frozen=True)
class Point:
    no_pop_below: float = 0.2
    pop_from: float = 0.8
    burst_from: float = 0.5


class FakeDetector:
    def __init__(self, model: str | None, operating_point: str) -> None:
        sha256 = hashlib.sha256((model or "shipped").encode()).hexdigest()
        self.model = SimpleNamespace(title="fake-1", sha256=sha256, operating_point=lambda name: Point())
        self.operating_point = operating_point

    def verdict(self, path: str, name: str) -> Verdict:
        raw = Path(path).read_bytes()
        sha256 = hashlib.sha256(raw).hexdigest()
        if raw.startswith(b"surprise"):
            raise RuntimeError("nobody\nexpected it")
        if raw.startswith(b"killer") and os.environ.get("POPDETECT_TEST_PARENT") != str(os.getpid()):
            os._exit(11)
        try:
            return Verdict(name, "ok", detection(raw), sha256=sha256)
        except AudioError as error:
            return Verdict(name, error.status, None, error=str(error), sha256=sha256)


def detection(raw: bytes) -> Detection:
    if raw.startswith(b"broken"):
        raise Truncated("cut off")
    seed = int.from_bytes(hashlib.sha256(raw).digest()[:4], "big") / 2**32
    n = int(seed * 4)
    p_pop = (seed * 7) % 1 / 3
    events = tuple(Event(i / 3 + seed, (p_pop + i) % 1, i < n - 1, 2.5, 900.0, 1800.5, 21.34, "") for i in range(n))
    return Detection(("pop", "no_pop", "uncertain")[n % 3], p_pop, events, 1 + seed, 44_100, 1, ("quiet",) * (n == 3))


def make(model: str | None, operating_point: str) -> FakeDetector:
    return FakeDetector(model, operating_point)


def make_dying(model: str | None, operating_point: str) -> FakeDetector:
    if os.environ.get("POPDETECT_TEST_PARENT") != str(os.getpid()):
        os._exit(11)
    return FakeDetector(model, operating_point)


class SleepingDetector(FakeDetector):
    def verdict(self, path: str, name: str) -> Verdict:
        os.write(1, b"asleep")
        time.sleep(60)
        raise RuntimeError


def make_sleeping(model: str | None, operating_point: str) -> FakeDetector:
    return SleepingDetector(model, operating_point)


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


class TellingDetector(FakeDetector):
    def verdict(self, path: str, name: str) -> Verdict:
        raise RuntimeError(str(blas_threads()))


def make_telling(model: str | None, operating_point: str) -> FakeDetector:
    return TellingDetector(model, operating_point)


class SlowDetector(FakeDetector):
    def verdict(self, path: str, name: str) -> Verdict:
        time.sleep(0.05)
        return super().verdict(path, name)


def make_slow(model: str | None, operating_point: str) -> FakeDetector:
    return SlowDetector(model, operating_point)
