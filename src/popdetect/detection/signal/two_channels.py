"""Two channels of one recording: how a sound differs between them, and whether they hold the same signal.

For each event: on which channels it stands above the background, the difference of its levels in dB, and the difference
of its arrivals in ms. The earlier or louder channel is not the joint that popped: level and arrival also depend on how
each sensor is mounted, and on the path through the body.

Swapping the channels swaps the results exactly. Arrays of snippets have shape (n, 2, size), as `SnippetReader` gives
them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.silence import Samples, SilenceCheck
from popdetect.detection.signal.frames import POWER_FLOOR, Array
from popdetect.detection.signal.onsets import Floats, Ints
from popdetect.detection.signal.refinement import SnippetReader

Complex = npt.NDArray[np.complex128]

# --- one event -------------------------------------------------------------------------------------------------------

FOUND_DB = 12.0  # above the background of a channel, in the event's octave: then it is found on that channel
MAX_ARRIVAL_MS = 3.0  # sensors up to 10 cm apart on the skin, or two microphones up to 1 m apart in air
LEAST_MATCH = 0.75  # correlation of the two channels from which their arrivals are compared
LEAST_LEAD = 1.1  # the best match must be this many times better than the next: else it may be one period off
_OCTAVES_HZ = (250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
_BEFORE_MS, _AFTER_MS = 48.0, 10.0  # the background before the event; the event itself
_STEP_MS = 3.0  # the level is that of the loudest 3 ms
_DECIMALS = 6  # the rest depends on where the snippet lies in memory
_FINER = 8  # the correlation is computed at this many places per sample, then interpolated


class Difference(NamedTuple):
    """How an event differs between two channels; the fields are those of `records.Event`."""

    channel: str = ""  # the louder one, "1" or "2", or "both"; the level is that of the event's octave
    found_on: str = ""  # "1", "2" or "both"; empty if it stands out on neither
    level_db: float | None = None  # channel 1 minus channel 2, in the octave in which it stands out most
    arrival_ms: float | None = None  # positive: later on channel 2


def differences(read: SnippetReader, onsets: Ints, rate_hz: int) -> list[Difference]:
    """Compare the channels at each onset (samples on the time line of `read`), if there are two."""
    if not len(onsets) or read(onsets[:0], 1).shape[1] != 2:
        return [Difference()] * len(onsets)
    n_before, n_after = (round(ms * rate_hz / 1000) for ms in (_BEFORE_MS, _AFTER_MS + MAX_ARRIVAL_MS))
    lead = round(MAX_ARRIVAL_MS * rate_hz / 1000)  # the onset may be that of the later channel
    return [
        _difference(piece, n_before, rate_hz) for piece in read(onsets - n_before - lead, n_before + lead + n_after)
    ]


def _difference(piece: Array, n_before: int, rate_hz: int) -> Difference:
    """Compare two channels, shape (2, n), of which the first `n_before` samples are background."""
    if np.array_equal(piece[0], piece[1]):
        return Difference("both")  # one microphone recorded twice
    step = round(_STEP_MS * rate_hz / 1000)
    n_fft = _fast_size(piece.shape[1] + step)
    gains = _octave_gains(n_fft, rate_hz)
    sound = piece.astype(np.float64)
    sound -= sound.mean(axis=1, keepdims=True)
    spectra = np.fft.rfft(sound, n_fft, axis=1)
    # power of each octave in windows of 3 ms, shape (2, octaves, n)
    power = np.square(np.fft.irfft(spectra[:, None] * gains, n_fft, axis=2)[:, :, : piece.shape[1]])
    total = np.cumsum(power, axis=2)
    mean = (total[:, :, step:] - total[:, :, :-step]) / step
    floor = np.median(mean[:, :, : n_before - step : step], axis=2) + POWER_FLOOR
    # another pop may follow after 9 ms: only windows that begin within the greatest difference of arrival
    reach = n_before + 2 * round(MAX_ARRIVAL_MS * rate_hz / 1000) + 1
    peak = mean[:, :, n_before:reach].max(axis=2)
    ratio = peak / floor
    octave = int(ratio.max(axis=0).argmax())
    found = ratio[:, octave] >= 10 ** (FOUND_DB / 10)
    # without the background where the event stands out; where it does not, its level is at most that of the background
    own = np.where(found, peak[:, octave] - floor[:, octave], peak[:, octave])
    first_db, second_db = (10 * math.log10(max(power, POWER_FLOOR)) for power in own.tolist())
    level_db = round(first_db - second_db, _DECIMALS)
    channel = "both" if abs(level_db) < 1 else "1" if level_db > 0 else "2"
    if not found.any():
        return Difference(channel)
    if not found.all():
        return Difference(channel, "1" if found[0] else "2", level_db)
    arrival_ms = _arrival_ms(sound[:, n_before - step // 2 :], ratio, rate_hz)
    return Difference(channel, "both", level_db, arrival_ms)


def _arrival_ms(sound: Floats, ratio: Floats, rate_hz: int) -> float | None:
    """How much later a sound, shape (2, n), is on the second channel, ms; None if the channels do not match.

    Each octave is weighted by how much of it is the event, not background, so that noise has no say.
    """
    n_fft = _fast_size(sound.shape[1] + round(MAX_ARRIVAL_MS * rate_hz / 1000) + 1)
    gains = _octave_gains(n_fft, rate_hz)
    weight = np.sqrt(np.prod(np.maximum(1 - 1 / ratio, 0.0) * (ratio >= 10 ** (FOUND_DB / 10)), axis=0))
    spectra = np.fft.rfft(sound, n_fft, axis=1) * (weight[:, None] * gains).sum(axis=0)
    power = np.square(np.abs(spectra)).sum(axis=1)
    if not power.min() > 0:
        return None
    # the louder channel first, so that swapped channels give the same numbers with the other sign
    first, sign = (0, 1.0) if power[0] >= power[1] else (1, -1.0)
    cross = np.conj(spectra[first]) * spectra[1 - first] / np.sqrt(power[0] * power[1])
    size = n_fft * _FINER
    # the mean of bins counts positive and negative frequencies, so twice the real part of the half spectrum
    match = np.fft.irfft(cross, size) * (size / 2)
    reach = round(MAX_ARRIVAL_MS * rate_hz / 1000 * _FINER)
    near = np.abs(np.concatenate([match[-reach:], match[: reach + 1]]))  # a sensor may be turned round
    tops = np.flatnonzero((near[1:-1] > near[:-2]) & (near[1:-1] >= near[2:])) + 1
    if not len(tops):
        return None
    tops = tops[np.argsort(-near[tops])]
    best = int(tops[0])
    if near[best] < LEAST_MATCH or (len(tops) > 1 and near[best] < LEAST_LEAD * near[tops[1]]):
        return None
    left, middle, right = near[best - 1 : best + 2].tolist()
    bend = left - 2 * middle + right
    place = best - reach + (0.5 * (left - right) / bend if bend else 0.0)
    return sign * round(place / _FINER / rate_hz * 1000, _DECIMALS) + 0.0  # + 0.0: never -0.0


@lru_cache(maxsize=8)
def _octave_gains(n_fft: int, rate_hz: int) -> Floats:
    """Gains of the octave bands below half the sample rate, shape (octaves, n_bins): Butterworth, third order."""
    bins_hz = np.maximum(np.fft.rfftfreq(n_fft, 1 / rate_hz), 1e-3)
    centres = np.array([centre for centre in _OCTAVES_HZ if centre < rate_hz / 2.9])
    ratio = bins_hz / centres[:, None]
    return np.asarray(1 / np.sqrt(1 + (np.sqrt(2) * (ratio - 1 / ratio)) ** 6), np.float64)


def _fast_size(n: int) -> int:
    """The least power of two that is at least `n`."""
    return 1 << (n - 1).bit_length()


# --- the whole recording ---------------------------------------------------------------------------------------------

WINDOW_S, NEXT_S = 0.085, 1.0  # of sound that is compared, and from one such window to the next
MAX_DELAY_MS = 20.0
SAME_FROM = 0.9  # mean agreement of the phases; independent noise 10 dB below the sound on each channel gives 0.9
_ROUNDING = 2.0**-30 / 12  # variance of rounding to 16 bits
_ABOVE_ROUNDING = 100.0
_LEAST_BINS = 32
_MAYBE_FROM = 0.25  # agreement at the best whole sample, before the two stretches of sound are aligned
_OTHER = (math.nan, math.nan, math.nan)  # another signal: NaN equals nothing
_GAIN_DB, _DELAY_SAMPLES = 1.0, 0.5  # how far gain and delay may differ from one window to the next
_FINER_DELAY = 4


class ChannelCheck:
    """Whether a channel of two holds no sound, or both hold the same signal, collected block by block.

    The same signal: equal, with the other sign, with another gain, or later by a constant delay of at most 20 ms. Then
    one microphone was recorded twice, and differences between the channels say nothing. The blocks do not matter.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._is_used = channels == 2
        self._is_same = self._is_used
        self._silence = (SilenceCheck(), SilenceCheck())
        self._size = _fast_size(round(WINDOW_S * rate_hz))
        self._step = round(NEXT_S * rate_hz)
        self._rate_hz = rate_hz
        self._waiting: Samples = np.empty((0, 2), np.float32)
        self._skip = 0  # samples until the next window
        self._first: tuple[float, float, float] | None = None  # of the first window; see `_relation`

    def add(self, block: Samples) -> None:
        """Process the next block, shape (n, channels)."""
        if not self._is_used or not len(block):
            return
        for channel, silence in enumerate(self._silence):
            silence.add(block[:, channel : channel + 1])
        if not self._is_same:
            return
        sound = np.concatenate([self._waiting, block]) if len(self._waiting) else block
        at = self._skip
        while at + self._size <= len(sound) and self._is_same:
            at += self._compare(sound[at : at + self._size])
        self._waiting = sound[at:].copy() if self._is_same else self._waiting[:0]
        self._skip = max(0, at - len(sound))

    def flags(self) -> tuple[str, ...]:
        """``dead_channel``, ``same_channels`` or nothing, for the recording so far."""
        if not self._is_used:
            return ()
        if any(silence.reason for silence in self._silence):
            return ("dead_channel",)
        if self._is_same and self._first is None and len(self._waiting):
            self._compare(self._waiting)  # a recording shorter than a window
        return ("same_channels",) if self._is_same and self._first is not None else ()

    def _compare(self, sound: Samples) -> int:
        """Compare the channels of a window; return how many samples after its start the next one begins."""
        found = self._relation(sound)
        if found is None:
            return len(sound)
        if self._first is None:
            self._first = found
        sign, gain_db, delay = self._first
        self._is_same = (
            found[0] == sign and abs(found[1] - gain_db) <= _GAIN_DB and abs(found[2] - delay) <= _DELAY_SAMPLES
        )
        return self._step

    def _relation(self, sound: Samples) -> tuple[float, float, float] | None:
        """Sign, gain (dB) and delay (samples) of the second channel; NaN if it is another signal; None if too quiet."""
        first, second = sound[:, 0], sound[:, 1]
        if np.array_equal(first, second):
            return (1.0, 0.0, 0.0) if np.ptp(first) > 0 else None
        cross, powers, size = _cross_spectrum(first, second)
        if cross is None:
            return None
        coarse = _agreement(cross, size, 1)
        at = int(np.abs(coarse).argmax())
        shift = at if at < size / 2 else at - size
        if abs(coarse[at]) < _MAYBE_FROM or abs(shift) > MAX_DELAY_MS * self._rate_hz / 1000:
            return _OTHER
        if shift:  # compare the same stretch of the sound
            first, second = first[max(0, -shift) : size - shift], second[max(0, shift) : size + min(0, shift)]
            first = first[: len(second)]
            cross, powers, size = _cross_spectrum(first, second)
            if cross is None:
                return None
        fine = _agreement(cross, size, _FINER_DELAY)
        at = int(np.abs(fine).argmax())
        if abs(fine[at]) < SAME_FROM:
            return _OTHER
        delay = shift + (at if at < len(fine) / 2 else at - len(fine)) / _FINER_DELAY
        return math.copysign(1.0, fine[at]), 10 * math.log10(powers[1] / powers[0]), delay


def _cross_spectrum(first: Array, second: Array) -> tuple[Complex | None, Floats, int]:
    """Phase differences of two stretches of sound where both are above rounding, else 0, scaled to a sum of 1; powers.

    None in place of the phases if the sound is too quiet.
    """
    size = len(first)
    taper = _taper(size)
    spectra = np.fft.rfft(np.stack([first, second]) * taper, axis=1)
    powers = np.square(spectra.real) + np.square(spectra.imag)
    used = np.asarray((powers > _ABOVE_ROUNDING * _ROUNDING * 0.375 * size).all(axis=0))
    used[:2] = False  # a constant offset
    n_used = int(np.count_nonzero(used))
    if n_used < _LEAST_BINS:
        return None, powers[:, 0], size
    powers = powers[:, used]
    phases = np.zeros(spectra.shape[1], np.complex128)
    phases[used] = np.conj(spectra[0, used]) * spectra[1, used] / (np.sqrt(powers[0] * powers[1]) * n_used)
    return phases, powers.sum(axis=1), size


def _agreement(phases: Complex, size: int, finer: int) -> Floats:
    """How well the phases agree with each delay, -1 to 1, at `finer` delays per sample."""
    return np.asarray(np.fft.irfft(phases, size * finer) * (size * finer / 2))


@lru_cache(maxsize=8)
def _taper(size: int) -> Floats:
    return np.asarray(np.hanning(size))
