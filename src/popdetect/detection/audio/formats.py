"""Names of files that may be recordings: the one table, by the extension.

A file with such a name is a row of ``clips.csv``, whether or not this computer can decode it. What is in the file
decides how it is decoded, not its name. A new format is one entry here.
"""

from __future__ import annotations

import os

# Name of the format, and the extensions of its files.
_EXTENSIONS = {
    # recorders and computers
    "wav": ".wav .wave .bwf .rf64 .bw64",
    "w64": ".w64",
    "flac": ".flac",
    "aiff": ".aif .aiff .aifc",
    "caf": ".caf",
    "au": ".au .snd",
    "mp3": ".mp3 .mp2 .mpga",
    "ogg": ".ogg .oga .spx",
    "opus": ".opus",
    # phones and video
    "m4a": ".m4a .m4b .m4p .m4r",
    "mp4": ".mp4 .m4v .f4v",
    "mov": ".mov .qt",
    "3gp": ".3gp .3gpp .3ga .3g2",
    "aac": ".aac .adts",
    "amr": ".amr .awb",
    "webm": ".webm .weba",
    "matroska": ".mka .mkv",
    "ogg video": ".ogv .ogx",
    "wma": ".wma .wmv .asf",
    "avi": ".avi",
    "mpeg": ".mpg .mpeg .vob .mts .m2ts .ts",
    "flash video": ".flv",
    "mxf": ".mxf",
    # dictation machines
    "dss": ".dss .ds2",
    "sony voice": ".dvf .msv",
    # others
    "wavpack": ".wv",
    "monkey's audio": ".ape",
    "true audio": ".tta",
    "musepack": ".mpc",
    "tak": ".tak",
    "shorten": ".shn",
    "ac3": ".ac3 .eac3",
    "dts": ".dts",
    "dsd": ".dsf .dff",
    "realaudio": ".ra .rm",
    "gsm": ".gsm",
    "nist sphere": ".sph .nist",
    "voc": ".voc",
    "iff": ".8svx .iff .svx",
    "avr": ".avr",
    "ircam": ".sf .ircam",
    "paf": ".paf .fap",
    "pvf": ".pvf",
    "sds": ".sds",
    "xi": ".xi",
    "raw samples": ".raw .pcm",
}

FORMATS = {one: name for name, several in _EXTENSIONS.items() for one in several.split()}
EXTENSIONS = frozenset(FORMATS)
_USUAL = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".mp4")
LOOKED_FOR = f"{', '.join(_USUAL)} and {len(FORMATS) - len(_USUAL)} other extensions of recordings"


def extension(name: str) -> str:
    """Return the extension of a file name, in lower case and with its dot; empty if it has none."""
    base = os.path.basename(name)  # noqa: PTH119  # names, not paths: `Path` costs more than the listing of a folder
    return base[base.rfind(".") :].strip().lower() if "." in base else ""


def format_of(name: str) -> str:
    """Return the format that the name of a file promises, such as ``wav``; empty if it promises no sound."""
    return FORMATS.get(extension(name), "")
