"""Pictures as SVG that take their colours from the page's style sheet. The report's adapter of matplotlib.

A picture is drawn in placeholder colours, which become ``var(--name)`` of the page, so that one picture serves light
and dark screens and paper. Letters are drawn as paths and look the same everywhere; screen readers use the text in
``title`` and ``desc``. The same drawing gives the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Figure  # for the modules that draw

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

_SVG: Final = "http://www.w3.org/2000/svg"
_STYLE: Final[dict[str, Any]] = {
    "svg.fonttype": "path", "font.size": 10.0, "font.family": "DejaVu Sans", "text.color": INK, "axes.edgecolor": FAINT,
    "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.facecolor": "none", "grid.color": FAINT,
    "figure.facecolor": "none", "savefig.facecolor": "none", "axes.spines.top": False, "axes.spines.right": False,
    "hatch.linewidth": 0.8, "axes.titlesize": 10.0, "axes.linewidth": 0.8, "text.parse_math": False,
    "image.composite_image": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, or the reason why there is none.

    Attributes
    ----------
    svg : str
        Markup; empty if there is nothing to draw.
    words : str
        What it shows, with figures.
    """

    title: str
    words: str
    svg: str = ""
    how_to_read: str = ""


def drawn(
    name: str, title: str, words: str, draw: Callable[[Figure], None], height_in: float = 3.6, **options: Any
) -> str:
    """Draw a figure and convert it to SVG.

    Parameters
    ----------
    name : str
        Letters and hyphens; makes the ids unique on the page.
    title, words : str
        What it is, and what it shows in words with figures; plain text.
    draw : callable
        Draws on the figure, which has the width of the page.
    height_in : float
        In inches.
    **options
        Of the figure.

    Returns
    -------
    str
        An ``svg`` element for HTML.
    """
    out = io.BytesIO()
    settings: dict[Any, Any] = {**_STYLE, "svg.hashsalt": f"popdetect {name}"}
    with rc_context(settings):
        figure = Figure(**{"figsize": (WIDTH_IN, height_in), "layout": "constrained", **options})
        draw(figure)
        FigureCanvasSVG(figure)
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(_own_ids(out.getvalue().decode(), name))
    for element in list(root.iter()):
        for child in list(element):  # a style sheet would apply to the whole page
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                element.remove(child)
        for attribute in ("fill", "stroke"):  # CSS variables work in style attributes only
            if element.get(attribute) in _NAMES:
                colour = f"{attribute}: {element.attrib.pop(attribute)}; {element.get('style', '')}"
                element.set("style", colour.strip("; "))
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib.update({"role": "img", "aria-labelledby": f"{name}-title {name}-desc", "class": "drawing"})
    for place, (tag, text) in enumerate((("title", title), ("desc", words))):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(place, element)
    text = ElementTree.tostring(root, encoding="unicode")
    for placeholder, colour in _NAMES.items():
        text = text.replace(f": {placeholder}", f": var(--{colour})")
    return text


def _own_ids(svg: str, name: str) -> str:
    """Make ids unique on the page; remove those that nothing refers to."""
    used = set(re.findall(r"""(?:url\(#|href="#)([^)"]+)""", svg))
    svg = re.sub(r"""(url\(#|href="#)""", rf"\g<1>{name}-", svg)
    return re.sub(r' id="([^"]*)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", svg)
