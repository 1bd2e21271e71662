#!/usr/bin/env python3
"""Retrain on one's own labelled clips: the same call as `popdetect train`.

Example: scripts/retrain.py session_07/labels.csv --out models/ours
"""

import sys

from popdetect.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
