"""The page around a report: one file that loads nothing and runs nothing. This room's one door to Jinja2.

Every text is escaped by the templates. Markup that goes in as it is: the style sheet, and pictures of `drawing`. The
page's own policy forbids scripts, connections and any style sheet but this one, so that even a slip could do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def page(**facts: Any) -> str:
    """Fill the page; a fact that a template needs and does not get is an error."""
    environment = Environment(
        loader=PackageLoader("popdetect.study.report", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        finalize=_kept_together,
    )
    environment.filters["made_here"] = _made_here
    css = environment.loader.get_source(environment, "report.css")[0] if environment.loader else ""
    text = environment.get_template("report.html").render(css=_made_here(css), policy=policy(css), **facts)
    return _without_controls(text)


def policy(css: str) -> str:
    """The content security policy: nothing but this style sheet, the styles within pictures, and pixels in the file."""
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"style-src-elem 'sha256-{digest}'; style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )


def _made_here(text: str) -> Markup:
    """Markup that this room made itself; never anything that came from a journal or a folder."""
    return Markup(text)


def _kept_together(value: Any) -> Any:
    """No line ends between a number and its per cent."""
    return value.replace(" %", "\u00a0%") if type(value) is str else value


def _without_controls(text: str) -> str:
    """HTML has no control characters, whatever a clinic's software left in a cell."""
    return "".join(
        letter if letter in "\n\t" or letter.isprintable() or ord(letter) > 159 else "\ufffd" for letter in text
    )
