#!/usr/bin/env python3
"""Draw the packages of popdetect and the imports between them, read from the source code. Writes an SVG file.

A box is a package; inside it are its sub-packages, each with its number of modules and lines. An arrow goes from a
package to a package that it imports. Imports go down only (the import contract in pyproject.toml).

Example: python docs/package_picture.py docs/packages.svg
"""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "popdetect"
LAYERS = {
    "cli": "one module per command",
    "app": "review page",
    "study": "pops and pain",
    "training": "labelled clips to a model",
    "session": "a labelled folder",
    "detection": "sound to label",
    "records, errors": "data and errors that all packages share",
}
COLOURS = ("#b2182b", "#762a83", "#1b7837", "#b35806", "#2166ac", "#444444")
WIDTH, BOX, ROW, HEIGHT = 860, 560, 78, 58


def package_of(name: str) -> str:
    """Return the box that a module belongs to: the first part of its name below popdetect."""
    first = name.removeprefix("popdetect").lstrip(".").split(".")[0]
    return first if first in LAYERS else "records, errors"


def imports(source: Path) -> dict[tuple[str, str], int]:
    """Count the imports between packages: pairs of importing and imported package."""
    found: dict[tuple[str, str], int] = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).parts
        if len(parts) == 1:
            continue  # records and errors import no package; __init__ and __main__ are entrances
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module] if node.module != "popdetect" else [f"popdetect.{a.name}" for a in node.names]
            for name in names:
                pair = (parts[0], package_of(name))
                if name.split(".")[0] == "popdetect" and pair[0] != pair[1]:
                    found[pair] = found.get(pair, 0) + 1
    return found


def contents(source: Path, layer: str) -> list[tuple[str, int, int]]:
    """List the parts of a package: name, number of modules, number of lines."""
    found: dict[str, tuple[int, int]] = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).parts
        if len(parts) == 1:
            part, own = parts[0].removesuffix(".py"), layer not in source_packages(source)
            if not own or part.startswith("__"):
                continue
        elif parts[0] != layer:
            continue
        else:
            part = parts[1] if len(parts) > 2 else ""
        modules, lines = found.get(part, (0, 0))
        size = len(path.read_text(encoding="utf-8").splitlines())
        found[part] = (modules + (path.name != "__init__.py"), lines + size)
    return [(name, *size) for name, size in sorted(found.items(), key=lambda item: item[0] == "")]


def source_packages(source: Path) -> set[str]:
    """Names of the packages below popdetect."""
    return {path.parent.name for path in source.glob("*/__init__.py")}


def picture(source: Path) -> str:
    """Return the SVG text."""
    places = {layer: 20 + row * ROW for row, layer in enumerate(LAYERS)}
    total = 20 + len(LAYERS) * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" font-family="sans-serif" role="img">',
        "<title>The packages of popdetect and the imports between them</title>",
        f'<rect width="{WIDTH}" height="{total}" fill="white"/>',
    ]
    for layer, y in places.items():
        inside = contents(source, layer)
        modules, lines = sum(part[1] for part in inside), sum(part[2] for part in inside)
        count = f"{modules} module{'' if modules == 1 else 's'}, {lines:,} lines"
        listed = "  ·  ".join(f"{name} {n}" for name, n, _ in inside if name) or ""
        parts += [
            f'<rect x="20" y="{y}" width="{BOX}" height="{HEIGHT}" rx="6" fill="#f3f6fa" stroke="#5a6b7d"/>',
            f'<text x="32" y="{y + 22}" font-size="16" font-weight="bold">{layer}</text>',
            f'<text x="{BOX + 8}" y="{y + 22}" font-size="12" text-anchor="end" fill="#333">{count}</text>',
            f'<text x="32" y="{y + 45}" font-size="12" fill="#333">{LAYERS[layer]}'
            + (f"  |  {listed}" if listed and layer != "records, errors" else "")
            + "</text>",
        ]
    pairs = sorted(
        (list(LAYERS).index(low) - list(LAYERS).index(high), list(LAYERS).index(high), high, low)
        for high, low in imports(source)
        if high in LAYERS
    )
    for order, (_, row, high, low) in enumerate(pairs):
        colour = COLOURS[row % len(COLOURS)]
        x = BOX + 20
        n_arriving = sum(1 for pair in pairs if pair[3] == high)
        leave = places[high] + 10 + 7 * (n_arriving + sum(1 for pair in pairs[:order] if pair[2] == high))
        arrive = places[low] + 10 + 7 * sum(1 for pair in pairs[:order] if pair[3] == low)
        reach = x + 26 + 11 * order
        parts += [
            f'<path d="M{x} {leave} H{reach - 8} Q{reach} {leave} {reach} {leave + 8} V{arrive - 8} '
            f'Q{reach} {arrive} {reach - 8} {arrive} H{x + 7}" fill="none" stroke="{colour}" stroke-width="1.3"/>',
            f'<path d="M{x} {arrive} l8 -3.5 v7 z" fill="{colour}"/>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> int:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="SVG")
    parser.add_argument("--source", type=Path, default=SOURCE, metavar="DIR", help="source code")
    args = parser.parse_args()
    args.out.write_text(picture(args.source), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
