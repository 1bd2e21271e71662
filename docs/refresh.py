#!/usr/bin/env python3
"""Run the documents and write their outputs as they are now. Read the difference before you commit it.

Without a name: README.md, every page and every notebook of docs/. Also writes the tables of columns in docs/formats.md.

Example: python docs/refresh.py docs/howto/study.md
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "docs"), str(ROOT / "src"), str(ROOT / "docs")]

import documents  # noqa: E402

import column_tables  # noqa: E402


def main() -> int:
    """Refresh the documents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    args = parser.parse_args()
    for path in args.files or [*documents.PAGES, *documents.NOTEBOOKS]:
        with tempfile.TemporaryDirectory() as folder:
            refresh = documents.refresh_notebook if path.suffix == ".ipynb" else documents.refresh_document
            new = column_tables.filled(refresh(path.resolve(), Path(folder)))
        if new != path.read_text(encoding="utf-8"):
            path.write_text(new, encoding="utf-8")
            print(f"changed: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
