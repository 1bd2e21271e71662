"""How soon `listen` says a pop: from a simulated recording in real time, in blocks of 5 ms; used by bench.py --live.

Latency is counted from the end of a pop (onset and duration), once in sound, and once on the clock: until the event is
given, with the time of processing, which other programs on the same computer lengthen. The processor time of a block
is given apart. The time of a sound card is not in any of them.
"""

from __future__ import annotations

import time

import numpy as np

import popdetect
from popdetect.detection.audio.microphone import BLOCK_S, paced
from popdetect.training.data.scenes import SceneRule, compose
from popdetect.training.data.sounds import SoundBank

N_SCENES = 20


def run(n_scenes: int = N_SCENES) -> dict[str, float]:
    """Listen to `n_scenes` scenes of 3 s, print the figures, and return them, in ms."""
    scenes = [compose(np.random.default_rng([3, index]), SoundBank(), SceneRule()) for index in range(n_scenes)]
    rate_hz = scenes[0].rate_hz
    sound = np.concatenate([scene.samples for scene in scenes if scene.rate_hz == rate_hz]).reshape(-1, 1)
    live = popdetect.load_model().live(rate_hz)
    in_sound: list[float] = []
    on_clock: list[float] = []
    turns_ms: list[float] = []
    early: list[float] = []
    begun = time.monotonic()
    for block in paced([sound.astype(np.float32)], rate_hz):
        before = time.process_time()
        told = live.feed(block)
        turns_ms.append(1000 * (time.process_time() - before))
        now = time.monotonic()
        for item in told:
            if item.kind == "provisional" and item.event:
                end_s = item.event.onset_s + item.event.duration_ms / 1000
                in_sound.append(1000 * (item.at_s - end_s))
                on_clock.append(1000 * (now - begun - end_s))
                early.append(item.event.onset_s)
    _, found = live.finish()
    final = found.onsets_s
    n_same = sum(any(abs(onset - other) < 0.001 for other in early) for onset in final)
    n_taken_back = sum(all(abs(onset - other) >= 0.009 for other in final) for onset in early)
    print(
        f"listen: {found.duration_s:.0f} s in real time, blocks of {1000 * BLOCK_S:.0f} ms; ms after the end of a pop"
    )
    figures: dict[str, float] = {}
    for name, values in (("in sound", in_sound), ("on the clock", on_clock), ("processor time", turns_ms)):
        if not values:
            continue
        figures |= {f"{name}, {q} %": float(np.percentile(values, q)) for q in (50, 95, 100)}
        middle, most, last = np.percentile(values, [50, 95, 100])
        print(f"  {name:14} median {middle:6.1f}  95 % {most:6.1f}  longest {last:6.1f}")
    share = float(np.mean(np.array(on_clock) <= 50)) if on_clock else float("nan")
    print(f"  said within 50 ms on the clock: {share:.3f} of {len(on_clock)}")
    print(f"  of {len(final)} final pops {n_same} had a first result; {n_taken_back} first results were taken back")
    return figures | {"within 50 ms": share, "final": len(final), "early": n_same, "taken back": n_taken_back}
