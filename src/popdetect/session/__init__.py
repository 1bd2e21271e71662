"""One labelled folder on disk.

`session` reads and writes its tables as a `Session`, `clips` has their rows. `labelling` labels a folder: `files` lists
the clips, `workers` process them, `progress` remembers finished clips. `labels` reads and writes the truth,
`label_files` the formats of other programs, `corrections` the answers of reviews; `plots` draws clips.
"""
