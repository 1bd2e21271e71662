#!/usr/bin/env python3
"""Measure the speed of the review page in headless Chromium: first page, next clip, and clips per minute by keyboard.

Makes a session of distinct clips, labels it, and reviews it by keyboard. Times are measured in the browser, from the
key or the address until the clip is shown and can be played. The simulated reviewer presses a key as soon as a clip was
played, so the time to decide is not included. Takes about five minutes; needs Chromium and playwright.

Example
-------
scripts/benchmarks/bench_review.py --clips 1000 --answers 60
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SHOWN = "document.body.dataset.shown === document.body.dataset.playable"


def main() -> int:
    """Run, print, compare with the targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000, metavar="N", help="clips of the session (default: 1000)")
    parser.add_argument("--answers", type=int, default=60, metavar="N", help="clips to answer (default: 60)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="popdetect-bench-") as folder:
        figures = run(Path(folder) / "session", args.clips, args.answers)
    for name, value in figures.items():
        print(f"  {name:52} {value:8.1f}")
    held = [
        ("first page, ms, median", figures["first page, ms, median"] <= 1000),
        ("next clip, ms, longest", figures["next clip, ms, longest"] <= 150),
        ("clips a minute, each played for 1 s", figures["clips a minute, each played for 1 s"] >= 20),
    ]
    for name, good in held:
        print(f"  {name:52} {'held' if good else 'MISSED'}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def run(folder: Path, n_clips: int, n_answers: int) -> dict[str, float]:
    """All figures by name."""
    from playwright.sync_api import sync_playwright

    from popdetect.session import labelling as batch
    from popdetect.training.data.simulated_sessions import simulate

    simulate(folder, n_clips=n_clips, n_patients=50, seed=9)
    batch.label(folder)
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        sys.exit("no Chromium on this computer")
    first, after = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for turn in range(5):
            server, address = serve(folder)
            tab = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            begun = time.perf_counter()
            tab.goto(address)
            tab.wait_for_function(f"() => document.body.dataset.playable && {SHOWN}", polling=5)
            first.append(1000 * (time.perf_counter() - begun))
            if turn == 4:
                after = [next_clip(tab) for _ in range(n_answers)]
                per_minute = [minute(tab, n_answers // 2, heard) for heard in (0.0, 1.0)]
            server.send_signal(signal.SIGINT)
            server.wait()
        browser.close()
    return {
        "clips in the session": float(n_clips),
        "first page, ms, median": statistics.median(first),
        "first page, ms, longest": max(first),
        "next clip, ms, median": statistics.median(after),
        "next clip, ms, longest": max(after),
        "clips a minute, answered at once": per_minute[0],
        "clips a minute, each played for 1 s": per_minute[1],
    }


def serve(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The command, and the address it prints."""
    command = [sys.executable, "-m", "popdetect", "review", str(folder), "--no-browser", "--quiet"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, server.stdout.readline().strip()


def next_clip(tab: Any) -> float:
    """Answer, and wait for the next clip: from the key to playable, milliseconds, by the browser's own clock."""
    tab.evaluate(
        """() => { const old = document.body.dataset.playable; window.took = null;
        addEventListener('keydown', () => { const begun = performance.now();
          new MutationObserver((_, watch) => { const now = document.body.dataset;
            if (now.playable !== old && now.playable === now.shown) {
              watch.disconnect(); window.took = performance.now() - begun; } })
            .observe(document.body, { attributes: true }); }, { once: true, capture: true }); }"""
    )
    tab.keyboard.press("n")
    tab.wait_for_function("() => window.took !== null", polling=5)
    took = float(tab.evaluate("() => window.took"))
    tab.wait_for_timeout(250)  # faster than a person; time to fetch the next
    return took


def minute(tab: Any, n: int, heard_s: float) -> float:
    """Clips a minute when each is played for so long before the verdict."""
    begun = time.perf_counter()
    for _ in range(n):
        old = tab.evaluate("() => document.body.dataset.playable")
        if heard_s:
            tab.keyboard.press("Space")
            tab.wait_for_timeout(1000 * heard_s)
        tab.keyboard.press("p")
        tab.wait_for_function(f"old => document.body.dataset.playable !== old && {SHOWN}", arg=old, polling=5)
    return 60 * n / (time.perf_counter() - begun)


if __name__ == "__main__":
    sys.exit(main())
