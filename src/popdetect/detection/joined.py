"""Several short clips heard at once: half the cost of one after the other, and the same answers.

Between two clips lies more "nothing was recorded" than any decision looks across.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from popdetect.detection.audio.recording import Samples
from popdetect.detection.conclusion import NO_EVENT_LOGIT, Judged, conclude
from popdetect.detection.signal.frames import Array
from popdetect.detection.signal.onsets import Ints
from popdetect.detection.signal.quality import Quality
from popdetect.detection.signal.refinement import Take, snippets
from popdetect.detection.signal.speech import STEP_HOPS, Voice, energy_db, n_stretches, stretches
from popdetect.detection.stream import Stream, frame_power
from popdetect.records import Detection

_GAP_HOPS = 260  # between joined clips: more than the 100 and the 150 ms that features and neighbours reach


class Joined(Stream):
    """Several short clips of one rate and channel count, heard at once.

    Parameters
    ----------
    model, rate_hz, channels, operating_point
        As of `Stream`.
    """

    def _take_samples(self, starts: Ints, size: int) -> Samples:
        return self._pieces(starts, size)

    def hear(self, clips: Sequence[Samples], peaks: Sequence[float]) -> list[Detection]:
        """Judge clips of shape (n, channels), whose greatest magnitudes are known; to be called once.

        Returns
        -------
        list of Detection
            The same, to the last digit, as of a `Stream` for each clip.
        """
        hop, window = self._shape.hop, self._window_hops
        n_hops = [STEP_HOPS * -(-(-(-len(clip) // hop) + _GAP_HOPS) // STEP_HOPS) for clip in clips]
        first_hops = np.cumsum([0, *n_hops]).tolist()
        power = np.zeros((first_hops.pop(), self._frames.shape[1]), np.float32)
        for clip, first in zip(clips, first_hops, strict=True):
            n_frames = max(0, len(clip) // hop - window + 1)
            frame_power(clip, power[first : first + n_frames], self._shape)
        starts = [hop * first for first in first_hops]
        voices = self._voices(power, first_hops, [max(0, len(clip) // hop - window + 1) for clip in clips])
        # parted in the middle of the gaps: a sound at a clip's very start may be placed a little before it
        ends = np.array([*starts[1:], hop * (len(power) + _GAP_HOPS)]) - hop * (_GAP_HOPS // 2)
        self._pieces = _pieces(clips, starts, ends)
        self._append(power)
        self._advance(to_the_end=True)

        best = np.full(len(clips), NO_EVENT_LOGIT)
        own: list[list[Judged]] = [[] for _ in clips]
        for samples, logits in self._heard:
            np.maximum.at(best, np.searchsorted(ends, samples, side="right"), logits)
        for judged in self._judged:
            index = int(np.searchsorted(ends, judged.sample, side="right"))
            own[index].append(judged)
        detections = []
        heard = zip(clips, starts, peaks, own, self._model.clip_calibration(best).tolist(), voices, strict=True)
        for clip, start, peak, judged_here, p_pop, voice in heard:
            quality = Quality()
            quality.hear(clip, peak)
            here = (len(clip), self._rate_hz, self._channels, quality)
            voice_s = voice.seconds(hop / self._rate_hz)
            detections.append(conclude(self._point, judged_here, p_pop, *here, voice_s, start))
        return detections

    def _voices(self, power: Array, first: Sequence[int], n_frames: Sequence[int]) -> list[Voice]:
        """The voices of all clips, looked for at once."""
        lags, levels = stretches(energy_db(power))
        voices = []
        for at, n in zip(first, n_frames, strict=True):
            begin = at // STEP_HOPS  # clips start where stretches do; those that reach beyond a clip are nobody's
            voices.append(Voice())
            voices[-1].add(lags[begin : begin + n_stretches(n)], levels[begin : begin + n_stretches(n)])
        return voices


def _pieces(clips: Sequence[Samples], origins: Sequence[int], ends: Ints) -> Take:
    """Access to the samples of several clips that lie apart, without laying them in a row."""

    def take(starts: Ints, size: int) -> Samples:
        out = np.empty((len(starts), clips[0].shape[1], size), np.float32)
        # candidates come in order, so those of one clip lie together
        owner = np.searchsorted(ends, starts + size // 2, side="right")
        cuts = np.searchsorted(owner, np.arange(len(clips) + 1)).tolist()
        for clip, origin, first, last in zip(clips, origins, cuts[:-1], cuts[1:], strict=True):
            if last > first:
                out[first:last] = snippets(clip, starts[first:last] - origin, size)
        return out

    return take
