"""Helpers of the browser tests: start `popdetect review`, use the page like a person, read what it shows."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

N_CLIPS = 24


class Served:
    """A running `popdetect review`, a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "popdetect", "review", str(folder), "--no-browser", "--json", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.address: str = json.loads(line)["address"]
        self.base = self.address.split("/open")[0]

    def end(self) -> tuple[int, dict[str, Any]]:
        """Press Ctrl-C; return the exit code and the summary it prints."""
        self.process.send_signal(signal.SIGINT)
        out, self.messages = self.process.communicate(timeout=20)
        return self.process.returncode, json.loads(out) if out.strip() else {}

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.kill()
        self.process.communicate()


class Page:
    """One browser tab; records its requests and its errors."""

    def __init__(self, context: Any, address: str) -> None:
        self.tab = context.new_page()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.bodies: list[str] = []
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.tab.goto(address)
        self.ready()

    def ready(self) -> None:
        """Wait until a clip is shown and can be played."""
        self.tab.wait_for_selector("body[data-playable]")
        self.tab.wait_for_function("() => document.body.dataset.shown === document.body.dataset.playable")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)

    def answer(self, key: str) -> None:
        """Press the key of a label and wait until the page confirms it and shows the next clip."""
        before = self.id
        self.press(key)
        self.tab.wait_for_function("() => document.getElementById('status').textContent.startsWith('Saved')")
        self.tab.wait_for_function("old => document.body.dataset.playable !== old", arg=before)
        self.ready()
        self.tab.evaluate("document.getElementById('status').textContent = ''")

    def says(self, text: str, where: str = "#status") -> None:
        """Wait until an element contains a text."""
        self.tab.wait_for_function(
            "([where, text]) => document.querySelector(where).textContent.includes(text)", arg=[where, text]
        )

    def text(self, where: str) -> str:
        return str(self.tab.text_content(where)).strip()

    @property
    def id(self) -> str:
        return str(self.tab.evaluate("document.body.dataset.shown"))

    @property
    def file(self) -> str:
        return self.text("#file")

    @property
    def marks(self) -> list[float]:
        """Times of the person's marks, seconds."""
        found = self.tab.evaluate("[...document.querySelectorAll('.mark.mine')].map(mark => +mark.dataset.time)")
        return [float(time) for time in found]

    def choose(self, name: str) -> None:
        """Choose a filter."""
        self.tab.select_option("#filter", name)


def answers(folder: Path) -> list[dict[str, str]]:
    """Every line of ``corrections.csv``."""
    path = folder / "popdetect" / "corrections.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))
