"""Candidates to feature rows, the inputs of the classifier.

All features are levels in dB relative to the candidate's own peak or to the floor around it, or times in ms. So they do
not depend on gain, on the microphone, or on the clip beyond 150 ms. What cannot be measured (before the start of the
clip, in digital silence, in bands above half the sample rate) is NaN.

The spectrum at the peak has single bands; the course over time has five groups (the low band and four groups of mel
bands).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from popdetect.detection.signal.frames import Array
from popdetect.detection.signal.onsets import Floats, Ints
from popdetect.detection.signal.refinement import BIN_MS, Candidates

PAST_HOPS = 100
FUTURE_HOPS = 100
NEIGHBOUR_MS = 150.0
N_NEIGHBOURS = 10  # on each side; a burst has at most nine pops (Mourad et al. 2019)
HEADROOM_LIMIT_DB = 60.0
N_GROUPS = 5

# hops after the onset, first and last inclusive: short while the pop decays, long for the decay of the room
AFTER = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 8), (9, 12), (13, 20), (21, 35), (36, 60), (61, 100))
# hops before the first window that contains the onset
BEFORE = ((1, 2), (3, 5), (6, 12), (13, 30), (31, 60), (61, 95))
SHARES = (1, 3, 4, 5, 7)  # blocks of AFTER that are also given as a share of the headroom
FINE_MS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.5, 7.5)


def names(n_columns: int) -> tuple[str, ...]:
    """Names of the features in order, for frames of `n_columns`."""
    columns = ["low", *(f"mel{i:02d}" for i in range(1, n_columns))]
    groups = [f"g{i}" for i in range(N_GROUPS)]
    return (
        *(f"shape_{c}" for c in columns),
        *(f"headroom_{c}" for c in columns),
        "headroom_mean",
        *(f"after_{a}_{b}ms_{g}" for a, b in AFTER for g in groups),
        *(f"share_{AFTER[i][0]}_{AFTER[i][1]}ms_{g}" for i in SHARES for g in groups),
        *(f"before_{a}_{b}ms_{part}" for a, b in BEFORE for part in ("low", "mel")),
        "loudest_after_8ms", "loudest_before", "busy_after", "busy_before",
        *(f"fine_{ms}ms" for ms in FINE_MS),
        "attack_ms", "decay10_ms", "decay20_ms", "second_bump_db", "second_bump_ms", "fine_floor_db",
        "one_sample_share",
        "n_before", "n_after", "n_louder", "gap_before_ms", "gap_after_ms",
        "level_before_db", "level_after_db", "unlike_before_db", "unlike_after_db", "rhythm",
    )  # fmt: skip


def level_and_spectrum(rows: Floats, n_columns: int) -> tuple[Floats, Floats]:
    """The level above the floor, shape (n,), and the spectrum, shape (n, n_columns), of feature rows."""
    return rows[:, 2 * n_columns], rows[:, :n_columns]


def describe(
    frames_db: Array,
    located: Candidates,
    hop: int,
    window_hops: int,
    rate_hz: int,
    wanted: slice | None = None,
    first_hop: int = 0,
) -> tuple[Floats, Floats]:
    """Compute the features of candidates, shape (n, n_features), and their durations in ms, shape (n,).

    Parameters
    ----------
    frames_db : ndarray, shape (n_frames, n_columns)
        Log-mel frames from `first_hop` on; NaN is silence.
    located : Candidates
        All candidates within reach, also the neighbours.
    hop, window_hops, rate_hz : int
        Samples per frame, frames per window, samples per second.
    wanted : slice, optional
        The candidates to describe, by default all; the others are only neighbours.
    """
    wanted = wanted or slice(0, len(located))
    n = len(range(len(located))[wanted])
    n_columns = frames_db.shape[1]
    if n == 0:
        return np.empty((0, len(names(n_columns)))), np.empty(0)

    sample = located["sample"] - first_hop * hop
    peaks_all, present = _peaks(frames_db, sample // hop, window_hops)
    peak = peaks_all[wanted]
    patch, known = _patch(frames_db, (sample // hop)[wanted])
    means = _block_means(patch, known, window_hops)
    floor = _floor(means[len(AFTER) + len(BEFORE) :])
    after, before = (part.swapaxes(0, 1) for part in (means[: len(AFTER)], means[len(AFTER) :][: len(BEFORE)]))
    mel = present.copy()
    mel[0] = False

    mean_of_mel = mel / max(mel.sum(), 1)
    level = peak @ mean_of_mel
    spectrum = peak - level[:, None]
    headroom = np.clip(peak - floor, -HEADROOM_LIMIT_DB, HEADROOM_LIMIT_DB)
    groups = _groups(present.tobytes())

    peak_g, room_g = peak @ groups, np.maximum(headroom @ groups, 1.0)
    fallen = np.clip(after @ groups - peak_g[:, None], -60, 20)
    shares = np.clip(-fallen[:, SHARES] / room_g[:, None], -0.5, 1.5)
    empty = ~groups.any(axis=0)  # groups without a band at this sample rate
    fallen[:, :, empty] = np.nan
    shares[:, :, empty] = np.nan
    led = np.stack([before[:, :, 0] - peak[:, :1], before @ mean_of_mel - level[:, None]], axis=2)

    # mean mel level over time, relative to the peak; one long product, whose rounding does not depend on n
    course = (patch.reshape(-1, n_columns) @ mean_of_mel.astype(np.float32)).reshape(-1, n) - level
    if not known.all():
        course[~known] = np.nan
    rest, lead = slice(PAST_HOPS + 8, None), slice(None, PAST_HOPS - window_hops)
    surroundings = np.stack(
        [
            _greatest(course[rest]),
            _greatest(course[lead]),
            _busy(course[rest], known[rest]),
            _busy(course[lead], known[lead]),
        ],
        axis=1,
    )

    fine, duration_ms = _fine(located[wanted])
    headroom_mean = headroom @ mean_of_mel
    spectrum[:, ~present] = np.nan
    headroom[:, ~present] = np.nan
    rows = np.concatenate(
        [
            spectrum,
            headroom,
            headroom_mean[:, None],
            fallen.reshape(n, -1),
            shares.reshape(n, -1),
            np.clip(led, -60, 40).reshape(n, -1),
            surroundings,
            fine,
            _neighbours(sample.astype(np.float64) * (1000.0 / rate_hz), peaks_all[:, mel], wanted),
        ],
        axis=1,
    )
    # to float32 and back: scikit-learn's trees compare float32, and both implementations must take the same branch.
    # This also removes the last digits, in which a matrix product depends on the number of candidates
    return rows.astype(np.float32).astype(np.float64), duration_ms


@lru_cache(maxsize=32)
def _groups(present_bytes: bytes) -> Floats:
    """Weights, shape (n_columns, 5), for means over the low band and over four groups of neighbouring mel bands."""
    present = np.frombuffer(present_bytes, np.bool_)
    weights = np.zeros((len(present), N_GROUPS))
    weights[0, 0] = 1
    for column, members in enumerate(np.array_split(np.arange(1, len(present)), N_GROUPS - 1), start=1):
        used = members[present[members]]
        if len(used):
            weights[used, column] = 1 / len(used)
    return weights


def _peaks(frames_db: Array, onset_hop: Ints, window_hops: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Loudest level per column among the frames with the onset, shape (n, n_columns); and which columns exist."""
    reach = np.arange(-(window_hops - 1), 2)
    nearest = frames_db.take(onset_hop[:, None] + reach, axis=0, mode="clip")
    peaks = np.fmax.reduce(nearest, axis=1).astype(np.float64)
    unknown = np.isnan(peaks)
    absent = unknown.all(axis=0)
    peaks[unknown] = -130.0
    return peaks, ~absent


def _patch(frames_db: Array, onset_hop: Ints) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Frames around each onset, shape (PAST + 1 + FUTURE, n, n_columns), NaN as 0; and which frames have sound.

    Time is the first axis: sums over time are then fast, and their rounding does not depend on the number of
    candidates.
    """
    index = np.arange(-PAST_HOPS, FUTURE_HOPS + 1)[:, None] + onset_hop
    patch = frames_db.take(index, axis=0, mode="clip")
    known = (index >= 0) & (index < len(frames_db)) & ~np.isnan(patch[:, :, 1])
    if not known.all():
        patch[~known] = 0
    absent = np.isnan(patch[PAST_HOPS, 0])
    if absent.any():
        patch[:, :, absent] = 0
    return patch, known


@lru_cache(maxsize=8)
def _spans(window_hops: int) -> tuple[tuple[int, int], ...]:
    """First and last frame (exclusive) of each block of a patch: AFTER, BEFORE, then those for the floor."""
    first = PAST_HOPS - window_hops + 1  # the earliest frame that can contain the onset
    spans = [(PAST_HOPS + a, PAST_HOPS + b + 1) for a, b in AFTER]
    spans += [(first - b, first - a + 1) for a, b in BEFORE]
    # 10 ms each, nine before and six after, at a distance from the sound itself
    starts = [first - 5 - 10 * k for k in range(1, 10)] + [PAST_HOPS + 41 + 10 * k for k in range(6)]
    return (*spans, *((start, start + 10) for start in starts))


def _block_means(patch: Array, known: npt.NDArray[np.bool_], window_hops: int) -> Floats:
    """Mean over the frames with sound of each block, shape (n_blocks, n, n_columns); NaN without such frames."""
    spans = _spans(window_hops)
    _, n, n_columns = patch.shape
    flat, total = patch.reshape(len(patch), -1), np.empty((len(spans), n * n_columns), np.float32)
    for row, (start, stop) in zip(total, spans, strict=True):
        np.add.reduce(flat[start:stop], axis=0, out=row)
    count = np.array([[float(stop - start)] for start, stop in spans])
    if not known.all():
        count = np.stack([known[start:stop].sum(axis=0, dtype=np.float64) for start, stop in spans])
        count[count == 0] = np.nan
    return np.asarray(total.reshape(len(spans), n, n_columns) / count[:, :, None])


def _floor(blocks: Floats) -> Floats:
    """The background level, shape (n, n_columns): the third lowest of the 10 ms blocks within 95 ms on each side.

    A low rank, not the mean, because other pops of the burst lie in the same 100 ms.
    """
    known = np.sort(blocks, axis=0)  # NaN last
    at = np.clip((~np.isnan(known[:, :, 1])).sum(axis=0) - 1, 0, 2)
    return np.asarray(known[at, np.arange(known.shape[1])])


def _greatest(course: Array) -> Floats:
    """Level of the loudest frame of each column, dB relative to the peak; NaN without sound."""
    top = np.fmax.reduce(course, axis=0)
    return np.asarray(np.minimum(np.maximum(top, -60), 40), np.float64)


def _busy(course: Array, known: npt.NDArray[np.bool_]) -> Floats:
    """Share of the frames with sound that are within 20 dB of the peak; NaN without sound."""
    count = known.sum(axis=0, dtype=np.float64)
    count[count == 0] = np.nan
    return np.asarray((course > -20).sum(axis=0) / count)


def _db(ratio: Floats) -> Floats:
    return np.asarray(10 * np.log10(np.maximum(ratio, 1e-6)))


def _fine(located: Candidates) -> tuple[Floats, Floats]:
    """Features of the fine envelope: course below the peak, attack, decay, second bump, level before; and decay20."""
    envelope = located["envelope"]
    smooth = (envelope + np.concatenate([envelope[:, 1:], envelope[:, -1:]], axis=1)) / 2
    n, n_bins = smooth.shape
    near = round(6.0 / BIN_MS)
    top = smooth[:, :near].max(axis=1, keepdims=True)
    relative = _db(smooth / np.maximum(top, 1e-30))
    peak_at = np.argmax(smooth[:, :near], axis=1)
    bins = np.arange(n_bins)

    def last_above(limit_db: float) -> Floats:
        return np.asarray((n_bins - np.argmax((relative > limit_db)[:, ::-1], axis=1)) * BIN_MS)

    decay10, decay20 = last_above(-10.0), last_above(-20.0)
    later = np.where(bins >= (peak_at + round(1.0 / BIN_MS))[:, None], relative, -60.0)
    # the height of a second bump is measured from the dip before it
    dip = np.minimum.accumulate(np.where(bins >= peak_at[:, None], relative, 60.0), axis=1)
    bump = np.where(later > -30, later - dip, 0.0)[:, : round(8.0 / BIN_MS)]
    columns = [
        *(relative[:, round(ms / BIN_MS)] for ms in FINE_MS),
        peak_at * BIN_MS,
        decay10,
        decay20,
        bump.max(axis=1),
        bump.argmax(axis=1) * BIN_MS,
        _db(located["before"] / np.maximum(top[:, 0], 1e-30)),
        located["glitch"],
    ]
    return np.stack(columns, axis=1).reshape(n, -1), decay20


def _neighbours(time_ms: Floats, spectra: Floats, wanted: slice) -> Floats:
    """Number, level, similarity and regularity of the other candidates within 150 ms.

    Those more than 20 dB below the candidate's own level are not counted: a pop has few neighbours near its level,
    noise has many.
    """
    n_all = len(time_ms)
    own = np.arange(n_all)[wanted]
    level = spectra.mean(axis=1)
    relative = spectra - level[:, None]
    # axis 1 is before and after, axis 2 goes outwards
    outwards = np.array([[-1], [1]]) * np.arange(1, N_NEIGHBOURS + 1)
    reach = own[:, None, None] + outwards
    other = np.minimum(np.maximum(reach, 0), n_all - 1)
    gap = np.abs(time_ms.take(other) - time_ms[own, None, None])
    step = level.take(other) - level[own, None, None]
    near = (reach == other) & (gap <= NEIGHBOUR_MS)
    alike = near & (step > -20)
    count = alike.sum(axis=2)
    n_louder = (near & (step > 3)).sum(axis=(1, 2))
    nearest = np.argmax(alike, axis=2)[:, :, None]
    none = count == 0
    unlike_to = relative[np.take_along_axis(other, nearest, axis=2)[:, :, 0]] - relative[own, None]
    unlike = np.sqrt(np.square(unlike_to).sum(axis=2) / relative.shape[1])
    gap_to = np.where(none, np.nan, np.take_along_axis(gap, nearest, axis=2)[:, :, 0])
    step_to = np.where(none, np.nan, np.take_along_axis(step, nearest, axis=2)[:, :, 0])
    unlike = np.where(none, np.nan, unlike)
    (n_b, n_a), (gap_b, gap_a), (step_b, step_a), (unlike_b, unlike_a) = count.T, gap_to.T, step_to.T, unlike.T
    rhythm = np.abs(np.log(np.maximum(gap_b, 0.1) / np.maximum(gap_a, 0.1)))
    return np.stack([n_b, n_a, n_louder, gap_b, gap_a, step_b, step_a, unlike_b, unlike_a, rhythm], axis=1).astype(
        np.float64
    )
