"""Writing a model bundle: whole or not at all, and the same bytes for the same model."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.errors import ModelError, UsageError
from popdetect.hearing import bundle
from popdetect.hearing.classifier import sigmoid
from popdetect.learning import card
from popdetect.learning.training import Fitted

N_PARITY_ROWS = 24


def write(
    fitted: Fitted, folder: Path, facts: dict[str, Any], *, force: bool = False, replace_shipped: bool = False
) -> bundle.Model:
    """Write a bundle and read it back, checked.

    Parameters
    ----------
    fitted : Fitted
    folder : Path
        Must not exist, unless `force` and it is a bundle.
    facts : dict
        What else ``model.json`` says: ``provenance``, ``scores``, ``intended_use``, ``limits``, ``licence``.

    Raises
    ------
    UsageError
        When it cannot be written there.
    ModelError
        When what was written does not pass its own check.
    """
    check_target(folder, force=force, replace_shipped=replace_shipped)
    model, heard = fitted.model, fitted.heard
    chosen = _spread(fitted.held_out_logits)
    rows = heard.rows[chosen]
    parity = {"rows": rows, "p": fitted.estimator.predict_proba(rows)[:, 1].astype(np.float64)}
    _check_parity(fitted)
    weights_raw, parity_raw = npz_bytes(fitted.arrays), npz_bytes(parity)
    info = {
        "format": bundle.FORMAT,
        "name": model.name,
        "version": model.version,
        "front_end": {
            "hop_ms": model.front_end.hop_ms,
            "window_hops": model.front_end.window_hops,
            "mel_edges_hz": list(model.front_end.mel_edges_hz),
            "about": "librosa.feature.melspectrogram(window='hann', center=False, power=2.0, norm='slaney', htk=False)",
        },
        "onset_rule": asdict(model.onset_rule),
        "gate": fitted.settings["gate"],
        "classifier": fitted.settings["classifier"],
        "calibration": {
            "event": asdict(model.event_calibration),
            "clip": asdict(model.clip_calibration),
        },
        "operating_points": {name: asdict(point) for name, point in model.operating_points.items()},
        "features": list(model.feature_names),
        **facts,
        "files": {
            "weights.npz": hashlib.sha256(weights_raw).hexdigest(),
            "parity.npz": hashlib.sha256(parity_raw).hexdigest(),
        },
    }
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise UsageError(f"{folder}: the bundle cannot be written there: {error.strerror or error}") from error
    try:
        text = json.dumps(info, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        (draft / "model.json").write_bytes(text.encode())
        (draft / "weights.npz").write_bytes(weights_raw)
        (draft / "parity.npz").write_bytes(parity_raw)
        (draft / "CARD.md").write_bytes(card.render(info).encode())
        draft.chmod(0o755)
        bundle.verify(draft)
        if folder.exists():
            old = draft.with_name(draft.name + "-old")
            folder.replace(old)
            draft.replace(folder)
            shutil.rmtree(old)
        else:
            draft.replace(folder)
    except OSError as error:
        raise UsageError(f"{folder}: the bundle cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return bundle.load(folder)


def _check_parity(fitted: Fitted) -> None:
    """Every row that was learned from gets scikit-learn's probability; the bundle carries only a few to replay."""
    own = sigmoid(fitted.model.classifier.logit(fitted.heard.rows))
    worst = float(np.abs(own - fitted.estimator.predict_proba(fitted.heard.rows)[:, 1]).max())
    if not worst <= bundle.PARITY_TOLERANCE:
        raise ModelError(f"the frozen classifier differs from scikit-learn's by {worst:.2g}; this is an error of ours")


def check_target(folder: Path, *, force: bool, replace_shipped: bool = False) -> None:
    """Refuse a place that would overwrite something; to be asked before the long work.

    Raises
    ------
    UsageError
    """
    if not folder.exists():
        return
    if not (folder / "model.json").is_file():
        raise UsageError(f"{folder} exists and is not a model bundle; name a folder that does not exist yet")
    if not force:
        raise UsageError(f"{folder} already holds a model; name another folder, or replace it with --force")
    if folder.resolve() == bundle.shipped().resolve() and not replace_shipped:
        raise UsageError(f"{folder} is the shipped model, which is not replaced; name another folder")


def npz_bytes(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """A compressed ``.npz`` whose bytes depend on the arrays alone (numpy's own carries no promise on time stamps)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(arrays):
            part = io.BytesIO()
            np.lib.format.write_array(
                part, np.ascontiguousarray(arrays[name]).reshape(arrays[name].shape), allow_pickle=False
            )
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, part.getvalue())
    return buffer.getvalue()


def _spread(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Rows from the least to the most likely pop."""
    order = np.argsort(sigmoid(logits), kind="stable")
    return np.asarray(order[np.unique(np.linspace(0, len(order) - 1, N_PARITY_ROWS).round().astype(int))])
