"""The page for the review by eye: `python -m t2ibench.filter.review SOURCE --reviewer NAME` (`make review`).

`gallery` reads a source's pictures and what the filter said of them, `notebook` keeps one reviewer's decisions in
reviews/<source>.csv, `server` serves both on loopback, `static/` is the page: plain HTML, CSS and JavaScript.
"""
