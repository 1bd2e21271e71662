"""What the first milliseconds of a sound are made of: one tone, or many at once.

A pop is damped within a few cycles, so its spectrum is broad. Lips and tongue click in a cavity that rings, for as
long as a pop lasts but at one pitch; so do many small hard things. The mel bands, a third of an octave wide and more,
are too coarse to show it, and the spectrum of a window of 3 ms is, too.
"""

from __future__ import annotations

import numpy as np

from popdetect.hearing.locating import Take
from popdetect.hearing.onsets import Floats, Ints

LEAD_MS, LENGTH_MS = 0.3, 5.0  # from a little before the onset on
BIN_HZ = 100
LOWEST_HZ, HIGHEST_HZ = 600, 12_000  # below it a room's rumble; above it many recordings have nothing
BELOW_NYQUIST = 0.94  # of half the sample rate: where resamplers have not yet cut
NEAR = (0.8, 1.25)  # times the peak's frequency: what still belongs to its tone
_TINY = 1e-12  # of the whole power: less counts for nothing in the logarithm

NAMES = ("tone_entropy", "tone_spread", "tone_share", "tone_flatness", "tone_peak")


def describe(take: Take, onsets: Ints, rate_hz: int) -> Floats:
    """Describe the sounds that start at `onsets`, in the order of `NAMES`.

    Parameters
    ----------
    take : callable
        Gives pieces of the clip by their first samples and their size, as `locating.snippets` does.
    onsets : ndarray of int, shape (n,)
        Samples, counted as `take` does.

    Returns
    -------
    ndarray, shape (n, 5)
        Of the power spectrum over the channels, 0.6 to 12 kHz, as shares p: entropy, -sum p ln p; standard deviation
        over mean frequency; share within a third of an octave of the peak; spectral flatness, ln of the geometric over
        the arithmetic mean; and ln of the peak's frequency in Hz.
    """
    lead, length = round(LEAD_MS * rate_hz / 1000), round(LENGTH_MS * rate_hz / 1000)
    fade = np.cos(np.pi / 2 * np.arange(length) / length)
    taper = np.concatenate([np.ones(lead), fade]).astype(np.float32)
    pieces = take(onsets - lead, lead + length)
    pieces = (pieces - pieces.mean(axis=2, keepdims=True)) * taper
    n_fft = round(rate_hz / BIN_HZ)
    bins = np.arange(LOWEST_HZ // BIN_HZ, int(min(HIGHEST_HZ / BIN_HZ, BELOW_NYQUIST * n_fft / 2)) + 1)
    spectra = np.fft.rfft(pieces, n_fft, axis=2)[:, :, bins[0] : bins[-1] + 1]
    power = (np.square(spectra.real) + np.square(spectra.imag)).sum(axis=1, dtype=np.float64)
    # sums along rows and no matrix products: their digits would depend on how many candidates come along
    share = power / np.maximum(power.sum(axis=1, keepdims=True), 1e-30) + _TINY
    logs = np.log(share)
    hz = bins * (rate_hz / n_fft)
    mean_hz = (share * hz).sum(axis=1)
    spread_hz = np.sqrt(np.maximum((share * np.square(hz)).sum(axis=1) - np.square(mean_hz), 0))
    peak_hz = hz[share.argmax(axis=1)]
    ratio = hz / peak_hz[:, None]
    near = np.where((ratio > NEAR[0]) & (ratio < NEAR[1]), share, 0).sum(axis=1)
    return np.stack(
        [
            -(share * logs).sum(axis=1),
            spread_hz / mean_hz,
            near,
            logs.mean(axis=1) + np.log(len(bins)),  # the shares' mean is one over their number
            np.log(peak_hz),
        ],
        axis=1,
    )
