"""Pictures as SVG that take their colours from the page's style sheet. The report's adapter of matplotlib.

A picture is drawn in placeholder colours, which become ``var(--name)`` of the page, so that one picture serves light
and dark screens and paper. Letters are drawn as paths and look the same everywhere; screen readers use the text in
``title`` and ``desc``. The same drawing gives the same bytes.
"""

from __future__ import annotations

import io
import re
from typing import Any, Final
from xml.etree import ElementTree

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# placeholder colours; the style sheet of the page defines the real ones
INK, FAINT, POP, NO_POP, UNCERTAIN, PAPER, BAND, ACCENT = (f"#0{n}0{n}0{n}" for n in range(1, 9))
_NAMES: Final = {
    INK: "ink", FAINT: "faint", POP: "pop", NO_POP: "no-pop", UNCERTAIN: "uncertain", PAPER: "paper", BAND: "band",
    ACCENT: "mark",
}  # fmt: skip
COLOURS: Final = {"pop": POP, "no_pop": NO_POP, "uncertain": UNCERTAIN}
LINES: Final = {"pop": "-", "no_pop": "--", "uncertain": ":"}
MARKERS: Final = {"pop": "o", "no_pop": "s", "uncertain": "D"}
HATCHES: Final = {"pop": "", "no_pop": "////", "uncertain": "xxxx"}
WIDTH_IN: Final = 7.0

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_STYLE: Final[dict[str, Any]] = {
    "svg.fonttype": "path", "font.size": 10.0, "font.family": "DejaVu Sans", "text.color": INK, "axes.edgecolor": FAINT,
    "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.facecolor": "none", "grid.color": FAINT,
    "figure.facecolor": "none", "savefig.facecolor": "none", "axes.spines.top": False, "axes.spines.right": False,
    "hatch.linewidth": 0.8, "axes.titlesize": 10.0, "axes.linewidth": 0.8, "text.parse_math": False,
    "image.composite_image": False,
}  # fmt: skip

__all__ = [
    "ACCENT", "BAND", "COLOURS", "FAINT", "HATCHES", "INK", "LINES", "MARKERS", "NO_POP", "PAPER", "POP", "UNCERTAIN",
    "WIDTH_IN", "Figure", "drawn", "style",
]  # fmt: skip


def style(name: str) -> Any:
    """Return the context for drawing one picture; `name` makes its ids unique on the page."""
    settings: dict[Any, Any] = {**_STYLE, "svg.hashsalt": f"popdetect {name}"}
    return rc_context(settings)


def drawn(figure: Figure, name: str, title: str, description: str) -> str:
    """Convert a figure to SVG, within `style` of the same name.

    Parameters
    ----------
    name : str
        Letters and hyphens; unique on the page.
    title, description : str
        What it is, and what it shows in words with figures; plain text.

    Returns
    -------
    str
        An ``svg`` element for HTML.
    """
    out = io.BytesIO()
    FigureCanvasSVG(figure)
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(out.getvalue())
    _pruned(root)
    _own_ids(root, name)
    for element in root.iter():  # CSS variables work in style attributes only
        for attribute in ("fill", "stroke"):
            if element.get(attribute) in _NAMES:
                element.set(
                    "style", f"{attribute}: {element.attrib.pop(attribute)}; {element.get('style', '')}".strip("; ")
                )
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    accessible = {"role": "img", "aria-labelledby": f"{name}-title {name}-desc", "class": "drawing"}
    root.attrib.update(accessible)
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(place, element)
    text = ElementTree.tostring(root, encoding="unicode")
    for placeholder, colour in _NAMES.items():
        text = text.replace(f": {placeholder}", f": var(--{colour})")
    return text


def _pruned(root: ElementTree.Element) -> None:
    """Remove metadata, and the style sheet, which would apply to the whole page."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)


def _own_ids(root: ElementTree.Element, name: str) -> None:
    """Make ids unique on the page; remove those that nothing refers to."""
    link = f"{{{_XLINK}}}href"
    used = set()
    for element in root.iter():
        for value in element.attrib.values():
            used.update(re.findall(r"url\(#([^)]+)\)", value))
        if element.get(link, "").startswith("#"):
            used.add(element.get(link, "")[1:])
    for element in root.iter():
        own = element.get("id")
        if own is not None:
            if own in used:
                element.set("id", f"{name}-{own}")
            else:
                del element.attrib["id"]
        for key, value in element.attrib.items():
            if "url(#" in value:
                element.set(key, value.replace("url(#", f"url(#{name}-"))
        if element.get(link, "").startswith("#"):
            element.set(link, f"#{name}-{element.get(link, '')[1:]}")
