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

from popdetect.detection.model import bundle
from popdetect.detection.model.classifiers import Floats, sigmoid
from popdetect.detection.signal import candidate_filter as gate
from popdetect.errors import ModelError, UsageError
from popdetect.training.models import card
from popdetect.training.models import replay as replay_rows
from popdetect.training.models.fitting import Fitted
from popdetect.training.models.replay import Replay

N_PARITY_ROWS = 24
CHECKED_ROWS = 20_000  # before it is written; all of them would take gigabytes
N_GATE_ROWS = 48  # each walks through all trees of the gate, so that few of their leaves stay unseen
_SPANS_DB = {"after": (-40, 10), "before": (-40, 10), "spectrum": (-40, 0)}  # of the other first looks: 0 to 40


def write(
    fitted: Fitted,
    folder: Path,
    facts: dict[str, Any],
    *,
    replay: Replay | None = None,
    force: bool = False,
    replace_shipped: bool = False,
) -> bundle.Model:
    """Write a bundle and read it back, checked.

    Parameters
    ----------
    fitted : Fitted
    folder : Path
        Must not exist, unless `force` and it is a bundle.
    facts : dict
        What else ``model.json`` says: ``provenance``, ``scores``, ``intended_use``, ``limits``, ``licence``.
    replay : Replay, optional
        Rows that travel with it, so that it can be adapted.

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
    looks = _looks(model.front_end.n_columns)
    parity = {
        "rows": rows,
        "p": fitted.estimator.predict_proba(rows)[:, 1].astype(np.float64),
        "gate_rows": looks,
        "gate_logit": model.gate.logit(looks),
        "context_rows": fitted.context_rows[chosen],
        "context_logit": model.context.logit(fitted.context_rows[chosen]),
    }
    _check_parity(fitted)
    files = {"weights.npz": npz_bytes(fitted.arrays), "parity.npz": npz_bytes(parity)}
    if replay is not None:
        files[bundle.REPLAY_NAME] = npz_bytes(replay_rows.arrays(replay))
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
        "context": fitted.settings["context"],
        "span": fitted.settings["span"],
        "calibration": {
            "first": asdict(model.first_calibration),
            "event": asdict(model.event_calibration),
            "clip": asdict(model.clip_calibration),
        },
        "operating_points": {name: asdict(point) for name, point in model.operating_points.items()},
        "features": list(model.feature_names),
        **facts,
        "files": {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()},
    }
    _put(info, files, folder)
    return bundle.load(folder)


def tell(folder: Path, facts: dict[str, Any]) -> bundle.Model:
    """Say more of a bundle that is there: `facts` go into its ``model.json`` and its card; what decides stays.

    Raises
    ------
    ModelError
        When there is no sound bundle.
    UsageError
        When it cannot be written.
    """
    model = bundle.load(folder)
    arrays = {name: (folder / name).read_bytes() for name in model.info["files"]}
    files = {"files": model.info["files"]}  # the last, as they were
    _put({**{k: v for k, v in model.info.items() if k != "files"}, **facts, **files}, arrays, folder)
    return bundle.load(folder)


def _put(info: dict[str, Any], arrays: dict[str, bytes], folder: Path) -> None:
    """Write a bundle beside its place, check it, and rename it."""
    # of a link, what it leads to is replaced, not the link; one that leads nowhere is refused below
    folder = folder.resolve() if folder.exists() else folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise UsageError(f"{folder}: the bundle cannot be written there: {error.strerror or error}") from error
    try:
        text = json.dumps(info, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        (draft / "model.json").write_bytes(text.encode())
        for name, raw in arrays.items():
            (draft / name).write_bytes(raw)
        (draft / "CARD.md").write_bytes(card.render(info).encode())
        draft.chmod(0o755)
        bundle.verify(draft)
        _into_place(draft, folder)
    except OSError as error:
        raise UsageError(f"{folder}: the bundle cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _into_place(draft: Path, folder: Path) -> None:
    """Rename a finished draft to `folder`; what is there gives way to it, and comes back if that fails."""
    if not folder.exists():
        draft.replace(folder)
        return
    old = draft.with_name(draft.name + "-old")
    folder.replace(old)
    try:
        draft.replace(folder)
    except BaseException as error:  # of an interruption, too, nothing may be left half done
        try:
            old.replace(folder)
        except OSError:
            raise UsageError(
                f"{folder}: the bundle cannot be written: {error}; the one before now lies in {old}"
            ) from None
        raise
    shutil.rmtree(old, ignore_errors=True)  # the new one is in place: what is left of the old is only rubbish


def _looks(n_columns: int) -> Floats:
    """Rows for the gate to be replayed on, shape (N_GATE_ROWS, n_gate_features): not heard, but drawn, the same ever.

    Rises and prominences lie between 0 and 40 dB, levels around a candidate between -40 and 10, its spectrum between
    -40 and 0, as `gate.describe` limits them; in steps of half a dB, which pack well. A bundle of few clips, or one
    whose gate was lent by a base_model, has no first looks of its own.
    """
    rng = np.random.default_rng(0)
    columns = []
    for name in gate.names(n_columns):
        low_db, high_db = _SPANS_DB.get(name.split("_")[0], (0, 40))
        columns.append(rng.integers(2 * low_db, 2 * high_db, N_GATE_ROWS, endpoint=True) / 2)
    return np.stack(columns, axis=1)


def _check_parity(fitted: Fitted) -> None:
    """Rows that were learned from get scikit-learn's probability; the bundle carries only a few to replay."""
    rows = fitted.heard.rows[:: 1 + len(fitted.heard.rows) // CHECKED_ROWS]
    own = sigmoid(fitted.model.classifier.logit(rows))
    worst = float(np.abs(own - fitted.estimator.predict_proba(rows)[:, 1]).max())
    if not worst <= bundle.PARITY_TOLERANCE:
        raise ModelError(f"the frozen classifier differs from scikit-learn's by {worst:.2g}; this is an error of ours")


def check_target(folder: Path, *, force: bool, replace_shipped: bool = False) -> None:
    """Refuse a place that would overwrite something; to be asked before the long work.

    Raises
    ------
    UsageError
    """
    if "\0" in str(folder):
        raise UsageError(f"{str(folder)!r}: not a path (it has a null byte in it); name a folder")
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
