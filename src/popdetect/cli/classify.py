"""``popdetect classify``: one row per recording. Times are in seconds from the start of the recording."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

from popdetect import __version__
from popdetect.cli import options, terminal
from popdetect.cli.terminal import one_line
from popdetect.detection.detector import Detector
from popdetect.errors import UsageError
from popdetect.records import Event, Verdict, to_json

EXAMPLES = ("popdetect classify clip.wav --plot clip.png", "popdetect classify a.wav b.flac --json")


def add_options(parser: options.Parser) -> None:
    """Add the options of this command."""
    options.text(parser, "files", "FILE", "recordings (wav, flac, ogg, mp3, aiff; 8 to 192 kHz); - reads a wav from "
                 "standard input", nargs="+")  # fmt: skip
    options.flag(parser, "--events", "also list every candidate sound with a probability of 0.05 or more")
    options.path(parser, "--plot", "PNG", "draw the waveform and the spectrogram with the pops marked; for several "
                 "files, name a folder")  # fmt: skip
    options.model(parser)


def run(args: argparse.Namespace) -> int:
    """Classify the files one after the other; a file that cannot be read does not stop the others."""
    files: list[str] = args.files
    if files.count("-") > 1:
        raise UsageError("standard input (-) can be read only once; it was named more than once")
    pictures: dict[str, Path] = {}
    if args.plot:
        from popdetect.session import plots

        pictures = plots.places(args.plot, files)
    detector = options.load_detector(args)
    width = min(max(len(one_line(file)) for file in [*files, "file"]), 96)
    if not args.json and not args.quiet:
        terminal.result(f"{'file':{width}}  {'label':9}  p_pop  pops  onsets (s)")
    n_failed = 0
    for file in files:
        piped = terminal.standard_input() if file == "-" else b""
        verdict = detector.verdict(io.BytesIO(piped) if file == "-" else file, file, hash_file=args.json)
        n_failed += verdict.detection is None
        row = as_json(verdict, detector, events=args.events)
        terminal.show(args, row, as_text(verdict, width, events=args.events))
        if file in pictures and verdict.detection is not None:
            source = io.BytesIO(piped) if file == "-" else file
            plots.make(source, pictures[file], verdict.detection, one_line(Path(file).name))
    return 0 if not n_failed else terminal.FAILED_SOME if n_failed < len(files) else terminal.FAILED_ALL


def as_text(verdict: Verdict, width: int, *, events: bool) -> str:
    """Return the line of a file, with `width` characters for its name; one more line per candidate with `events`."""
    name = f"{one_line(verdict.file):{width}}"
    found = verdict.detection
    if found is None:
        return f"{name}  {verdict.status}: {one_line(verdict.error)}"
    onsets = " ".join(f"{event.onset_s:.4f}" for event in found.pops)
    flags = f"  [{', '.join(found.quality)}]" if found.quality else ""
    line = f"{name}  {terminal.painted(found.label)}  {found.p_pop:5.2f}  {len(found.pops):4d}  {onsets}{flags}"
    return "\n".join([line.rstrip(), *(map(_event_text, found.events) if events else ())])


def as_json(verdict: Verdict, detector: Detector, *, events: bool) -> dict[str, Any]:
    """Return the same with the versions and hashes that made it."""
    found = verdict.detection
    row: dict[str, Any] = {"file": verdict.file, "status": verdict.status}
    if found is None:
        row["error"] = verdict.error
    else:
        row |= {
            "label": found.label,
            "p_pop": round(found.p_pop, 6),
            "n_pops": len(found.pops),
            "pops_s": [round(event.onset_s, 6) for event in found.pops],
            "snr_db": None if found.snr_db is None else round(found.snr_db, 2),
            "duration_s": round(found.duration_s, 6),
            "sample_rate_hz": found.sample_rate_hz,
            "channels": found.channels,
            "quality": list(found.quality),
        }
        if events:
            row["events"] = [_event_json(event) for event in found.events]
    return row | {
        "operating_point": detector.operating_point,
        "model": detector.model.title,
        "model_sha256": detector.model.sha256,
        "popdetect_version": __version__,
        "sha256": verdict.sha256,
    }


def _event_text(event: Event) -> str:
    side = f"  channel {event.channel}" if event.channel else ""
    return (
        f"    {'pop  ' if event.is_pop else 'other'} {event.onset_s:9.4f} s  p {event.p_pop:.2f}  "
        f"{event.duration_ms:4.1f} ms  peak {event.peak_hz:5.0f} Hz  centroid {event.centroid_hz:5.0f} Hz  "
        f"{event.snr_db:4.1f} dB above the noise floor{side}"
    )


def _event_json(event: Event) -> dict[str, Any]:
    digits = {"onset_s": 6, "p_pop": 6, "duration_ms": 3, "peak_hz": 1, "centroid_hz": 1, "snr_db": 2}
    return {name: round(value, digits[name]) if name in digits else value for name, value in to_json(event).items()}
