"""Sound to verdict: numpy and soundfile, nothing heavier.

`audio` decodes, `spectrum` makes log-mel frames, `onsets` finds candidates, `features` describes them,
`classifier` weighs them, `bundle` reads the model, and `detector` alone knows the whole line.
"""
