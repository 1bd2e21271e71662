"""A page as PDF, printed by a Chromium of this computer: the adapter of the browser.

The browser applies the page's own print style, and keeps headings, tables and descriptions of pictures for screen
readers. Nothing is installed: Edge is part of Windows, and Chrome or Chromium is on most other computers. The browser
runs without a window, with a profile of its own that is deleted, and without a network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from popdetect.errors import UsageError

_NAMES: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
_MAC: Final = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
_WINDOWS: Final = ("Google/Chrome/Application/chrome.exe", "Microsoft/Edge/Application/msedge.exe")
_OPTIONS: Final = (
    "--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer", "--disable-background-networking",
    "--proxy-server=127.0.0.1:9",
)  # fmt: skip
_TIMEOUT_S: Final = 180


def as_pdf(html: str) -> bytes:
    """Print a page that needs no other file.

    Raises
    ------
    UsageError
        If no browser is found, or it makes no PDF.
    """
    browser = _browser()
    if browser is None:
        raise UsageError(
            "a PDF needs Chromium, Chrome or Edge on this computer, and none was found: install one of them, or write "
            "report.html and print it from any browser"
        )
    with tempfile.TemporaryDirectory(prefix="popdetect-", ignore_cleanup_errors=True) as folder:
        page, pdf = Path(folder) / "page.html", Path(folder) / "page.pdf"
        page.write_text(html, encoding="utf-8")
        command = [browser, *_OPTIONS, f"--user-data-dir={Path(folder) / 'profile'}", f"--print-to-pdf={pdf}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium refuses to run as root without it
        try:
            subprocess.run([*command, page.as_uri()], capture_output=True, timeout=_TIMEOUT_S, check=False)
            made = pdf.read_bytes()
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(
                f"{browser}: made no PDF ({type(error).__name__}); write report.html and print it from a browser"
            ) from error
    return made


def _browser() -> str | None:
    return next(filter(None, _found()), None)


def _found() -> Iterator[str | None]:
    yield from map(shutil.which, _NAMES)
    for name in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
        base = os.environ.get(name)
        yield from (_if_there(Path(base) / own) for own in _WINDOWS if base)
    yield from (_if_there(Path(own)) for own in _MAC)


def _if_there(path: Path) -> str | None:
    return str(path) if path.is_file() else None
