"""What all tests share: the folder of real recordings, where it is."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# a limit of time for each example would fail on a busy machine
settings.register_profile("popdetect", deadline=None)
settings.load_profile("popdetect")

# a shell that runs the tests in the background ignores Ctrl-C for all of them; the tests of interruptions need it
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "audio"


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """`../shared/audio` beside the project; the test skips, and says so, where it is not."""
    if not (SHARED / "MANIFEST.csv").is_file():
        pytest.skip("the real recordings of ../shared/audio are not here")
    return SHARED


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(440)
