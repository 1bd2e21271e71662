"""pandas tables, for those who have pandas; the only module that imports it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from popdetect.errors import missing_extra


def frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Any:
    """Return a `pandas.DataFrame` with these columns, one line for each row.

    Raises
    ------
    MissingExtra
        When pandas is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise missing_extra(error, "to_frame()") or error from None
    return pandas.DataFrame(list(rows), columns=list(columns))
