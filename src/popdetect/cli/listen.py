"""``popdetect listen``: pops from a microphone, as they happen. Times are in seconds from the start."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

from popdetect.cli import options, terminal
from popdetect.cli.terminal import counted, one_line
from popdetect.errors import UsageError
from popdetect.records import Attempt, Level, Listened, LiveEvent, Room, to_json

EXAMPLES = ("popdetect listen", "popdetect listen --device usb --record practice_01 --thrust-key",
            "popdetect listen --from-file take.wav --pace 0")  # fmt: skip
OPTIONS = (
    options.flag("--devices", "list the input devices and stop"),
    options.text("--device", "NAME", "number of the input device, or a part of its name (default: that of the system)"),
    options.number("--rate", 0, 0, 192_000, "sample rate; 0 is that of the device", "HZ", "Hz"),
    options.number("--channels", 1, 1, 32, "number of channels", unit="channels"),
    options.path("--from-file", "FILE", "play a recording as if it came from a microphone"),
    options.number("--pace", 1.0, 0, 1000, "with --from-file: how fast; 1 is real time, 0 does not wait", "X"),
    options.number("--seconds", 0.0, 0, 1e6, "stop after so much sound; 0 is until Ctrl-C", "S", "s"),
    options.number("--calibrate", 2.0, 0, 60, "measure the room for so long, before the first thrust; 0 is not at all",
                   "S", "s"),
    options.path("--record", "DIR", "cut out 1 s before and after each thrust, and label these clips; DIR must be new "
                   "or empty"),
    options.flag("--thrust-key", "each key press marks a thrust; each is reported as with or without a pop"),
    options.number("--window", 3.0, 0.5, 30, "the pops of a marked thrust start at most so long after the key press, "
                   "or 1 s before it", "S", "s"),
    *options.MODEL,
)  # fmt: skip
_LEVELS_EVERY_S = 10.0  # where the line with the level cannot be refreshed
_DIGITS = 5


def run(args: options.Args) -> int:
    """Says each pop within 50 ms of its end, and 0.3 to 1.5 s later how many pops the thrust had.

    A pop that was said may be taken back, because sounds after it are not known at first. The final pops are the same
    as those of `classify`. Stop with Ctrl-C.
    """
    if args.devices:
        return _devices(args)
    if args.from_file and (args.device is not None or args.rate or args.channels != 1):
        raise UsageError("--device, --rate and --channels are of a microphone; leave them out with --from-file")
    if args.pace != 1 and not args.from_file:
        raise UsageError("--pace needs --from-file: a microphone has its own pace")
    from popdetect.cli.keyboard import key_presses
    from popdetect.session import excerpts, listening

    detector = options.load_detector(args)
    name = str(args.from_file or "microphone")
    clips = excerpts.ClipFolder(args.record, [name], detector.model.front_end.hop_ms) if args.record else None
    screen = _Screen(args)
    with (
        key_presses() if args.thrust_key else nullcontext(lambda: False) as marked,
        closing(_Source(args)) as source,
        _stop_signal() as stopped,
        closing(screen),
    ):
        screen.begin(source.name)
        told = listening.listen(
            detector,
            source.blocks,
            source.rate_hz,
            source.channels,
            gaps=source.gaps,
            calibrate_s=args.calibrate,
            seconds=args.seconds or None,
            clips=clips,
            name=name,
            marked=marked,
            window_s=args.window,
            stopped=stopped,
        )
        for item in told:
            screen.show(item)
            if clips is not None and isinstance(item, Listened):
                clips.finish(detector, args.model)
                options.report_clips(clips, args.quiet)
    return 0


class _Source:
    """A microphone, or a file played as if it were one."""

    def __init__(self, args: options.Args) -> None:
        from popdetect.detection.audio.microphone import Microphone, paced
        from popdetect.detection.audio.recording import Recording

        self.gaps: list[tuple[float, float]] = []
        self._opened: Microphone | Recording
        if args.from_file:
            recording = self._opened = Recording(args.from_file)
            self.name = one_line(args.from_file)
            self.blocks = paced(recording, recording.rate_hz, args.pace)
            self.rate_hz, self.channels = recording.rate_hz, recording.channels
            return
        microphone = self._opened = Microphone(args.device, args.rate or None, args.channels)
        self.name = f"{one_line(microphone.device.name)} ({microphone.device.system})"
        self.blocks = iter(microphone)
        self.gaps = microphone.gaps
        self.rate_hz, self.channels = microphone.rate_hz, microphone.channels

    def close(self) -> None:
        self._opened.close()


def _devices(args: options.Args) -> int:
    from popdetect.detection.audio import microphone

    found = microphone.devices()
    for device in found:
        mark = "*" if device.is_default else " "
        terminal.show(
            args,
            to_json(device),
            f"{mark} {device.number:3d}  {one_line(device.name)}  ({device.system}, "
            f"{counted(device.channels, 'channel')}, {device.rate_hz} Hz)",
        )
    if not found:
        microphone.choose()
    terminal.message("* is the device that is used without --device", args.quiet or args.json)
    return 0


@contextmanager
def _stop_signal() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether to stop: Ctrl-C, or the end of the process, was asked for.

    A second Ctrl-C interrupts at once.
    """
    asked = threading.Event()

    def ask(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Screen:
    """Prints what is told; on a terminal, the last line is the level, refreshed."""

    def __init__(self, args: options.Args) -> None:
        self._args = args
        self._has_level_line = sys.stderr.isatty() and not args.quiet
        self._shown = ""  # the level line
        self._levels_from_s = _LEVELS_EVERY_S
        self._background_db: float | None = None
        self._said: list[float] = []  # onsets of provisional pops that are not final yet
        self._n_thrusts = self._n_pops = self._n_attempts = self._n_hits = 0

    def begin(self, name: str) -> None:
        terminal.message(f"listening to {name}; stop with Ctrl-C", self._args.quiet)

    def show(self, item: Room | Level | LiveEvent | Attempt | Listened) -> None:
        """Print one item; with --json levels are left out."""
        if isinstance(item, Level):
            self._level(item)
        elif self._args.json:
            self._clear()
            terminal.show(self._args, _row(item))
            sys.stdout.flush()
        elif isinstance(item, LiveEvent):
            self._live(item)
        elif isinstance(item, Room):
            self._room(item)
        elif isinstance(item, Attempt):
            self._n_attempts += 1
            self._n_hits += item.n_pops > 0
            what = f"with {counted(item.n_pops, 'pop')}" if item.n_pops else "without a pop"
            self._line(f"{item.time_s:9.3f} s  attempt {item.number} {what}  ({self._n_hits} of {self._n_attempts})")
        else:
            self._summary(item)

    def close(self) -> None:
        self._clear()

    def _live(self, item: LiveEvent) -> None:
        if item.kind == "gap":
            self._clear()
            terminal.message(
                f"the computer was too slow: {1000 * item.gap_s:.0f} ms of sound were lost at {item.at_s:.3f} s, "
                "and silence takes their place. Close other programs"
            )
        elif item.burst:
            self._n_thrusts += 1
            self._n_pops += item.burst.n_pops
            span_ms = 1000 * (item.burst.end_s - item.burst.start_s)
            pops = counted(item.burst.n_pops, "pop")
            self._line(f"{item.burst.start_s:9.3f} s  thrust {self._n_thrusts}: {pops} in {span_ms:.0f} ms, p "
                       f"{item.burst.p_pop:.2f}")  # fmt: skip
        elif item.event and item.kind == "provisional":
            self._said.append(item.event.onset_s)
            self._line(
                f"{item.event.onset_s:9.3f} s  {terminal.painted('pop')}  p {item.event.p_pop:.2f}, first result"
            )
        elif item.event:
            same = [onset for onset in self._said if abs(onset - item.event.onset_s) < 0.005]
            if same and not item.event.is_pop:
                self._line(
                    f"{item.event.onset_s:9.3f} s  {terminal.painted('no_pop')}  p {item.event.p_pop:.2f}, final"
                )
            self._said = [onset for onset in self._said if onset > item.event.onset_s + 0.005]

    def _room(self, room: Room) -> None:
        self._background_db = room.level_dbfs
        self._clear()
        quiet = self._args.quiet
        if room.problem:
            terminal.message(room.problem)
            return
        terminal.message(
            f"the room: background {room.level_dbfs:.0f} dB, highest {room.peak_dbfs:.0f} dB of full scale", quiet
        )
        if room.is_clipped:
            terminal.message("the sound is clipped: turn the input level down")
        if room.hum_hz:
            terminal.message(f"mains hum of {room.hum_hz} Hz: keep the cable away from power supplies", quiet)

    def _level(self, level: Level) -> None:
        if self._has_level_line:
            above = f", {level.rms_dbfs - self._background_db:+.0f}" if self._background_db is not None else ""
            bar = "#" * max(0, min(30, round((level.peak_dbfs + 60) / 2)))
            text = (
                f"{level.at_s:8.1f} s  [{bar:30}] {level.rms_dbfs:4.0f} dB{above}  {counted(self._n_thrusts, 'thrust')}"
            )
            text = text[: shutil.get_terminal_size().columns - 1]
            self._clear(text)
        elif level.at_s >= self._levels_from_s:
            self._levels_from_s = level.at_s + _LEVELS_EVERY_S
            terminal.message(
                f"{level.at_s:.0f} s, level {level.rms_dbfs:.0f} dB, {counted(self._n_thrusts, 'thrust')}",
                self._args.quiet,
            )

    def _summary(self, heard: Listened) -> None:
        self._clear()
        if self._args.quiet:
            return
        flags = f" [{', '.join(heard.quality)}]" if heard.quality else ""
        lines = [f"{heard.duration_s:.1f} s: {counted(len(heard.thrusts), 'thrust')} with a pop, "
                 f"{counted(heard.n_pops, 'pop')}{flags}"]  # fmt: skip
        if heard.lost_s:
            lines.append(f"  {heard.lost_s:.3f} s of sound were lost")
        if self._args.thrust_key:
            share = f"{counted(len(heard.attempts), 'attempt')}, {heard.n_hits} with a pop"
            middle = f", median {heard.median_pops:g} pops" if heard.median_pops else ""
            lines.append(f"  {share}{middle}")
        terminal.result("\n".join(lines))

    def _line(self, text: str) -> None:
        self._clear()
        terminal.result(text.rstrip())
        sys.stdout.flush()

    def _clear(self, text: str = "") -> None:
        """Replace the level line by `text`; with spaces, because not every terminal knows more."""
        if self._shown or text:
            sys.stderr.write(f"\r{text:{len(self._shown)}}\r")
            sys.stderr.flush()
        self._shown = text


def _row(item: Room | LiveEvent | Attempt | Listened) -> dict[str, Any]:
    """Return an item as an object; `kind` says what it is."""
    names = {Room: "room", Attempt: "attempt", Listened: "summary"}
    row = {"kind": names[type(item)]} | to_json(item) if not isinstance(item, LiveEvent) else to_json(item)
    if isinstance(item, Listened):
        row["n_thrusts"], row["n_attempts"], row["n_hits"] = len(item.thrusts), len(item.attempts), item.n_hits
    if not row.get("gap_s"):
        row.pop("gap_s", None)
    return {name: value for name, value in _rounded(row).items() if value is not None}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value
