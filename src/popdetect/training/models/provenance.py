"""What a card says besides figures: what was learned from, intended use, limits, library versions, the contest.

The shipped model learned from mixed and made sounds; a retrained one from clips of its user, of which nothing is known
here but their labels. Each says its own, and in its ``model.json``.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from popdetect.training.models.fitting import Fitted

_LIBRARIES = ("popdetect", "numpy", "scipy", "scikit-learn", "librosa", "soundfile", "soxr")


# what a bundle of before these words were its own means by saying nothing
NOTICE = (
    "A research tool, not a medical device. There is no public recording of a spinal manipulation: no clinical "
    "recording was used, and **no figure here is clinical accuracy**."
)
CALIBRATED_ON = "on groups of sounds that the classifier had not heard, half of them with pops"

_INTENDED_USE = [
    "marking audible joint pops in short recordings of manual treatment, for research and documentation",
    "as a second listener: uncertain clips belong before a person",
]
_CANNOT = [
    "it hears sounds like joint pops; it cannot say which joint, which side, or whether a treatment worked",
    "a lone click of the same length and colour cannot be told from a pop, nor can some in the pauses of speech",
]
_OUTSIDE = "an Activator or a drop table makes transients of its own: such techniques are outside its range"


@dataclass(frozen=True, slots=True)
class OwnClips:
    """What a retrained model learned from.

    Attributes
    ----------
    n_clips, n_pop : int
    n_people : int or None
        None where some clips name nobody.
    typical_s : float
        Median duration.
    """

    n_clips: int
    n_pop: int
    n_people: int | None
    typical_s: float

    @property
    def people(self) -> str:
        """Whose clips they are, in words."""
        if self.n_people is None:
            return "people who are not named"
        return f"{self.n_people} people" if self.n_people != 1 else "one person"

    @property
    def share(self) -> str:
        """How many hold pops, in words."""
        return f"{self.n_pop} of {self.n_clips} ({100 * self.n_pop / self.n_clips:.0f} %) with pops"


def statements() -> dict[str, Any]:
    """What a model of mixed and made sounds says of itself: ``notice``, ``licence``, ``intended_use``, ``limits``."""
    return {
        "notice": NOTICE,
        "calibrated_on": CALIBRATED_ON,
        "licence": "MIT; the sounds it learned from keep their own licences and are not part of it",
        "intended_use": list(_INTENDED_USE),
        "limits": [
            "no clinical recording was learned from, and none was tested on",
            *_CANNOT,
            "probabilities hold for clips of about 3 s of which half hold a pop",
            _OUTSIDE,
        ],
    }


def own_statements(clips: OwnClips) -> dict[str, Any]:
    """What a model retrained on its user's clips says of itself, under the same names."""
    judged = (
        "clips of people that the classifier had not heard"
        if clips.n_people is not None and clips.n_people > 1
        else "clips that the classifier had not heard, though it may have heard others of the same person"
    )
    return {
        "notice": (
            "A research tool, not a medical device. It learned from its user's own labelled clips, "
            f"{clips.n_clips} of {clips.people}; popdetect cannot know whether they are clinical recordings. The "
            "figures are from these people only, and **no figure here is clinical accuracy** beyond them."
        ),
        "calibrated_on": f"on {judged}, {clips.share}",
        "licence": "up to who made it; the clips it learned from are not part of it",
        "intended_use": list(_INTENDED_USE),
        "limits": [
            f"it learned from its user's own {clips.n_clips} labelled clips of {clips.people}, and was tested on the "
            "same people only: with others, in other rooms, with other recorders it may do worse",
            "a wrong label among them was learned as if it were right",
            *_CANNOT,
            f"probabilities hold for clips like these: about {clips.typical_s:.1f} s long, {clips.share}",
            _OUTSIDE,
        ],
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that shape a model."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def contest(fitted: Fitted) -> list[dict[str, Any]]:
    """How the candidate classifiers did, the chosen one first."""
    return [
        {
            "title": c.recipe.title,
            "average_precision": round(c.average_precision, 4),
            "clip_auroc": round(c.clip_auroc, 4),
        }
        for c in fitted.contests
    ]
