#!/usr/bin/env python3
"""Measure false pops in thousands of recorded voices that the model was not trained on.

The voices are in Debian packages: telephone prompts from studios, and letters and words that volunteers spoke at home
for children's programs, with their own microphones, breath and mouth clicks. Clipped recordings are counted apart.
apt-get downloads the packages (223 MB) into the folder of --keep, or into a temporary one; nothing is installed. Takes
about five minutes.

Example
-------
scripts/benchmarks/voices.py --json models/voices.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import false_pops
from corpus import made_by
from popdetect.detection.detector import Detector
from popdetect.detection.model import bundle
from popdetect.session.files import write_text

TELEPHONE, HOME = "telephone prompts, 8 kHz", "letters and words, spoken at home"
PACKAGES = {
    **{f"asterisk-core-sounds-{language}-wav": TELEPHONE for language in ("en", "es", "fr", "it", "ru")},
    "klettres-data": HOME,
    "ktuberling-data": HOME,
}
SUFFIXES = (".wav", ".ogg", ".opus")


def main() -> int:
    """Download, process, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the packages there for the next time")
    parser.add_argument("--model", metavar="BUNDLE", help="default: the shipped one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")
    args = parser.parse_args()
    model = bundle.load(args.model)
    with tempfile.TemporaryDirectory(prefix="popdetect-voices-") as folder:
        results, refused = [], 0
        for package, kind in PACKAGES.items():
            files = recordings(fetched(package, args.keep or Path(folder)))
            for verdict in Detector(model).verdicts([(path, path.name) for path in files]):
                if verdict.detection is None:
                    refused += 1
                    continue
                found, pops = verdict.detection, verdict.detection.pops
                name = f"{kind}, clipped" if "clipped" in found.quality else kind
                results.append(false_pops.result(name, found.label, len(pops), found.duration_s))
                if pops:
                    print(f"  {package} {verdict.file}: {', '.join(f'{pop.onset_s:.3f} s' for pop in pops)}")
    rows = false_pops.table(results)
    false_pops.print_table(f"by {model.title}; {refused} more could not be processed", rows)
    if args.json:
        about = (
            f"Voices of Debian's packages {', '.join(PACKAGES)}, tested with this model, which was not trained on any "
            f"of them; {refused} more are cut off, silent or too short"
        )
        write_text(args.json, json.dumps({"about": about, **made_by(), "false_pops": rows}, indent=1) + "\n")
    return 0


def fetched(package: str, folder: Path) -> Path:
    """Return the unpacked files of a package; download it unless it is there."""
    unpacked = folder / package
    if unpacked.is_dir():
        return unpacked
    folder.mkdir(parents=True, exist_ok=True)
    print(f"fetching {package}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:  # an interrupted download must not look complete
        _run("apt-get", "-qq", "download", package, at=place)
        (archive,) = Path(place).glob("*.deb")
        _run("dpkg-deb", "-x", archive.name, package, at=place)
        (Path(place) / package).rename(unpacked)
    return unpacked


def _run(*command: str, at: str) -> None:
    try:
        done = subprocess.run(command, cwd=at, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit(f"voices: {command[0]} is not installed; the packages are Debian's and need its tools")
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        sys.exit(f"voices: {' '.join(command)} failed: {said[-1] if said else 'no word why'}; apt-get update may help")


def recordings(folder: Path) -> list[Path]:
    """Return the sound files below `folder`, each once: packages link one voice under several names."""
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and not path.is_symlink())


if __name__ == "__main__":
    sys.exit(main())
