"""Are the recorded images what they are said to be? A random sample is made again from its rows and compared.

    python -m t2ibench.verify --sample 50 [--seed 0] [--bound 48] [--json] [key=value ...]

    cells.py        what can be made again: its rows, its engine, and what their fingerprints say
    redo.py         makes a sample again, in the stages' own batches, and compares it with the files
    difference.py   PSNR and the largest difference of two pictures
    table.py        what was found, on a terminal

Nothing is read from the item cache or written to it. This package stands beside the runners, as `plan` does, and
nothing imports it.
"""
