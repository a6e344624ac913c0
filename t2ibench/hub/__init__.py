"""The published models and COCO's captions: what they are, where they lie, and whether the files here are those meant.

    hub://sd15                  a model of catalogue.yaml, under .cache/models/sd15/

    python -m t2ibench.hub fetch [name ...]     downloads what params.yaml names (or the named ones); resumes
    python -m t2ibench.hub verify [name ...]    hashes what is here again, and prints the line to commit
    python -m t2ibench.hub list                 every model with licence, size and state

    catalogue.py    the facts: repository, revision, digests, licence, sizes
    store.py        what was fetched: found without the network, and checked
    sources.py      what a source offers: the hub's listing, or a release's files
    download.py     one file, resumed, verified, put in place at once
    archive.py      the files of a zip archive, taken out and verified
    fetch.py        a whole model: source after source until one gives it
    verify.py       hashing again, and the line to commit

Reading is the base level: `t2ibench.weights` uses catalogue and store. Nothing here reads weights: that is the
libraries' work, from the fetched folder.
"""

SCHEME = "hub://"
