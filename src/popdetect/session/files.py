"""Listing the recordings of a folder; writing files completely or not at all; appending lines to files.

A clip is named by its path relative to the session folder, with ``/`` separators, as readable text. Sizes are in bytes
and times of change in nanoseconds, both read once, while listing.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from popdetect.detection.audio.formats import LOOKED_FOR, extension, format_of
from popdetect.errors import NothingFound, UsageError

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

    def _unlock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


OUT_NAME = "popdetect"  # the folder beside the clips with the results

# not entered; the last two are what Windows keeps on memory cards, the first of them full of deleted recordings
_NOT_ENTERED = frozenset({OUT_NAME, "$RECYCLE.BIN", "System Volume Information"})


class Clip(NamedTuple):
    """One recording to process."""

    file: str  # its name in tables: relative, with `/`, always valid text
    path: str  # where to open it
    size: int  # as listed; -1 if unknown, as is `mtime_ns`
    mtime_ns: int


# Why something in a folder is no row: the key in run.json, and the words for one and for several of them.
REASONS = {
    "not_sound": ("other file", "other files"),
    "hidden": ("hidden", "hidden"),
    "link_to_folder": ("link to a folder", "links to folders"),
    "not_entered": ("folder of results or of the system", "folders of results or of the system"),
    "not_a_file": ("pipe or device", "pipes or devices"),
}
MOST_NAMED = 1000  # of what was passed over: run.json must not grow with the files of others


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What lies below a folder and is no row: all of it is counted, and the first `MOST_NAMED` are named."""

    n_by_reason: Counter[str] = field(default_factory=Counter)  # keys of `REASONS`
    n_by_extension: Counter[str] = field(default_factory=Counter)  # of the other files: `.csv`; empty without one
    named: list[tuple[str, str]] = field(default_factory=list)  # name, relative; a folder ends with `/`; and reason

    @property
    def n(self) -> int:
        """The number of files, links and folders."""
        return self.n_by_reason.total()

    def add(self, name: str, reason: str) -> None:
        """Count one and keep its name."""
        self.n_by_reason[reason] += 1
        if reason == "not_sound":
            self.n_by_extension[extension(name)] += 1
        if len(self.named) < MOST_NAMED:
            self.named.append((name, reason))

    @property
    def in_words(self) -> str:
        """What was passed over: ``3 other files (2 .csv, 1 .txt), 1 hidden``; empty if nothing was."""
        most = ", ".join(f"{n} {suffix or 'without extension'}" for suffix, n in self.n_by_extension.most_common(3))
        parts = []
        for reason, words in REASONS.items():
            if n := self.n_by_reason[reason]:
                which = f" ({most}{', …' if len(self.n_by_extension) > 3 else ''})" if reason == "not_sound" else ""
                parts.append(f"{n} {words[n > 1]}{which}")
        return ", ".join(parts)


class Listing(NamedTuple):
    """What lies below a folder."""

    clips: list[Clip]  # sorted by `file`
    unlisted: list[tuple[str, str]]  # folders that could not be listed, relative, and why
    passed_over: PassedOver


def find_clips(folder: str | os.PathLike[str], skip: str | os.PathLike[str] | None = None) -> Listing:
    """List every recording below `folder`, as `list_folder` does, at least one.

    Raises
    ------
    UsageError
        When `folder` is not a folder that can be listed.
    NothingFound
        When there is no recording in it.
    """
    found = list_folder(folder, skip)
    if not found.clips:
        raise NothingFound(_nothing(os.fspath(folder), found))
    return found


def list_folder(folder: str | os.PathLike[str], skip: str | os.PathLike[str] | None = None) -> Listing:
    """List every recording below `folder`: each file whose name is in the table of `detection.audio.formats`.

    Passed over are other files, hidden files and folders (a leading dot, so the ``._x.wav`` of macOS too), links to
    folders, every folder named ``popdetect``, and what is no file. `skip`, the folder of the results, is left out.

    Raises
    ------
    UsageError
        When `folder` is not a folder that can be listed.
    """
    root = os.fspath(folder)
    try:
        os.scandir(root).close()
    except (OSError, ValueError) as error:  # the latter for a null byte in the name
        raise UsageError(f"{readable(root)}: {_unlistable(error)}") from error
    skipped = os.path.realpath(skip) if skip is not None else None
    clips: list[Clip] = []
    unlisted: list[tuple[str, str]] = []
    passed_over = PassedOver()

    def below(path: str) -> str:
        """Return a folder relative to the root, with a slash at its end; the root itself is empty."""
        name = path[len(root) :].replace(os.sep, "/").strip("/")
        return f"{name}/" if name else ""

    def note(error: OSError) -> None:
        unlisted.append((readable(below(error.filename)), _why(error)))

    for here, folders, files in os.walk(root, onerror=note):  # it does not follow links
        prefix = below(here)
        entered = []
        for name in sorted(folders):
            if skipped is not None and os.path.realpath(Path(here, name)) == skipped:
                continue
            reason = _folder_reason(here, name)
            if reason:
                passed_over.add(readable(f"{prefix}{name}/"), reason)
            else:
                entered.append(name)
        folders[:] = entered
        for name in sorted(files):
            reason = "hidden" if name.startswith(".") else "" if format_of(name) else "not_sound"
            if not reason:
                clip = _clip(os.path.join(here, name), readable(prefix + name))  # noqa: PTH118  # of ten thousand
                if clip is not None:
                    clips.append(clip)
                    continue
                reason = "not_a_file"
            passed_over.add(readable(prefix + name), reason)
    return Listing(sorted(clips), sorted(unlisted), passed_over)


def _folder_reason(here: str, name: str) -> str:
    """Return why a folder is not entered; empty if it is."""
    if name.startswith("."):
        return "hidden"
    if name in _NOT_ENTERED:
        return "not_entered"
    return "link_to_folder" if Path(here, name).is_symlink() else ""


def clip_now(clip: Clip) -> Clip | None:
    """Return the clip as it is at this moment; None if there is no file of its name."""
    now = _clip(clip.path, clip.file)
    return now if now is not None and now.size >= 0 else None


def _clip(path: str, file: str) -> Clip | None:
    """Return None for what is not a file, such as a pipe, on which reading would wait.

    A broken link is a clip: one that cannot be read.
    """
    try:
        about = os.stat(path)  # noqa: PTH116
    except OSError:
        return Clip(file, path, -1, -1)
    return Clip(file, path, about.st_size, about.st_mtime_ns) if stat.S_ISREG(about.st_mode) else None


def _unlistable(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such folder"
    if isinstance(error, NotADirectoryError):
        return "is a file; `popdetect classify` takes files"
    return f"cannot be listed: {_why(error)}"


def _nothing(root: str, found: Listing) -> str:
    text = f"{readable(root)}: no recording in it or below; {found.passed_over.in_words or '0 other files'} seen"
    text += f", {len(found.unlisted)} folders could not be listed" if found.unlisted else ""
    return f"{text}; looked for {LOOKED_FOR}"


def readable(name: str) -> str:
    r"""Turn a file name that is not valid UTF-8 into text that is; such bytes become ``\xe4``, so names stay apart."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    return name


def distinct_names(files: Sequence[str]) -> dict[str, str]:
    """Return a name for each different file; a few systems take names that differ in case only for one."""
    parts = {file: ("stdin",) if file == "-" else _parts(file) for file in files}
    named: dict[str, str] = {}
    taken: set[str] = set()

    def take(file: str, name: str) -> None:
        if file not in named and name.casefold() not in taken:
            named[file] = name
            taken.add(name.casefold())

    for depth in range(1, max(map(len, parts.values())) + 1):
        tried = {file: "_".join(parts[file][-depth:]) for file in parts if file not in named}
        seen = Counter(name.casefold() for name in tried.values())
        for file, name in tried.items():
            if seen[name.casefold()] == 1:
                take(file, name)
    for file, whole in ((file, "_".join(parts[file])) for file in parts):
        # one file by two names, or a folder like `a_b` beside `a/b`: they are numbered
        take(file, whole)
        for number in range(2, len(parts) + 2):
            take(file, f"{whole} ({number})")
    return {file: named[file] for file in parts}


def _parts(file: str) -> tuple[str, ...]:
    path = Path(file)
    return path.relative_to(path.anchor).parts or ("clip",)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where missing; raises UsageError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file that was asked for; raises UsageError, naming the file and why."""
    try:
        with Path(path).open("rb") as handle:
            return handle.read()
    except (OSError, ValueError) as error:  # the latter for a null byte in the name
        raise UsageError(f"{readable(os.fspath(path))}: cannot be read: {_why(error)}") from error


def write_text(path: str | os.PathLike[str], text: str, *, durable: bool = True) -> None:
    """Write one UTF-8 file; see `write_files`."""
    write_files({Path(path): text}, durable=durable)


def write_files(contents: Mapping[Path, str | bytes], *, durable: bool = True) -> None:
    r"""Write files that belong together: all of them or none; a reader sees the old file or the new one.

    All are written to temporary files before the first old file is replaced, so a full disk is noticed while the old
    files are complete. If one cannot be replaced, those before it are restored. Only a power cut within the millisecond
    of replacing could leave new and old files. Text is written as UTF-8, as it is (``\n`` stays ``\n``).

    Parameters
    ----------
    durable : bool
        Wait until the disk has them. Not worth the milliseconds for one of ten thousand files that can be made again.

    Raises
    ------
    UsageError
        Naming the file and why; what was there before still is.
    """
    # short names, as the target's may have the greatest length possible
    prefix = f".{os.getpid()}-{threading.get_ident()}"
    staged = {target: target.parent / f"{prefix}-{number}.tmp" for number, target in enumerate(contents)}
    old: dict[Path, bytes | None] = {}
    target = Path()
    try:
        for target, temporary in staged.items():
            content = contents[target]
            with temporary.open("wb") as handle:
                handle.write(content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace"))
                if durable:
                    handle.flush()
                    os.fsync(handle.fileno())
        for target, temporary in staged.items():
            before = target.read_bytes() if len(staged) > 1 and target.is_file() else None
            temporary.replace(target)
            old[target] = before
    except BaseException as error:
        for place, before in old.items() if len(old) < len(staged) else ():
            with contextlib.suppress(OSError):
                if before is None:
                    place.unlink()
                else:
                    place.write_bytes(before)
        for temporary in staged.values():
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(target, error) from error
        raise


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of `path` over all processes; wait while another one holds it; raises UsageError.

    The lock is on a small hidden file beside `path`; `path` itself need not exist. The system releases the lock of a
    process that ends.
    """
    try:
        handle = path.with_name(f".{path.name}.lock").open("a+b")
    except OSError as error:
        raise unwritable(path, error) from error
    with handle:
        _lock(handle.fileno())
        try:
            yield
        finally:
            handle.seek(0)
            _unlock(handle.fileno())


def append(path: Path, lines: str, *, durable: bool = True) -> None:
    r"""Append whole lines, each with its ``\n``, to a file; the caller holds the lock of `path`.

    The bytes already in the file are never changed. A last line without a line end, as a power cut leaves it, gets one
    first, so that it cannot damage the new line. The file is made if missing. If `durable`, the disk has the lines on
    return.

    Raises
    ------
    UsageError
        When they cannot be written. Part of them may be in the file then; what was there before still is.
    """
    try:
        with path.open("a+b") as handle:
            is_new = handle.seek(0, os.SEEK_END) == 0
            if not is_new:
                handle.seek(-1, os.SEEK_END)
                lines = lines if handle.read(1) == b"\n" else "\n" + lines
            handle.write(lines.encode("utf-8", "backslashreplace"))
            handle.flush()
            if durable:
                os.fsync(handle.fileno())
        if is_new and durable and os.name != "nt":  # the folder must have the file's name, too
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> UsageError:
    """Return the error that `path` cannot be written, with the reason and what to do."""
    hint = ""
    if isinstance(error, PermissionError):
        hint = "; close it where it is open, or write elsewhere with --out"
    elif isinstance(error, FileExistsError | NotADirectoryError):
        hint = "; a file stands where a folder is needed"
    name = " ".join(readable(str(path)).split("\n"))
    return UsageError(f"{name}: cannot be written: {_why(error)}{hint}")


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
