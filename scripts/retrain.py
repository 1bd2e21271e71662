#!/usr/bin/env python3
"""Retrain on your own labelled clips: the same as `popdetect train`. Takes some minutes.

Example
-------
scripts/retrain.py session_07/labels.csv --out models/ours
"""

import sys

from popdetect.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
