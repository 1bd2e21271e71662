"""The errors of the package, as a tree. A message says what was given, what is allowed, and the probable cause.

::

    PopdetectError
    ├── UsageError            an option, a table or a folder that cannot be used as given     exit code 2
    │   ├── TableError        a line of a csv file, named as file:line
    │   └── MissingExtra      an optional package that is not installed
    ├── AudioError            one recording that cannot be processed; `status` says why       exit code 3
    │   ├── Unreadable        no such file, not audio, a sample rate outside 8 to 192 kHz, an array of a wrong type
    │   ├── Empty             no samples, or no sound (digital silence, a constant, dither)
    │   ├── Truncated         damaged inside, or nothing left of its sound
    │   ├── Unsupported       a format of phones and cameras, without the extra that decodes it
    │   ├── NotFinite         NaN or infinite samples
    │   └── TooShort          shorter than 10 ms
    ├── DeviceLost            a microphone that stopped while it was recording                exit code 3
    ├── NothingFound          no recording that could be read, or no microphone               exit code 4
    └── ModelError            a bundle that is missing, damaged or of another format          exit code 5

    UserWarning
    └── LeftOutWarning        something that does not count, such as a clip without labels; the work goes on
        └── DamagedLinesWarning   lines of an append-only file that cannot be read
"""

from __future__ import annotations


class PopdetectError(Exception):
    """Base class of all errors that this package raises on purpose."""

    exit_code = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """The message by lines; most errors have one."""
        return (str(self),)


class UsageError(PopdetectError, ValueError):
    """An option, an argument, a table or a folder that cannot be used as given."""

    exit_code = 2


class TableError(UsageError):
    """Lines of a table that cannot be used; each message begins with ``file:line``.

    Parameters
    ----------
    *problems : str
        One message for each problem, in the order of the lines.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    @property
    def lines(self) -> tuple[str, ...]:
        """One for each problem."""
        return self.problems


class MissingExtra(UsageError, ImportError):
    """An optional package is not installed; the message names the extra that contains it.

    Parameters
    ----------
    what : str
        What needs the package, such as ``report``.
    extra : str
        Name of the extra, a value of `EXTRAS`.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': pip install 'popdetect[{extra}]'")
        self.extra = extra


# Import names of the optional packages and the extra of pyproject.toml that installs each.
EXTRAS = {
    "matplotlib": "plot",
    "statsmodels": "study",
    "jinja2": "study",
    "markupsafe": "study",
    "pandas": "study",
    "openpyxl": "study",
    "starlette": "app",
    "uvicorn": "app",
    "av": "phone",
    "sounddevice": "live",
    "distributed": "cluster",
}


def missing_extra(error: BaseException, what: str) -> MissingExtra | None:
    """Return the error to show if `error` says that an optional package is not installed, else None.

    Parameters
    ----------
    error : BaseException
        Any error; only a `ModuleNotFoundError` that names a package of `EXTRAS` counts.
    what : str
        What needs the package, such as ``report``.
    """
    if not isinstance(error, ModuleNotFoundError) or isinstance(error, MissingExtra):
        return None
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    return MissingExtra(what, extra) if extra else None


class AudioError(PopdetectError, ValueError):
    """One recording that cannot be processed; `status` is its value in ``clips.csv``."""

    exit_code = 3
    status = "unreadable"


class Unreadable(AudioError):
    """Not a recording that can be decoded, or samples that cannot be used."""


class Empty(AudioError):
    """A recording without samples, or without sound: digital silence, a constant offset, or dither of one step."""

    status = "empty"


class Truncated(AudioError):
    """A compressed recording that is damaged inside, or a recording so short that nothing of its sound is left.

    One with less sound than its header says is no error; it is labelled by what is there, with the flag ``truncated``.
    """

    status = "truncated"


class Unsupported(AudioError):
    """A recording of a phone or a camera, and the extra that decodes it is not installed."""

    status = "unsupported"


class NotFinite(AudioError):
    """A recording with NaN or infinite samples."""

    status = "not_finite"


class TooShort(AudioError):
    """A recording shorter than 10 ms."""

    status = "too_short"


class DeviceLost(PopdetectError, OSError):
    """A microphone stopped while it was recording; what was recorded before is kept."""

    exit_code = 3


class NothingFound(PopdetectError, LookupError):
    """No recording could be read, or there is no microphone."""

    exit_code = 4


class ModelError(PopdetectError):
    """A model bundle that is missing, damaged, or not for this version."""

    exit_code = 5


class LeftOutWarning(UserWarning):
    """Something that was given and does not count, such as a clip without a label file; the work goes on."""


class DamagedLinesWarning(LeftOutWarning):
    """Lines of an append-only file that cannot be read and do not count; all other lines do."""
