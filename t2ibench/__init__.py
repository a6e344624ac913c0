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

Around them: `records` and `pictures` (what is on disk), `stats` (intervals), `errors`, `weights` and `hub` (where
models come from), `hardware` (what they run on), `detector`, `segmenter` and `nms` (YOLOv8, which two stages ask),
`keys` and `paid` (what an API was asked, and what it cost), `shown` (names for people), `harness` (what every stage
shares), `tiny` (the bundled models and how they were made), and beside the runners `plan` (what a run costs, and
whether it can run here), `cache` (what is stored, and making room) and `verify` (whether recorded images can be made
again).
"""

__version__ = "0.1.0"
