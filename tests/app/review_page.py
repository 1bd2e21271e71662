"""Starting the command, driving the page as a person does, and reading what they would."""

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
    """`popdetect review` as a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "popdetect", "review", str(folder), "--no-browser", "--json", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.said: dict[str, Any] = json.loads(line)
        self.address: str = self.said["address"]
        self.base = self.address.split("/open")[0]

    def end(self) -> tuple[int, dict[str, Any]]:
        """Ctrl-C; its exit code, and what it says then."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=20)
        return self.process.returncode, json.loads(out) if out.strip() else {}

    def kill(self) -> None:
        """As a power cut does."""
        self.process.kill()
        self.process.communicate()


class Page:
    """One tab; every request it makes and everything that goes wrong in it is kept."""

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
        """Press a verdict's key and wait until the page says it is kept and shows the next clip."""
        before = self.id
        self.press(key)
        self.tab.wait_for_function("() => document.getElementById('status').textContent.startsWith('Saved')")
        self.tab.wait_for_function("old => document.body.dataset.playable !== old", arg=before)
        self.ready()
        self.tab.evaluate("document.getElementById('status').textContent = ''")

    def says(self, text: str, where: str = "#status") -> None:
        """Wait for words."""
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
        """Where the person's marks are, seconds."""
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
