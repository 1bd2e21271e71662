"""The report in a real browser, offline: it draws, obeys its own policy, prints light on pages, and fits a phone."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from report_fakes import browse, chromium, full_study, report

from popdetect.study.report.drawing import COLOURS


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chromium()
    return report(tmp_path_factory.mktemp("browser"), full_study(), title="Study seven")[0].path


def shot(page: Path, *options: str, size: str = "1000,4200") -> np.ndarray:
    """Pixels of the page, 0 to 1, shape (height, width, 3)."""
    from matplotlib.image import imread

    picture = page.with_name("shot.png")
    picture.unlink(missing_ok=True)
    browse(f"--screenshot={picture}", f"--window-size={size}", *options, page.as_uri())
    return np.asarray(imread(picture))[..., :3]


def near(pixels: np.ndarray, colour: str) -> float:
    """Share of pixels of this colour."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return float((np.abs(pixels - wanted).max(axis=2) < 0.02).mean())


def test_it_draws_in_its_colours_light_and_dark(page: Path) -> None:
    css = page.read_text(encoding="utf-8")
    light = shot(page)
    dark = shot(page, "--blink-settings=preferredColorScheme=0")

    assert near(light, "#ffffff") > 0.6
    assert near(dark, "#16181b") > 0.6
    for pixels, order in ((light, 0), (dark, 1)):
        for name in ("pop", "no-pop"):
            colour = re.findall(rf"--{name}: (#\w+);", css)[order]
            assert near(pixels, colour) > 1e-4, (name, order)
    assert near(light, COLOURS["pop"]) == 0  # stand-in colours are nowhere left


def test_nothing_breaks_the_pages_own_policy(page: Path) -> None:
    told = browse("--enable-logging=stderr", "--v=0", "--dump-dom", page.as_uri())

    assert "</html>" in told.stdout
    assert "Content Security Policy" not in told.stderr
    assert "Refused to" not in told.stderr


def test_the_policy_stops_a_script_and_a_picture_from_outside(page: Path) -> None:
    slipped = page.with_name("slipped.html")
    bad = "<script>document.title='run'</script><img src='http://127.0.0.1:9/x.png'><p style='color:red'>"
    slipped.write_text(page.read_text(encoding="utf-8").replace("<main>", f"<main>{bad}"), encoding="utf-8")
    told = browse("--enable-logging=stderr", "--v=0", "--dump-dom", slipped.as_uri())

    assert "<title>Study seven</title>" in told.stdout
    assert "Content Security Policy" in told.stderr


def test_it_prints_light_whatever_the_screen(page: Path) -> None:
    sizes = []
    for options in ([], ["--blink-settings=preferredColorScheme=0"]):
        pdf = page.with_name("report.pdf")
        pdf.unlink(missing_ok=True)
        browse(f"--print-to-pdf={pdf}", "--no-pdf-header-footer", *options, page.as_uri())
        raw = pdf.read_bytes()
        assert raw.startswith(b"%PDF-")
        sizes.append(len(raw))
        n_pages = len(re.findall(rb"/Type\s*/Page\b", raw))
        assert 5 <= n_pages <= 25
    # dark paper would be a painted background on every page: other bytes, and more of them
    assert abs(sizes[0] - sizes[1]) < 200


def test_it_fits_a_phone(page: Path) -> None:
    """Nothing sticks out: what is wide scrolls in its own box, so the margins at both sides stay empty."""
    pixels = shot(page, size="500,6000")

    assert pixels.shape[1] == 500
    assert np.allclose(pixels[:, :8], pixels[0, 0], atol=0.02)
    assert np.allclose(pixels[:, -8:], pixels[0, 0], atol=0.02)
