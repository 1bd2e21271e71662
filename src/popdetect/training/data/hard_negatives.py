"""Simulated hard negatives: short everyday sounds that detectors take for pops.

A pop through the air is over within some milliseconds (see `synthesis`). Each sound here differs from it as the real
sound does: it rings longer, has a low or a narrow resonance, has a slow part of noise, or consists of hundreds of small
bursts. What can be repeated comes 1 to 8 times, in a regular or an accelerating rhythm.

Each function returns float32 at 48 kHz with peak 1. ``decay20_ms`` is the time until 20 dB down. `HARD_NEGATIVES` is
the table; `synthesis.DISTRACTORS` includes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, coloured_noise, shaped

Range = tuple[float, float]
BAR = (1.0, 2.76, 5.40, 8.93)  # partials of a free bar (chime), relative to the lowest
BELL = (0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.67, 3.0, 4.0)  # partials of a tuned bell, relative to the second


def _log(rng: Rng, of: Range) -> float:
    """Draw from a range, log-uniform."""
    return float(np.exp(rng.uniform(np.log(of[0]), np.log(of[1]))))


def _gain(rng: Rng, db: Range) -> float:
    """Draw a gain from a range in dB."""
    return float(10 ** (rng.uniform(*db) / 20))


@dataclass(frozen=True, slots=True)
class _Body:
    """The modes of one object; each strike excites them differently."""

    frequencies_hz: npt.NDArray[np.float64]
    decay20_ms: npt.NDArray[np.float64]

    def struck(self, rng: Rng, rise_ms: float = 0.05, glide: float = 0.0) -> Sound:
        """Return one strike, peak 1; `glide` is the relative rise of the pitch while the sound decays."""
        time_ms = np.arange(int(2.5 * self.decay20_ms.max() * RATE_HZ / 1000) + 48) * (1000 / RATE_HZ)
        sound = np.zeros(len(time_ms))
        for frequency, decay20 in zip(self.frequencies_hz, self.decay20_ms, strict=True):
            pitch = frequency * (1 + glide * np.minimum(time_ms / decay20, 2))
            phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
            sound += float(rng.uniform(0.2, 1)) * 10 ** (-time_ms / decay20) * np.sin(phase)
        return _peak1(sound * (1 - np.exp(-3 * time_ms / rise_ms)))


def _body(rng: Rng, hz: Range, decay20_ms: Range, n_modes: int) -> _Body:
    """Draw an object: log-uniform frequencies, similar decay times."""
    frequencies = np.exp(rng.uniform(np.log(hz[0]), np.log(hz[1]), n_modes))
    return _Body(frequencies, _log(rng, decay20_ms) * np.exp(rng.normal(0, 0.2, n_modes)))


def _peak1(sound: npt.NDArray[np.floating]) -> Sound:
    return np.asarray(sound / max(float(np.abs(sound).max()), 1e-9), np.float32)


def _mixed(*parts: tuple[float, float, Sound]) -> Sound:
    """Add sounds, each given with its start in seconds and its gain; peak 1."""
    starts = [int(start_s * RATE_HZ) for start_s, _, _ in parts]
    out = np.zeros(max(start + len(part[2]) for start, part in zip(starts, parts, strict=True)), np.float32)
    for start, (_, gain, sound) in zip(starts, parts, strict=True):
        out[start : start + len(sound)] += np.float32(gain) * sound
    return _peak1(out)


def _repeated(
    rng: Rng,
    hit: Callable[[], Sound],
    most: int,
    gap_s: Range,
    *,
    jitter: float = 0.1,
    gap_ratio: Range = (1.0, 1.0),
    gain_db: Range = (-10.0, 0.0),
    falling_db: float = 0.0,
) -> Sound:
    """Return 1 to `most` hits.

    The first gap is drawn from `gap_s`. Each later gap is longer by one factor, drawn from `gap_ratio`, and varies by
    `jitter` (relative). Gains are drawn from `gain_db`; each hit is also `falling_db` weaker than the one before.
    """
    gap, ratio, start_s, parts = _log(rng, gap_s), float(rng.uniform(*gap_ratio)), 0.0, []
    for index in range(int(rng.integers(1, most + 1))):
        parts.append((start_s, _gain(rng, gain_db) * 10 ** (-index * falling_db / 20), hit()))
        start_s += max(gap * ratio**index * float(np.exp(rng.normal(0, jitter))), 0.008)
    return _mixed(*parts)


def _noise(rng: Rng, length_s: float, hz: Range, shape: float = 1.0) -> Sound:
    """Return noise of a band that swells and fades; peak 1."""
    n = int(length_s * RATE_HZ)
    swell = np.sin(np.pi * np.linspace(0, 1, n)) ** shape
    return _peak1(shaped(coloured_noise(rng, n, 0), [hz[0] / 2, hz[0], hz[1], 2 * hz[1]], [-30, 0, 0, -30]) * swell)


def finger_tap(rng: Rng) -> Sound:
    """A fingertip on a table, a phone or a couch: a soft low thump and a weak click."""
    surface, skin = _body(rng, (100, 600), (6, 40), 4), _body(rng, (1000, 4000), (0.5, 2.5), 3)
    rise_ms, gain = float(rng.uniform(0.8, 4)), _gain(rng, (-26, -2))

    def hit() -> Sound:
        return _mixed((0, 1, surface.struck(rng, rise_ms)), (0, gain, skin.struck(rng, 0.3)))

    return _repeated(rng, hit, 8, (0.06, 0.5))


def nail_tap(rng: Rng) -> Sound:
    """A fingernail on a surface: a click, and the surface, which rings longer than a pop."""
    surface, nail = _body(rng, (250, 2000), (10, 60), 5), _body(rng, (2000, 8000), (0.5, 3), 3)
    gain = _gain(rng, (-8, 8))

    def hit() -> Sound:
        return _mixed((0, gain, surface.struck(rng, 0.3)), (0, 1, nail.struck(rng)))

    return _repeated(rng, hit, 8, (0.06, 0.4))


def ceramic(rng: Rng) -> Sound:
    """A cup on a saucer, a plate on a plate: few inharmonic modes that ring; the cup often bounces."""
    body = _body(rng, (1200, 9000), (15, 200), int(rng.integers(2, 8)))
    thump, gain = _body(rng, (120, 800), (8, 40), 3), _gain(rng, (-30, 6))

    def hit() -> Sound:
        return _mixed((0, 1, body.struck(rng)), (0, gain, thump.struck(rng, 0.5)))

    return _repeated(rng, hit, 6, (0.02, 0.25), gap_ratio=(0.6, 1.1), falling_db=float(rng.uniform(0, 4)), jitter=0.3)


def lip_smack(rng: Rng) -> Sound:
    """Lips that part: a click with one narrow resonance, and soft wet noise before or after it."""
    lips, gain = _body(rng, (1000, 5000), (2.5, 6), 1), _gain(rng, (-26, -12))

    def hit() -> Sound:
        before_s, after_s = rng.uniform(0.02, 0.08, 2)
        wet = [
            (start_s, gain, _noise(rng, length_s, (800, 6000)))
            for start_s, length_s in ((0.0, before_s), (before_s, after_s))
        ]
        which = int(rng.integers(3))
        return _mixed((before_s, 1, lips.struck(rng, float(rng.uniform(0.3, 1.2)))), *(wet[which : which + 1] or wet))

    return _repeated(rng, hit, 4, (0.15, 0.6))


def lip_plop(rng: Rng) -> Sound:
    """A plop of the lips: one strongly damped resonance with rising pitch."""
    mouth = _body(rng, (350, 1500), (6, 30), 1)
    glide = float(rng.uniform(0.15, 0.8))
    return _repeated(rng, lambda: mouth.struck(rng, float(rng.uniform(0.5, 3)), glide), 5, (0.12, 0.6))


def heels(rng: Rng) -> Sound:
    """Hard heels on a floor: click and thump of the heel, then the weaker toe."""
    floor, heel = _body(rng, (80, 400), (6, 60), 4), _body(rng, (700, 4000), (2, 12), 5)
    lag_s, gain, toe_gain = float(rng.uniform(0.06, 0.14)), _gain(rng, (-12, 3)), _gain(rng, (-16, -2))

    def strike() -> Sound:
        return _mixed((0, 1, floor.struck(rng, 1.0)), (0, gain, heel.struck(rng, 0.3)))

    def step() -> Sound:
        return _mixed((0, 1, strike()), (lag_s, toe_gain, strike()))

    return _repeated(rng, step, 4, (0.35, 0.75), jitter=0.05)


def drip(rng: Rng) -> Sound:
    """A drop of water: a bubble, which is a tone with rising pitch; sometimes the impact, a small click, before it."""
    bubble, glide = _body(rng, (800, 5000), (8, 60), 1), float(rng.uniform(0.02, 0.3))
    lag_s, gain = float(rng.uniform(0.01, 0.06)), _gain(rng, (-26, -8)) * float(rng.random() < 0.5)

    def hit() -> Sound:
        tone = bubble.struck(rng, float(rng.uniform(0.2, 1.5)), glide)
        return _mixed((0, gain, _body(rng, (1500, 9000), (0.4, 2), 4).struck(rng)), (lag_s, 1, tone))

    return _repeated(rng, hit, 8, (0.08, 0.5), jitter=0.3)


def coin(rng: Rng) -> Sound:
    """A coin that falls: high modes that ring; the bounces become faster; sometimes it spins at the end."""
    body = _body(rng, (3000, 14000), (15, 300), int(rng.integers(4, 9)))
    bounces = _repeated(
        rng, lambda: body.struck(rng), 8, (0.06, 0.35), gap_ratio=(0.55, 0.95), falling_db=float(rng.uniform(0.5, 4))
    )
    if rng.random() < 0.7:
        return bounces
    n = int(rng.integers(10, 30))
    starts_s = np.cumsum(_log(rng, (0.03, 0.08)) * float(rng.uniform(0.9, 0.97)) ** np.arange(n))
    spin = [(float(start_s), _gain(rng, (-8, 0)), body.struck(rng, 0.3)) for start_s in starts_s]
    return _mixed((0, 1, bounces), (float(rng.uniform(0.1, 0.4)), _gain(rng, (-15, -3)), _mixed(*spin)))


def bell(rng: Rng) -> Sound:
    """A chime, a bell or a triangle: inharmonic partials with a sharp attack that ring for long."""
    ratios = np.array(BAR if rng.random() < 0.5 else BELL)
    frequencies = _log(rng, (400, 2500)) * ratios * np.exp(rng.normal(0, 0.02, len(ratios)))
    frequencies = frequencies[frequencies < 16000]
    body = _Body(frequencies, _log(rng, (200, 1000)) * (frequencies / frequencies[0]) ** -0.5)
    return _repeated(rng, lambda: body.struck(rng, float(rng.uniform(0.05, 0.5))), 3, (0.15, 0.6))


def ball_pen(rng: Rng) -> Sound:
    """A ball pen pressed and released: two clicks, each of two or three bursts and the ring of the spring."""
    case, spring = _body(rng, (2000, 9000), (0.5, 2.5), 5), _body(rng, (2000, 7000), (8, 30), 2)
    lag_s, gain = _log(rng, (0.04, 0.2)), _gain(rng, (-10, 0))

    def latch() -> Sound:
        at_s = np.cumsum(rng.uniform(0.001, 0.004, int(rng.integers(1, 3))))
        bursts = [(float(start_s), _gain(rng, (-12, 0)), case.struck(rng)) for start_s in (0.0, *at_s)]
        return _mixed((0.0, gain, spring.struck(rng, 0.5)), *bursts)

    return _repeated(rng, lambda: _mixed((0, 1, latch()), (lag_s, _gain(rng, (-8, 0)), latch())), 4, (0.25, 0.8))


def lid(rng: Rng) -> Sound:
    """A plastic lid or box that snaps shut: a click, the hollow box, and a rub before it."""
    box, edge = _body(rng, (250, 2000), (8, 40), 5), _body(rng, (1500, 8000), (0.5, 3), 4)
    gain, rub_gain, rub_s = _gain(rng, (-8, 8)), _gain(rng, (-36, -16)), float(rng.uniform(0.02, 0.2))

    def hit() -> Sound:
        rub = _noise(rng, rub_s, (1000, 8000), 0.5)
        return _mixed((0, rub_gain, rub), (rub_s, gain, box.struck(rng, 0.3)), (rub_s, 1, edge.struck(rng)))

    return _repeated(rng, hit, 3, (0.15, 0.8), jitter=0.3)


def _grains(rng: Rng, at_s: npt.NDArray[np.float64], hz: Range, spread: float) -> Sound:
    """Return small bursts of one material at given times; `spread` is that of their log gains."""
    body = _body(rng, hz, (0.5, 2.5), 5)
    bursts = [body.struck(rng) for _ in range(12)]
    n = len(at_s)
    swell = 0.3 + np.sin(np.pi * np.linspace(0.05, 0.95, n)) ** float(rng.uniform(0.5, 2))
    gains = swell * np.exp(rng.normal(0, spread, n)) * rng.choice([-1, 1], n)
    return _mixed(
        *((float(at), float(gain), bursts[int(rng.integers(12))]) for at, gain in zip(at_s, gains, strict=True))
    )


def velcro(rng: Rng) -> Sound:
    """A hook-and-loop strap: hundreds of small bursts per second at random times."""
    length_s = float(rng.uniform(0.1, 0.6))
    at_s = np.sort(rng.uniform(0, length_s, int(length_s * _log(rng, (300, 1500)))))
    return _grains(rng, at_s, (1000, 10000), float(rng.uniform(0.3, 0.6)))


def paper(rng: Rng) -> Sound:
    """Paper or foil that is creased: small bursts of very different strength, in clusters, over a rustle."""
    length_s = float(rng.uniform(0.15, 0.7))
    centres = rng.uniform(0, length_s, int(rng.integers(2, 6)))
    n = int(length_s * _log(rng, (200, 1000)))
    at_s = np.sort(np.abs(rng.choice(centres, n) + rng.normal(0, float(rng.uniform(0.02, 0.08)), n)))
    crackle = _grains(rng, at_s, (1500, 10000), float(rng.uniform(0.5, 0.8)))
    return _mixed((0, 1, crackle), (0, _gain(rng, (-20, -6)), _noise(rng, length_s, (1000, 9000))))


def zipper(rng: Rng) -> Sound:
    """A zip: one small burst per tooth, regular; the rate follows the hand."""
    length_s = float(rng.uniform(0.15, 0.8))
    n = int(length_s * _log(rng, (150, 500)))
    hand = 1 + float(rng.uniform(0.1, 0.7)) * np.sin(np.pi * np.linspace(0, 1, n) + float(rng.uniform(-0.5, 0.5)))
    at_s = np.cumsum(np.exp(rng.normal(0, 0.1, n)) / hand)
    return _grains(rng, length_s * at_s / at_s[-1], (1500, 10000), float(rng.uniform(0.1, 0.4)))


HARD_NEGATIVES: dict[str, Callable[[Rng], Sound]] = {
    "ball pen": ball_pen, "bell": bell, "ceramic": ceramic, "coin": coin, "drip": drip, "finger tap": finger_tap,
    "heels": heels, "lid": lid, "lip plop": lip_plop, "lip smack": lip_smack, "nail tap": nail_tap, "paper": paper,
    "velcro": velcro, "zipper": zipper,
}  # fmt: skip
