"""Listing the recordings of a folder, and writing files completely or not at all.

A clip is named by its path relative to the session folder, with ``/`` separators, as readable text. Sizes are in bytes
and times of change in nanoseconds, both read once, while listing.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from popdetect.detection.audio.recording import EXTENSIONS
from popdetect.errors import NothingFound, UsageError

OUT_NAME = "popdetect"  # the folder beside the clips with the results

# what Windows keeps on memory cards; the first is full of deleted recordings
_SYSTEM_FOLDERS = frozenset({"$RECYCLE.BIN", "System Volume Information"})


class Clip(NamedTuple):
    """One recording to process.

    Attributes
    ----------
    file : str
        Its name in tables: relative, with ``/``, always valid text.
    path : str
        Where to open it.
    size, mtime_ns : int
        As listed; -1 if unknown.
    """

    file: str
    path: str
    size: int
    mtime_ns: int


class Listing(NamedTuple):
    """What lies below a folder.

    Attributes
    ----------
    clips : list of Clip
        Sorted by `file`.
    unlisted : list of (str, str)
        Folders that could not be listed, relative, and why.
    """

    clips: list[Clip]
    unlisted: list[tuple[str, str]]


def find_clips(folder: str | os.PathLike[str], skip: str | os.PathLike[str] | None = None) -> Listing:
    """List every recording below `folder`.

    Left out are hidden files and folders (a leading dot, so the ``._x.wav`` of macOS too), links to folders,
    every folder named ``popdetect``, and `skip`.

    Raises
    ------
    UsageError
        When `folder` is not a folder that can be listed.
    NothingFound
        When there is no recording in it.
    """
    root = os.fspath(folder)
    skipped = os.path.realpath(skip) if skip is not None else ""
    clips: list[Clip] = []
    unlisted: list[tuple[str, str]] = []
    others: Counter[str] = Counter()
    folders = [(root, "")]
    while folders:
        here, prefix = folders.pop()
        try:
            with os.scandir(here) as entries:
                listed = list(entries)
        except (OSError, ValueError) as error:
            if not prefix:
                raise UsageError(f"{readable(root)}: {_unlistable(error)}") from error
            unlisted.append((readable(prefix), _why(error)))
            continue
        for entry in listed:
            name = entry.name
            if name.startswith("."):
                continue
            if _is_folder(entry):
                if _is_entered(entry, skipped):
                    folders.append((entry.path, f"{prefix}{name}/"))
                continue
            suffix = name[name.rfind(".") :].lower() if "." in name else ""
            if suffix in EXTENSIONS and _is_file(entry):
                clips.append(_clip(entry, readable(prefix + name)))
            else:
                others[readable(suffix)] += 1
    if not clips:
        raise NothingFound(_nothing(root, others, len(unlisted)))
    clips.sort()
    return Listing(clips, sorted(unlisted))


def readable(name: str) -> str:
    r"""Turn a file name that is not valid UTF-8 into text that is; such bytes become ``\xe4``, so names stay apart."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    return name


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where missing.

    Raises
    ------
    UsageError
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file that was asked for.

    Raises
    ------
    UsageError
        Naming the file and why.
    """
    try:
        with Path(path).open("rb") as handle:
            return handle.read()
    except (OSError, ValueError) as error:  # the latter for a null byte in the name
        raise UsageError(f"{readable(os.fspath(path))}: cannot be read: {_why(error)}") from error


def write_text(path: str | os.PathLike[str], text: str, *, durable: bool = True) -> None:
    r"""Write UTF-8 text as it is (``\n`` stays ``\n``), atomically: a reader sees the old file or the new one.

    Parameters
    ----------
    durable : bool
        Wait until the disk has it. Not worth the milliseconds for one of ten thousand files that can be made again.

    Raises
    ------
    UsageError
        Naming the file and why; what was there before still is.
    """
    write_bytes(path, _encoded(text), durable=durable)


def write_bytes(path: str | os.PathLike[str], content: bytes, *, durable: bool = True) -> None:
    """Write a file as `write_text` does.

    Raises
    ------
    UsageError
    """
    target = Path(path)
    try:
        _stage(target, content, 0, durable=durable).replace(target)
    except BaseException as error:
        _drop([_staged(target, 0)])
        if isinstance(error, OSError):
            raise unwritable(target, error) from error
        raise


def write_texts(texts: Mapping[Path, str]) -> None:
    """Write files that belong together: all of them or none.

    All are written to temporary files before the first old file is replaced, so a full disk is noticed while the old
    files are complete. If one cannot be replaced, those before it are restored. Only a power cut within the millisecond
    of replacing could leave new and old files.

    Raises
    ------
    UsageError
        Naming the file and why.
    """
    staged: list[Path] = []
    old: list[tuple[Path, bytes | None]] = []
    target = Path()
    try:
        for target, text in texts.items():
            staged.append(_staged(target, len(staged)))
            _stage(target, _encoded(text), len(staged) - 1)
        for target, temporary in zip(texts, staged, strict=True):
            before = target.read_bytes() if target.is_file() else None
            temporary.replace(target)
            old.append((target, before))
    except BaseException as error:
        for place, before in old:
            with contextlib.suppress(OSError):
                if before is None:
                    place.unlink()
                else:
                    place.write_bytes(before)
        _drop(staged)
        if isinstance(error, OSError):
            raise unwritable(target, error) from error
        raise


def _staged(target: Path, number: int) -> Path:
    """Return the temporary file for a target; a short name, as the target's may have the greatest length possible."""
    return target.parent / f".{os.getpid()}-{threading.get_ident()}-{number}.tmp"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _stage(target: Path, content: bytes, number: int, *, durable: bool = True) -> Path:
    temporary = _staged(target, number)
    with temporary.open("wb") as handle:
        handle.write(content)
        if durable:
            handle.flush()
            os.fsync(handle.fileno())
    return temporary


def _drop(staged: Iterable[Path]) -> None:
    for temporary in staged:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> UsageError:
    """Return the error that `path` cannot be written, with the reason and what to do."""
    hint = ""
    if isinstance(error, PermissionError):
        hint = "; close it where it is open, or write elsewhere with --out"
    elif isinstance(error, FileExistsError | NotADirectoryError):
        hint = "; a file stands where a folder is needed"
    name = " ".join(readable(str(path)).split("\n"))
    return UsageError(f"{name}: cannot be written: {_why(error)}{hint}")


def _unlistable(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such folder"
    if isinstance(error, NotADirectoryError):
        return "is a file; `popdetect classify` takes files"
    return f"cannot be listed: {_why(error)}"


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _is_entered(entry: os.DirEntry[str], skipped: str) -> bool:
    if entry.name == OUT_NAME or entry.name in _SYSTEM_FOLDERS or entry.is_symlink():
        return False
    return not skipped or os.path.realpath(entry.path) != skipped


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """True for a broken link too: it is a clip that cannot be read. False for a pipe, on which reading would wait."""
    try:
        return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:
        return True


def _clip(entry: os.DirEntry[str], file: str) -> Clip:
    try:
        stat = entry.stat()
    except OSError:
        return Clip(file, entry.path, -1, -1)
    return Clip(file, entry.path, stat.st_size, stat.st_mtime_ns)


def _nothing(root: str, others: Counter[str], n_unlisted: int) -> str:
    n = others.total()
    seen = ", ".join(f"{count} {suffix or 'without extension'}" for suffix, count in others.most_common(3))
    text = f"{readable(root)}: no recording in it or below; {n} other file{'' if n == 1 else 's'} seen"
    text += f" ({seen}{', …' if len(others) > 3 else ''})" if n else ""
    text += f", {n_unlisted} folders could not be listed" if n_unlisted else ""
    return f"{text}; looked for {', '.join(sorted(EXTENSIONS))}"
