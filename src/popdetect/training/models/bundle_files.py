"""Writing a model bundle: whole or not at all, and the same bytes for the same model."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection import verification
from popdetect.detection.model import bundle, serialization
from popdetect.detection.model.classifiers import sigmoid
from popdetect.errors import ModelError, UsageError
from popdetect.training.models import card
from popdetect.training.models import replay as replay_rows
from popdetect.training.models.fitting import Fitted
from popdetect.training.models.replay import Replay

N_PARITY_ROWS = 24
ABOUT_FRONT_END = "librosa.feature.melspectrogram(window='hann', center=False, power=2.0, norm='slaney', htk=False)"
CHECKED_ROWS = 20_000  # compared before writing; all of them would take gigabytes


def write(
    fitted: Fitted,
    folder: Path,
    facts: dict[str, Any],
    *,
    replay: Replay | None = None,
    force: bool = False,
    replace_shipped: bool = False,
    tables: Sequence[str] = (),
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
    tables : sequence of str
        Lines of the card about further measurements.

    Raises
    ------
    UsageError
        When it cannot be written there.
    ModelError
        When what was written does not pass its own check.
    """
    check_target(folder, force=force, replace_shipped=replace_shipped)
    model = fitted.model
    _check_parity(fitted)
    order = np.argsort(sigmoid(fitted.held_out_logits), kind="stable")  # from the least to the most likely pop
    rows = fitted.candidates.rows[order[np.unique(np.linspace(0, len(order) - 1, N_PARITY_ROWS).round().astype(int))]]
    parity = {"rows": rows, "p": fitted.estimator.predict_proba(rows)[:, 1].astype(np.float64)}
    arrays: dict[str, npt.NDArray[Any]] = {}
    info: dict[str, Any] = {"format": bundle.FORMAT}
    info |= {name: serialization.store(getattr(model, name), name, arrays) for name in bundle.STORED}
    info["front_end"]["about"] = ABOUT_FRONT_END
    info["classifier"] |= {"recipe": fitted.selection[0].strategy.name, "title": fitted.selection[0].strategy.title}
    files = {
        bundle.WEIGHTS: npz_bytes(arrays),
        bundle.PARITY: npz_bytes(parity),
        bundle.GOLDEN: npz_bytes(verification.golden_arrays(model, *golden_inputs())),
    }
    if replay is not None:
        files[bundle.REPLAY] = npz_bytes(replay_rows.arrays(replay))
    return put({**info, **facts}, files, folder, tables)


def put(info: Mapping[str, Any], files: Mapping[str, bytes], folder: Path, tables: Sequence[str] = ()) -> bundle.Model:
    """Write a bundle beside its place, check it, rename it, and read it back; arguments and errors as in `write`."""
    hashes = {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()}
    info = {**{key: value for key, value in info.items() if key != "files"}, "files": hashes}
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
        for name, raw in files.items():
            (draft / name).write_bytes(raw)
        (draft / "CARD.md").write_bytes(card.render(info, tables).encode())
        draft.chmod(0o755)
        verification.verify(draft)
        _into_place(draft, folder)
    except OSError as error:
        raise UsageError(f"{folder}: the bundle cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return bundle.load(folder)


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


def golden_inputs() -> tuple[list[verification.Clip], npt.NDArray[Any]]:
    """Return the golden clips and courses of energy of the shipped bundle, which every bundle gets."""
    folder = bundle.shipped()
    arrays = bundle.read_arrays(folder, bundle.GOLDEN, bundle.load(folder).info)
    return verification.golden_clips(arrays), arrays["energies_db"]


def _check_parity(fitted: Fitted) -> None:
    """Rows that were learned from get scikit-learn's probability; the bundle carries only a few to replay."""
    rows = fitted.candidates.rows[:: 1 + len(fitted.candidates.rows) // CHECKED_ROWS]
    own = sigmoid(fitted.model.classifier.logit(rows))
    worst = float(np.abs(own - fitted.estimator.predict_proba(rows)[:, 1]).max())
    if not worst <= verification.PARITY_TOLERANCE:
        raise ModelError(
            f"the exported classifier differs from scikit-learn's by {worst:.2g}; internal error (a bug in popdetect)"
        )


def check_target(folder: Path, *, force: bool, replace_shipped: bool = False) -> None:
    """Raise UsageError for a place where something would be overwritten; to be asked before the long work."""
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
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            part = io.BytesIO()
            np.lib.format.write_array(part, np.asarray(arrays[name], order="C"), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")  # of 1980
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, part.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
