"""``popdetect classify``: one row per recording. Times are in seconds from the start of the recording."""

from __future__ import annotations

from contextlib import nullcontext
from glob import glob, has_magic
from itertools import repeat
from pathlib import Path
from typing import Any

from popdetect import __version__
from popdetect.cli import options, terminal
from popdetect.cli.terminal import one_line
from popdetect.errors import UsageError
from popdetect.records import Burst, Event, Verdict, clock, to_json

EXAMPLES = (
    "popdetect classify clip.wav --plot clip.png",
    "popdetect classify a.wav b.flac --json",
    "popdetect classify treatment.wav --clips thrusts",
)
OPTIONS = (
    options.text("files", "FILE", "recordings (wav, flac, ogg, mp3, aiff; 8 to 192 kHz); - reads standard "
                 "input", nargs="+"),
    options.flag("--events", "also list every candidate sound with a probability of 0.05 or more, and the "
                 "thresholds of the label"),
    options.path("--plot", "PNG", "draw the waveform and the spectrogram with the pops marked, or thrusts of a long "
                 "recording; for several files, name a folder"),
    options.path("--clips", "DIR", "cut out 1 s before and after each thrust, and label these clips; DIR must be new "
                 "or empty"),
    *options.MODEL,
)  # fmt: skip
# Digits after the decimal point in JSON.
_DIGITS = {
    "onset_s": 6,
    "start_s": 6,
    "end_s": 6,
    "p_pop": 6,
    "duration_s": 6,
    "duration_ms": 3,
    "peak_hz": 1,
    "centroid_hz": 1,
    "snr_db": 2,
    "level_difference_db": 2,
    "arrival_difference_ms": 4,
}


def _expanded(word: str) -> list[str]:
    """The files of a pattern that the shell did not expand, as on Windows; the word itself if it is no pattern."""
    if not has_magic(word) or Path(word).exists():
        return [word]
    found = sorted(glob(word, recursive=True))  # noqa: PTH207  # Path.glob refuses absolute patterns
    if not found:
        raise UsageError(f"{word}: no file has such a name")
    return found


def run(args: options.Args) -> int:
    """A file that cannot be read does not stop the others."""
    files = [name for word in args.files for name in _expanded(word)]
    if files.count("-") > 1:
        raise UsageError("standard input (-) can be read only once; it was named more than once")
    pictures: dict[str, Path] = {}
    if args.plot:
        from popdetect.session import plots

        pictures = plots.places(args.plot, files)
    detector = options.load_detector(args)
    clips = None
    if args.clips:
        from popdetect.session import excerpts

        clips = excerpts.ClipFolder(args.clips, files, detector.model.front_end.hop_ms)
    made_by = {"operating_point": detector.operating_point, "model": detector.model.title}
    made_by |= {"model_sha256": detector.model.sha256, "popdetect_version": __version__}
    width = min(max(len(one_line(file)) for file in [*files, "file"]), 96)
    if not args.json and not args.quiet:
        terminal.result(f"{'file':{width}}  {'label':9}  p_pop  pops  onsets (s)")
    point = detector.model.operating_point(detector.operating_point)
    n_failed = n_uncertain = n_compared = 0
    for file in files:
        with terminal.standard_input() if file == "-" else nullcontext(file) as source:
            with terminal.progress("s", args.quiet, delay_s=0.5) as on_progress:
                verdict = detector.verdict(source, file, hash_file=args.json, on_progress=on_progress)
            found = verdict.detection
            n_failed += found is None
            n_uncertain += found is not None and found.label == "uncertain"
            n_compared += found is not None and any(event.found_on for event in found.events)
            row = _row(verdict, events=args.events) | made_by | {"thresholds": to_json(point), "sha256": verdict.sha256}
            if clips is not None and found is not None:
                row["clips"] = clips.add(source, file, found.bursts)
            terminal.show(args, row, _text(verdict, width, f"{point}" if args.events else ""))
            if file in pictures and found is not None:
                plots.make(source, pictures[file], found, one_line(Path(file).name))
    if clips is not None:
        clips.finish(detector, args.model)
        if not args.json:
            options.report_clips(clips, args.quiet)
    if n_uncertain and not args.json:
        terminal.message(
            f"uncertain = between the thresholds ({point}), or flagged outside or dropout; "
            "2? = 2 uncertain pops; please listen to these clips", args.quiet
        )  # fmt: skip
    if n_compared and args.events and not args.json:
        terminal.message("the louder or earlier channel is not the joint that popped: level and arrival also depend on "
                         "how each sensor is mounted", args.quiet)  # fmt: skip
    return 0 if not n_failed else terminal.FAILED_SOME if n_failed < len(files) else terminal.FAILED_ALL


def _text(verdict: Verdict, width: int, thresholds: str) -> str:
    """Return the line of a file, with `width` characters for its name.

    If `thresholds` are given in words, a line with them and one line per candidate follow.
    """
    name = f"{one_line(verdict.file):{width}}"
    found = verdict.detection
    if found is None:
        return f"{name}  {verdict.status}: {one_line(verdict.error)}"
    is_long = "long" in found.quality
    onsets = " ".join(f"{onset:.4f}" for onset in found.onsets_s)
    if is_long:
        onsets = f"in {terminal.counted(len(found.bursts), 'thrust')}" if found.bursts else ""
    flags = f"  [{', '.join(found.quality)}]" if found.quality else ""
    pops = terminal.pops(found.label, found.n_pops)
    line = f"{name}  {terminal.painted(found.label)}  {found.p_pop:5.2f}  {pops} {onsets}{flags}"
    lines = [line.rstrip(), *(map(_thrust, found.bursts, repeat(found.label)) if is_long else ())]
    if not thresholds:
        return "\n".join(lines)
    kind = "pop? " if found.label == "uncertain" else "pop  "
    return "\n".join([
        *lines,
        f"    label: {thresholds}, uncertain between them",
        *(
            f"    {kind if event.is_pop else 'other'} {event.onset_s:9.4f} s  p {event.p_pop:.2f}  "
            f"{event.duration_ms:4.1f} ms  peak {event.peak_hz:5.0f} Hz  centroid {event.centroid_hz:5.0f} Hz  "
            f"{event.snr_db:4.1f} dB above the noise floor{_channels(event)}"
            for event in found.events
        ),
    ])  # fmt: skip


def _thrust(burst: Burst, label: str) -> str:
    pops = f"{burst.n_pops:2d} {'uncertain ' if label == 'uncertain' else ''}pop{'' if burst.n_pops == 1 else 's'}"
    return f"    {clock(burst.start_s):>13}  {pops:{18 if label == 'uncertain' else 8}}  p {burst.p_pop:.2f}"


def _channels(event: Event) -> str:
    """Return the louder channel of two, and how the sound differs between them."""
    if not event.found_on:
        return event.channel and f"  channel {event.channel}"
    place = "found on both channels" if event.found_on == "both" else f"found on channel {event.found_on} only"
    words = [place]
    level_db, arrival_ms = event.level_difference_db, event.arrival_difference_ms
    if level_db is not None:
        least = "" if event.found_on == "both" else "at least "
        words.append(f"{least}{abs(level_db):.1f} dB louder on {'1' if level_db >= 0 else '2'}")
    if arrival_ms is not None:
        words.append(f"{abs(arrival_ms):.2f} ms earlier on {'1' if arrival_ms >= 0 else '2'}")
    return "  " + ", ".join(words)


def _row(verdict: Verdict, *, events: bool) -> dict[str, Any]:
    """Return the same as an object."""
    row: dict[str, Any] = {"file": verdict.file, "status": verdict.status}
    found = verdict.detection
    if found is None:
        return row | {"error": verdict.error}
    onsets = [round(onset, 6) for onset in found.onsets_s]
    values = to_json(found) | {"n_pops": found.n_pops, "pops_s": onsets, "snr_db": found.snr_db}
    names = ("label", "p_pop", "n_pops", "pops_s", "snr_db", "duration_s", "sample_rate_hz", "channels", "quality")
    row |= _rounded({name: values[name] for name in names})
    row["bursts"] = [_rounded(burst) for burst in to_json(found.bursts)]
    return row | ({"events": [_rounded(event) for event in values["events"]]} if events else {})


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: round(row[name], n) for name, n in _DIGITS.items() if row.get(name) is not None}
