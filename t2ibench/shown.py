"""The name under which people read of a source or a cell. It says where another model drew than the one that the study
means, as in `dalle3-llm (standin for DALL-E 3)/base`: no table or chart gives the one's name to the other's pictures.

Files, folders and keys keep the plain name.
"""

from collections.abc import Iterable, Mapping

from t2ibench.records import Sample

OURS = "t2ibench-"
"""How the project's own models begin to answer; people read the rest."""


def substitute(samples: Iterable[Sample]) -> str:
    """`<model> for <model>`: who drew a source's images in place of whom, as its rows say; empty where nobody did."""
    pairs = sorted({(str(row.extra.get("model", "another model")), str(row.extra["stand_in_for"]))
                    for row in samples if row.extra.get("stand_in_for")})
    return ", ".join(f"{drew.removeprefix(OURS)} for {meant}" for drew, meant in pairs)


def shown(name: str, substitutes: Mapping[str, str]) -> str:
    """A source's or a cell's name for people. substitutes: {source: what `substitute` says of it}."""
    source, slash, variant = name.partition("/")
    drew = substitutes.get(source, "")
    return f"{source} ({drew}){slash}{variant}" if drew else name
