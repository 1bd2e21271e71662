"""A folder of clips to labels beside them.

`batch` runs the whole: `files` finds the clips and writes what is written, `pool` judges them in one process or
several, `progress` remembers what is done, `tables` and `formats` say it in files, `provenance` says how it was made.
"""
