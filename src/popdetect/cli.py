"""The command line: a command parses, makes one call, prints.

Results go to standard output, words and progress to standard error. Rooms are imported inside the command that needs
them, so that ``popdetect classify`` loads numpy and soundfile and nothing else, and ``--version`` not even those.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from popdetect import __version__
from popdetect.errors import PopdetectError, UsageError
from popdetect.options import NOTE, parser
from popdetect.records import Verdict

if TYPE_CHECKING:
    from popdetect.sessions.summary import Summary

SCHEMA_VERSION = 1
FAILED_SOME, FAILED_ALL, INTERRUPTED = 3, 4, 130
_COLOURS = {"pop": "1;33", "no_pop": "2", "uncertain": "1;36"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code.

    0 done, 1 internal error, 2 wrong use, 3 some inputs failed, 4 nothing readable, 5 model unfit, 130 interrupted.
    """
    # before numpy is loaded: its threads cost start-up and memory, and gain nothing on matrices this small
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    args = _parser().parse_args(argv)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except PopdetectError as error:
        print(f"popdetect: {_one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("popdetect: interrupted; what was finished is kept, the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # the reader went away (`| head`): not our failure; keep Python from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # rooms turn the errors of files they know into their own; what is left is where the output goes
        print(f"popdetect: the output cannot be written: {error.strerror or error}", file=sys.stderr)
        return UsageError.exit_code
    except Exception as error:
        if os.environ.get("POPDETECT_DEBUG"):
            raise
        print(
            f"popdetect: an error of our own, not of yours: {type(error).__name__}: {_one_line(str(error))}; "
            "POPDETECT_DEBUG=1 shows where",
            file=sys.stderr,
        )
        return 1


# --- commands -------------------------------------------------------------------------------------------------------


def classify(args: argparse.Namespace) -> int:
    """Judge files, one row each."""
    from popdetect.hearing.bundle import load
    from popdetect.hearing.detector import Detector

    if args.files.count("-") > 1:
        raise UsageError("standard input (-) can be read once; it was named more than once")
    pictures = _picture_paths(args.plot, args.files) if args.plot else {}
    detector = Detector(load(args.model), args.operating_point)
    width = min(max(len(_one_line(file)) for file in args.files), 48)
    if not args.json and not args.quiet:
        print(f"{'file':{width}}  {'label':9}  p_pop  pops  onsets (s)")
    n_failed = 0
    for file in args.files:
        piped = _standard_input() if file == "-" else b""
        verdict = detector.verdict(io.BytesIO(piped) if file == "-" else file, file, hash_file=args.json)
        n_failed += verdict.detection is None
        if args.json:
            print(json.dumps(_as_dict(verdict, detector, events=args.events), ensure_ascii=False))
        else:
            _print_verdict(verdict, width, events=args.events)
        if file in pictures and verdict.detection is not None:
            _plot(io.BytesIO(piped) if file == "-" else file, pictures[file], verdict)
    return 0 if not n_failed else FAILED_SOME if n_failed < len(args.files) else FAILED_ALL


def label(args: argparse.Namespace) -> int:
    """Label a folder."""
    from popdetect.sessions import batch

    formats = tuple(name for name in (args.formats or "").replace(" ", "").split(",") if name)
    with _progress("clips", args) as on_progress:
        summary = batch.label(
            args.folder,
            out=args.out,
            model=args.model,
            operating_point=args.operating_point,
            formats=formats,
            jobs=args.jobs,
            force=args.force,
            on_progress=on_progress,
        )
    for name, error in summary.unlisted:
        _say(args, f"could not look into {_one_line(name)}: {error}")
    if args.json:
        print(json.dumps(_summary_dict(summary), ensure_ascii=False))
    elif not args.quiet:
        print(_summary_text(summary))
    if summary.n_failed == summary.n_clips:
        return FAILED_ALL
    return FAILED_SOME if summary.n_failed or summary.unlisted else 0


def train(args: argparse.Namespace) -> int:
    """Retrain on labelled clips."""
    from popdetect.hearing.bundle import load
    from popdetect.learning import comparison, retraining, truth
    from popdetect.learning.card import figure

    truths = truth.read_labels(args.labels)
    current = load(args.current)
    with _stages(args) as on_progress:
        done = retraining.train(
            truths,
            args.out,
            current=current,
            name=args.name,
            seed=args.seed,
            allow_ungrouped=args.allow_ungrouped,
            force=args.force,
            on_progress=on_progress,
        )
    compared = done.comparison
    for file, error in done.left_out:
        _say(args, f"left out {_one_line(file)}: {error}")
    if args.json:
        report = {
            "schema_version": SCHEMA_VERSION,
            "bundle": str(done.out),
            "model": done.model.title,
            "model_sha256": done.model.sha256,
            "adopt": compared.adopt,
            "advice": compared.advice,
            "new": compared.new.to_dict(),
            "current": compared.current.to_dict() if compared.current else None,
            "classifiers": done.contests,
            "left_out": [list(pair) for pair in done.left_out],
        }
        print(json.dumps(report, ensure_ascii=False))
        return FAILED_SOME if done.left_out else 0
    before = comparison.figures(compared.current) if compared.current else {}
    print(f"{'held-out clips, whole patients at a time':50}  {'new model':24}  current model ({current.title})")
    for name, value in comparison.figures(compared.new).items():
        print(f"{name:50}  {figure(value):24}  {figure(before[name]) if name in before else ''}".rstrip())
    print(f"\n{compared.advice}\nWritten: {done.out} (CARD.md says all of it). Use it with --model {done.out}")
    print("Figures from simulated sound are not clinical accuracy.")
    return FAILED_SOME if done.left_out else 0


def evaluate(args: argparse.Namespace) -> int:
    """Score a model against the truth."""
    from popdetect.hearing.bundle import load
    from popdetect.hearing.detector import Detector
    from popdetect.learning import evaluation, truth

    truths = truth.read_labels(args.truth)
    detector = Detector(load(args.model), args.operating_point)
    with _progress("clips", args) as on_progress:
        result = evaluation.evaluate(truths, detector, on_progress=on_progress, seed=args.seed)
    if args.json:
        report = {"schema_version": SCHEMA_VERSION, "model": detector.model.title, **result.to_dict()}
        print(json.dumps(report, ensure_ascii=False))
    else:
        print(evaluation.as_text(result, by_group=args.by_group))
    return FAILED_SOME if result.failed else 0


def simulate(args: argparse.Namespace) -> int:
    """Make a session folder with known truth."""
    from popdetect.learning import sessions
    from popdetect.learning.scenes import SceneRule

    rule = SceneRule(
        duration_s=args.seconds,
        pop_share=args.pop_share,
        max_pops=args.max_pops,
        max_distractors=args.max_distractors,
        rates_hz=(args.rate,),
    )
    with _progress("clips", args) as on_progress:
        made = sessions.simulate(
            args.out,
            n_clips=args.clips,
            n_patients=args.patients,
            seed=args.seed,
            rule=rule,
            sounds=args.sounds,
            role=args.role,
            on_progress=on_progress,
        )
    if args.json:
        print(json.dumps({"folder": str(made.folder), "clips": made.n_clips, "pops": made.n_pops}, ensure_ascii=False))
    elif not args.quiet:
        print(
            f"{made.folder}: {made.n_clips} clips, {made.n_pop_clips} of them with {made.n_pops} pops; "
            f"the truth is in {made.folder / 'labels.csv'}\nNext: popdetect label {made.folder}"
        )
    return 0


def model_show(args: argparse.Namespace) -> int:
    """Print the card."""
    from popdetect.hearing import bundle

    model = bundle.load(args.bundle)
    if args.json:
        print(json.dumps(model.info, ensure_ascii=False))
        return 0
    card = (Path(args.bundle) if args.bundle else bundle.shipped()) / "CARD.md"
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{card}: the card cannot be read; `--json` prints model.json") from None
    print(text)
    return 0


def model_verify(args: argparse.Namespace) -> int:
    """Check a bundle."""
    from popdetect.hearing import bundle

    model, worst, n_rows = bundle.verify(args.bundle)
    if args.json:
        print(json.dumps({"model": model.title, "sha256": model.sha256, "parity": worst, "rows": n_rows}))
    else:
        print(
            f"{model.title} is whole: hashes match, probabilities equal scikit-learn's to {worst:.1e} on {n_rows} rows"
        )
    return 0


def demo(args: argparse.Namespace) -> int:
    """Simulate a session, label it, compare with the truth."""
    from popdetect.hearing.bundle import load
    from popdetect.hearing.detector import Detector
    from popdetect.learning import evaluation, sessions, truth
    from popdetect.sessions import batch

    folder: Path = args.out
    if not (folder / "simulation.json").is_file():
        _say(args, f"making a session of 24 clips in {folder}")
        with _progress("clips", args) as on_progress:
            sessions.simulate(folder, n_clips=24, n_patients=6, seed=1, on_progress=on_progress)
    with _progress("clips", args) as on_progress:
        summary = batch.label(folder, formats=("audacity",), on_progress=on_progress)
    if args.json:
        print(json.dumps(_summary_dict(summary), ensure_ascii=False))
        return 0
    truths = truth.read_labels(folder)
    scored = evaluation.evaluate(truths, Detector(load()))
    right = {clip.file: clip for clip in scored.clips}
    print(f"{'file':20}  {'label':9}  p_pop  pops  truth")
    for file, clip in right.items():
        true = len(clip.true_onsets_s or ())
        print(
            f"{file:20}  {_painted(clip.label)}  {clip.p_pop:5.2f}  {len(clip.found_onsets_s):4d}  {true or 'no'} pops"
        )
    print(f"\n{_summary_text(summary)}")
    print(f"\nA picture: popdetect classify {folder / truths[0].file} --plot pop.png")
    print(f"How good:  popdetect evaluate {folder}")
    print(f"This session is simulated: its figures are not clinical accuracy. {NOTE}")
    return 0


# --- printing -------------------------------------------------------------------------------------------------------


def _print_verdict(verdict: Verdict, width: int, *, events: bool) -> None:
    name = _one_line(verdict.file)
    found = verdict.detection
    if found is None:
        print(f"{name:{width}}  {verdict.status:9}  {'':5}  {'':4}  {_one_line(verdict.error)}")
        return
    onsets = " ".join(f"{event.onset_s:.4f}" for event in found.pops)
    flags = f"  [{', '.join(found.quality)}]" if found.quality else ""
    print(
        f"{name:{width}}  {_painted(found.label)}  {found.p_pop:5.2f}  {len(found.pops):4d}  {onsets}{flags}".rstrip()
    )
    if events:
        for event in found.events:
            side = f"  channel {event.channel}" if event.channel else ""
            print(
                f"    {'pop  ' if event.is_pop else 'other'} {event.onset_s:9.4f} s  p {event.p_pop:.2f}  "
                f"{event.duration_ms:4.1f} ms  peak {event.peak_hz:5.0f} Hz  centroid {event.centroid_hz:5.0f} Hz  "
                f"{event.snr_db:4.1f} dB above the floor{side}"
            )


def _as_dict(verdict: Verdict, detector: Any, *, events: bool) -> dict[str, Any]:
    found = verdict.detection
    row: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "file": verdict.file, "status": verdict.status}
    if found is not None:
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
            row["events"] = [
                {
                    "onset_s": round(event.onset_s, 6),
                    "p_pop": round(event.p_pop, 6),
                    "is_pop": event.is_pop,
                    "duration_ms": round(event.duration_ms, 3),
                    "peak_hz": round(event.peak_hz, 1),
                    "centroid_hz": round(event.centroid_hz, 1),
                    "snr_db": round(event.snr_db, 2),
                    "channel": event.channel,
                }
                for event in found.events
            ]
    else:
        row["error"] = verdict.error
    row |= {
        "operating_point": detector.operating_point,
        "model": detector.model.title,
        "model_sha256": detector.model.sha256,
        "popdetect_version": __version__,
        "sha256": verdict.sha256,
    }
    return row


def _summary_text(summary: Summary) -> str:
    counts = summary.n_by_label
    lines = [
        f"{summary.n_clips} clips: {counts['pop']} pop ({summary.n_pops} pops), {counts['no_pop']} no pop, "
        f"{counts['uncertain']} uncertain, {summary.n_failed} failed"
        + (f"; {summary.n_skipped} were done before" if summary.n_skipped else "")
    ]
    lines += [f"  failed: {_one_line(file)}: {_one_line(error)}" for file, error in summary.failed[:5]]
    if summary.n_failed > 5:
        lines.append(f"  … and {summary.n_failed - 5} more, see column error")
    if summary.uncertain:
        shown = ", ".join(_one_line(file) for file in summary.uncertain[:3])
        more = f" … and {len(summary.uncertain) - 3} more" if len(summary.uncertain) > 3 else ""
        lines.append(f"  worth a listen (uncertain): {shown}{more}")
    lines += [f"  {path}" for path in summary.written]
    return "\n".join(lines)


def _summary_dict(summary: Summary) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "folder": str(summary.folder),
        "out": str(summary.out),
        "n_clips": summary.n_clips,
        "n_new": summary.n_new,
        "n_skipped": summary.n_skipped,
        **{f"n_{name}": n for name, n in summary.n_by_label.items()},
        "n_failed": summary.n_failed,
        "n_pops": summary.n_pops,
        "seconds": round(summary.seconds, 3),
        "failed": [{"file": file, "error": error} for file, error in summary.failed],
        "uncertain": list(summary.uncertain),
        "written": [str(path) for path in summary.written],
    }


def _painted(word: str) -> str:
    padded = f"{word:9}"
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return padded
    return f"\x1b[{_COLOURS[word]}m{padded}\x1b[0m"


def _one_line(text: str) -> str:
    """Text that stays on its line, whatever a file is called."""
    legible = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in legible)


def _say(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        print(f"popdetect: {text}", file=sys.stderr)


@contextmanager
def _progress(unit: str, args: argparse.Namespace) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar with rate and time left, on a terminal only."""
    if args.quiet or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(unit=f" {unit}", file=sys.stderr, leave=False, dynamic_ncols=True) as bar:

        def on_progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield on_progress


@contextmanager
def _stages(args: argparse.Namespace) -> Iterator[Callable[[str, int, int], None] | None]:
    """The same for work of several stages."""
    with _progress("steps", args) as step:
        if step is None:
            yield None
            return
        yield lambda what, done, total: step(done, total)


def _picture_paths(plot: Path, files: Sequence[str]) -> dict[str, Path]:
    """Where each file's picture goes: the path itself for one file, a folder for several."""
    if len(files) == 1 and not plot.is_dir():
        if plot.suffix.lower() != ".png":
            raise UsageError(f"{plot}: pictures are PNG files; give a name that ends in .png")
        return {files[0]: plot}
    if plot.suffix.lower() == ".png" and not plot.is_dir():
        raise UsageError(f"{plot}: {len(files)} files need {len(files)} pictures; name a folder instead")
    try:
        plot.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{plot}: the folder for pictures cannot be made: {error.strerror or error}") from error
    names = [Path(file).name for file in files]
    # clips of one name in two folders keep the folders in the names of their pictures
    unique = [
        name if names.count(name) == 1 else "_".join(Path(file).parts[-2:])
        for name, file in zip(names, files, strict=True)
    ]
    return {file: plot / f"{name if file != '-' else 'stdin'}.png" for name, file in zip(unique, files, strict=True)}


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise UsageError("there is no standard input to read from")
    return sys.stdin.buffer.read()


def _plot(source: str | io.BytesIO, target: Path, verdict: Verdict) -> None:
    from popdetect.hearing import audio
    from popdetect.sessions import picture

    samples, rate_hz = audio.read(source)
    assert verdict.detection is not None
    picture.save(target, picture.draw(samples, rate_hz, verdict.detection, _one_line(Path(verdict.file).name)))


def _parser() -> argparse.ArgumentParser:
    return parser(
        {
            "classify": classify,
            "label": label,
            "train": train,
            "evaluate": evaluate,
            "simulate": simulate,
            "model show": model_show,
            "model verify": model_verify,
            "demo": demo,
        }
    )
