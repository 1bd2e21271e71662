"""Simulated clinics that differ from the training material of the shipped model, to test adaptation.

Each clinic has one microphone, one room, one kind of pops and a few noises of its own. They are drawn from ranges that
lie outside those of `synthesis` and `scenes` in at least one respect: a microphone with a steep frequency response, a
long reverberation, pops that are lower and ring longer, and noises that are not in the training material (a rattling
table, a ratchet, a crinkling paper cover, dripping water). A gain here shows that adaptation works; it does not show
how well a model works in a real clinic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, coloured_noise, shaped
from popdetect.training.data.examples import Example
from popdetect.training.data.scenes import SceneRule, compose
from popdetect.training.data.sounds import Burst, Named, SoundBank
from popdetect.training.data.synthesis import PopVoice

RULE = SceneRule(pop_db=(22.0, 44.0), distractor_db=(8.0, 40.0), max_distractors=4, pop_share=0.5)
_CURVE_HZ = (100.0, 400.0, 1500.0, 4000.0, 8000.0, 16000.0)


def _rattle(rng: Rng) -> Sound:
    """A shaking treatment table: low, damped knocks at a steady rate, as fast as the pops of a burst."""
    out = np.zeros(int(0.5 * RATE_HZ), np.float32)
    beat_s = float(rng.uniform(0.018, 0.06))
    for index in range(int(rng.integers(3, 8))):
        blow = synthesis.modes(rng, 250, 2500, float(rng.uniform(1.5, 5)), 4, 0.04)
        start = int((index * beat_s + float(rng.normal(0, 0.001)) + 0.004) * RATE_HZ)
        out[start : start + len(blow)] += float(rng.uniform(0.4, 1)) * blow
    return out


def _ratchet(rng: Rng) -> Sound:
    """The ratchet of a back rest: hard, bright clicks in sequence."""
    out = np.zeros(int(0.6 * RATE_HZ), np.float32)
    beat_s = float(rng.uniform(0.03, 0.09))
    voice = float(rng.uniform(2500, 7000))
    for index in range(int(rng.integers(2, 6))):
        tooth = synthesis.modes(rng, voice, 1.4 * voice, float(rng.uniform(0.6, 2)), 3, 0.02)
        start = int((index * beat_s + 0.004) * RATE_HZ)
        out[start : start + len(tooth)] += float(rng.uniform(0.5, 1)) * tooth
    return out


def _crinkle(rng: Rng) -> Sound:
    """A paper cover: dozens of small snaps in half a second."""
    out = np.zeros(int(0.6 * RATE_HZ), np.float32)
    for start_s in np.sort(rng.uniform(0, 0.55, int(rng.integers(15, 60)))):
        snap = coloured_noise(rng, 96, -1) * np.exp(-np.arange(96) / float(rng.uniform(8, 30))).astype(np.float32)
        start = int(start_s * RATE_HZ)
        out[start : start + 96] += float(np.exp(rng.uniform(-2.5, 0))) * snap
    return out


def _drip(rng: Rng) -> Sound:
    """Water dripping into a basin: a short rising chirp."""
    n = int(0.05 * RATE_HZ)
    time_s = np.arange(n) / RATE_HZ
    chirp = np.sin(2 * np.pi * float(rng.uniform(700, 1800)) * (time_s + 6 * time_s**2))
    return np.asarray(chirp * np.exp(-time_s / float(rng.uniform(0.004, 0.012))), np.float32)


NOISES: dict[str, Callable[[Rng], Sound]] = {
    "rattle": _rattle, "ratchet": _ratchet, "crinkle": _crinkle, "drip": _drip,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clinic(SoundBank):
    """Properties shared by all recordings of one clinic.

    Attributes
    ----------
    seed : int
    microphone_db : tuple of float
        Gains at `_CURVE_HZ`.
    rt60_s : float
        Of its room.
    centre_hz, decay20_ms : float
        Means of the pops of its patients.
    noises : tuple of str
        Its own noises, of `NOISES`: half of its distractors.
    noise_slope_db : float
        Slope of its background, per octave.
    """

    seed: int
    microphone_db: tuple[float, ...]
    rt60_s: float
    centre_hz: float
    decay20_ms: float
    noises: tuple[str, ...]
    noise_slope_db: float

    def pops(self, rng: Rng, n: int) -> Burst:
        """See `SoundBank.pops`; low and ringing, recorded by the microphone of the clinic."""
        voice = PopVoice(
            self.centre_hz * float(np.exp(rng.normal(0, 0.15))),
            self.decay20_ms * float(np.exp(rng.normal(0, 0.15))),
            float(rng.uniform(0, 0.4)),
            False,
        )
        pops = [self._recorded(self._ringing(rng, voice)) for _ in range(n)]
        return Burst(pops, "this clinic's", "clinic", [np.inf] * n, [0.0] * n)

    def _ringing(self, rng: Rng, voice: PopVoice) -> Sound:
        """Return a simulated pop, with modes that last longer than those of any other simulated pop."""
        sound = synthesis.pop(rng, voice)
        ring = synthesis.modes(rng, 0.7 * voice.centre_hz, 1.3 * voice.centre_hz, voice.decay20_ms / 2.3, 3, 0.04)
        size = min(len(sound), len(ring))
        sound[:size] += float(rng.uniform(0.4, 1.2)) * ring[:size]
        return sound

    def distractor(self, rng: Rng) -> Named:
        """See `SoundBank.distractor`."""
        if rng.random() < 0.5:
            what = str(rng.choice(self.noises))
            return Named(self._recorded(NOISES[what](rng)), what, "clinic")
        what = str(rng.choice(sorted(synthesis.DISTRACTORS)))
        return Named(self._recorded(synthesis.DISTRACTORS[what](rng)), what, "simulated")

    def background(self, rng: Rng, n: int) -> Named:
        """See `SoundBank.background`."""
        noise = coloured_noise(rng, n, self.noise_slope_db)
        return Named(self._recorded(noise), "this clinic's room", "clinic")

    def room(self, rng: Rng) -> Sound:
        """See `SoundBank.room`; longer than the rooms of `synthesis`."""
        n = int(self.rt60_s * RATE_HZ)
        time_s = np.arange(n) / RATE_HZ
        tail = rng.standard_normal(n) * 10 ** (-3 * time_s / self.rt60_s) * np.clip(time_s / 0.004, 0, 1)
        response = tail * 10 ** (float(rng.uniform(-34, -24)) / 20)
        response[0] = 1.0
        return np.asarray(response, np.float32)

    def _recorded(self, sound: Sound) -> Sound:
        return shaped(sound, _CURVE_HZ, self.microphone_db)


def draw(seed: int) -> Clinic:
    """Return the clinic of a seed; always the same."""
    rng = np.random.default_rng([20260202, seed])
    tilt = float(rng.choice([-1, 1]) * rng.uniform(3.0, 6.0))  # dB per octave; devices of `scenes` vary by 2 dB in all
    octaves = np.log2(np.array(_CURVE_HZ) / 1500)
    curve = tilt * octaves + rng.normal(0, 4, len(octaves))
    return Clinic(
        seed=seed,
        microphone_db=tuple(float(gain) for gain in curve),
        rt60_s=float(rng.uniform(0.8, 1.4)),
        centre_hz=float(np.exp(rng.uniform(np.log(450), np.log(950)))),
        decay20_ms=float(rng.uniform(5.0, 10.0)),
        noises=tuple(str(name) for name in rng.choice(sorted(NOISES), 2, replace=False)),
        noise_slope_db=float(rng.uniform(9.0, 13.0)),
    )


def clips(clinic: Clinic, n_clips: int, n_patients: int, *, first: int = 0, rule: SceneRule = RULE) -> list[Example]:
    """Return clips of a clinic, the patients in turn; names and patients are numbered from `first`."""
    made = []
    for index in range(first, first + n_clips):
        scene = compose(np.random.default_rng([20260203, clinic.seed, index]), clinic, rule)
        patient = f"c{clinic.seed}-p{first + index % n_patients:03d}"
        made.append(Example.in_memory(f"{index:04d}.wav", patient, scene.samples, scene.rate_hz, scene.onsets_s))
    return made
