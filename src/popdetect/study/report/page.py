"""The page of a report: one file without scripts, which loads nothing. The adapter of Jinja2.

The templates escape every text. Only the style sheet and the pictures of `drawing` are inserted as markup. The page's
content security policy forbids scripts, connections and other style sheets, as a second safeguard.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def page(**facts: Any) -> str:
    """Fill the template; a missing value is an error."""
    environment = Environment(
        loader=PackageLoader("popdetect.study.report", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        finalize=_kept_together,
    )
    # only for markup of this package, never for text from a journal or a folder
    environment.filters["made_here"] = Markup
    css = (resources.files("popdetect.study.report") / "pages" / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = (  # this style sheet, styles within pictures and embedded images only
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"style-src-elem 'sha256-{digest}'; style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    text = environment.get_template("report.html").render(css=Markup(css), policy=policy, **facts)
    # HTML does not allow control characters
    return "".join(
        letter if letter in "\n\t" or letter.isprintable() or ord(letter) > 159 else "\ufffd" for letter in text
    )


def _kept_together(value: Any) -> Any:
    """Keep a number and its per cent sign on one line."""
    return value.replace(" %", "\u00a0%") if type(value) is str else value
