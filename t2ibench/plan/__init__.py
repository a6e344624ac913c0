"""Before a run: what params.yaml costs, and whether it can run here. No model is loaded, and torch is not imported.

    python -m t2ibench.plan [key=value ...]           images, device hours, dollars, disk and downloads, cell by cell
    python -m t2ibench.plan.doctor [key=value ...]    what is missing; exit code 1 where the study cannot run

    counting.py    images per stage and cell: planned, stored, still to make
    texts.py       prompts: written, or still to be asked for
    speeds.py      images per second: recorded by the stages' clocks, else estimated
    costs.py       device seconds, dollars, bytes and downloads of what is still to make
    table.py       the plan on a terminal
    stored.py      what is there already: items, what DVC ran last, named models
    checks.py      one function for each thing that a study needs here: device, disk, weights, licences, revisions
    reach.py       and from outside: keys, money, addresses
    machine.py     processor, GPU, memory and addresses, asked without a model's library
    doctor.py      all checks in one table

This package stands beside the runners, above stages and harness: it asks engines for their identity, as runners do,
and nothing imports it.
"""
