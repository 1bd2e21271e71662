"""Which clips a model has heard: a short digest of each one's samples, kept in its bundle.

A model that is judged on clips it learned from looks better than it is. The digests tell, whatever the files are
called and wherever they lie; no sound can be made from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.bundle import Model

KEY = "clip_digests"
_DIGITS = 16  # 64 bits: among a million clips, two alike are not to be expected


def digest(samples: npt.NDArray[np.float32], rate_hz: int) -> str:
    """Of one clip's samples, shape (n, channels), and rate: the first digits of a sha256."""
    state = hashlib.sha256(repr((samples.shape, rate_hz)).encode())
    state.update(np.ascontiguousarray(samples, "<f4").tobytes())
    return state.hexdigest()[:_DIGITS]


def written(digests: Iterable[str]) -> str:
    """As a bundle's provenance keeps them: one line, sorted, separated by spaces."""
    return " ".join(sorted(set(digests)))


def heard_by(model: Model | None) -> frozenset[str]:
    """The digests of the clips that a model learned from; none where it does not say."""
    provenance: Any = model.info.get("provenance") if model is not None else None
    known = provenance.get(KEY, "") if isinstance(provenance, dict) else ""
    return frozenset(known.split()) if isinstance(known, str) else frozenset()
