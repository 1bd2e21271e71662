#!/usr/bin/env python3
"""Make the pictures of the documents: classify.png, review.png, report.png. The sound is simulated.

Needs the extras `all` and `test`, and Chromium. Look at each picture before you commit it, and update its caption.

Example: python docs/pictures.py
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent / "tests" / "app"), str(DOCS.parent / "src")]

from playwright.sync_api import sync_playwright  # noqa: E402
from review_page import Page, Served  # noqa: E402

SESSION = ["--clips", "120", "--patients", "10", "--seed", "5", "--quiet"]


def popdetect(*words: str, folder: Path) -> None:
    """Run a command in `folder`."""
    subprocess.run([sys.executable, "-m", "popdetect", *words], cwd=folder, check=True)


def main() -> int:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DOCS, metavar="DIR", help="for the pictures (default: docs)")
    out = parser.parse_args().out.resolve()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place)
        popdetect("simulate", "session_07", *SESSION, folder=folder)
        popdetect("classify", "session_07/p01/thrust_03.wav", "--plot", str(out / "classify.png"), folder=folder)
        popdetect("label", "session_07", "--quiet", folder=folder)
        popdetect("simulate", "session_08", "--study", "--effect", "-0.5", *SESSION, folder=folder)
        popdetect("label", "session_08", "--quiet", folder=folder)
        popdetect("log", "session_08", "--journal", "STUDY.db", "--quiet", folder=folder)
        popdetect("report", "STUDY.db", "-o", "report.html", "--session", "session_08", folder=folder)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 900, "height": 1730})
        tab.goto((folder / "report.html").as_uri())
        tab.screenshot(path=out / "report.png")
        served = Served(folder / "session_07", "--rater", "anna")
        page = Page(browser.new_context(viewport={"width": 1280, "height": 800}), served.address)
        for key in ("n", "n", "p", "u"):
            page.answer(key)
        while page.file != "p01/thrust_03.wav":
            shown = page.id
            page.press("ArrowDown")
            page.tab.wait_for_function("old => document.body.dataset.playable !== old", arg=shown)
            page.ready()
        page.press("f")
        page.tab.wait_for_timeout(500)
        page.tab.screenshot(path=out / "review.png")
        served.end()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
