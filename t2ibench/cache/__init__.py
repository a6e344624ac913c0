"""The item cache, looked at and made smaller. No model is loaded, and torch is not imported.

    python -m t2ibench.cache                         what is stored, needed by the lock, and reused
    python -m t2ibench.cache --prune 30d             what was not used for 30 days and could go
    python -m t2ibench.cache --prune 2GB --yes       deletes what was used longest ago, until 2 GB are left

    inventory.py   every item on disk: kind, bytes, last use
    needed.py      the items behind the outs that dvc.lock lists
    prune.py       what goes, by age or down to a size, and the deleting
    table.py       all of it on a terminal

This package stands beside the runners, above stages and harness, as `plan` does: it computes keys as runners do, and
nothing imports it.
"""
