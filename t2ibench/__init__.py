"""t2ibench: is a generated dataset any good, and does it reproduce what the paper said?

The stages, in flow order. A stage has one word, and the word is everywhere: package, runner, configuration,
data folder, results, test and page of the documentation.

    prompts    classes, an LLM, COCO captions            -> data/prompts/<kind>/prompts.jsonl
    images     prompts and an engine                     -> data/images/<source>/
    filter     images                                    -> the kept images, a decision with a reason for each
    deblur     kept images and a variant                 -> data/deblur/<source>/<variant>/
    evaluate   a cell's images                           -> predictions, per-class accuracy
    compare    results and published tables              -> a verdict per published cell
    report     everything                                -> one self-contained HTML file, PNG figures
    track      results and timings                       -> MLflow runs

Around them: `records` (what is on disk), `stats` (intervals), `errors`, `weights` and `hub` (where models come
from), `harness` (what every stage shares), `plan` (what a run costs, and whether it can run here) and
`tiny` (the bundled models and how they were made).
"""

__version__ = "0.1.0"
