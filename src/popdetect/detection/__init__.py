"""Sound to detections; needs numpy and soundfile only.

`audio` decodes and checks recordings. `signal` computes frames, candidates, features and quality flags. `model` loads a
model bundle. `engine`, `stream` and `conclusion` process recordings, and `detector` is what others use.
"""
