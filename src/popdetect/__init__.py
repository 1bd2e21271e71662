"""popdetect hears joint pops (cavitations) in short recordings.

The rooms of the house: `hearing` (sound to verdict), `sessions` (a folder of clips to labels beside them),
`learning` (labelled clips to a better model), `study` (verdicts and pain to conclusions). Importing this package loads
nothing heavy: ask the room you need.

A research tool, not a medical device.
"""

__version__ = "0.1.0"
