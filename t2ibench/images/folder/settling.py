"""After all images are decoded: which of them repeat each other, which file each came from, and the counts.

Stored images with equal bytes have equal pixels, so that the same picture is found under other names, in other formats
and with other metadata. Within a class the first by path is kept. Under two classes all are refused: one label is
wrong, and nobody knows which.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from t2ibench.images import Planned
from t2ibench.images.folder.listing import Listing
from t2ibench.images.folder.rules import FORMATS, reason
from t2ibench.records import Failure, Sample


class Settled(NamedTuple):
    """samples and failures: every planned image in one of the two; summary: the counts, for imported.json."""

    samples: list[Sample]
    failures: list[Failure]
    summary: dict[str, Any]


def settle(listing: Listing, planned: Sequence[Planned], samples: Sequence[Sample],
           failures: Sequence[Failure]) -> Settled:
    """Refuses repeated pictures and completes the rows with their files."""
    origins = {one.request.id: one.prompt.origin for one in planned}
    rules = _repeats(samples, origins)
    kept = [_completed(sample, origins[sample.id]) for sample in samples if sample.id not in rules]
    twice = [Failure(id=sample.id, class_name=sample.class_name, reason=reason(rules[sample.id]), attempts=0)
             for sample in samples if sample.id in rules]
    refused = [replace(failure, extra={"file": origins[failure.id]["file"]}) for failure in [*failures, *twice]]
    summary = {
        "found": listing.found,
        "left_out": listing.left_out,
        "refused": _counts(failure.reason.partition(":")[0] for failure in refused),
        "notes": _counts(note for sample in kept for note in sample.extra["notes"]),
        "images": len(kept),
    }
    return Settled(kept, refused, summary)


def _repeats(samples: Sequence[Sample], origins: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """{id: rule} of the images that are refused because another shows the same pixels."""
    same = defaultdict(list)
    for sample in sorted(samples, key=lambda sample: (origins[sample.id]["file"], sample.id)):
        same[sample.sha256].append(sample)
    rules: dict[str, str] = {}
    for group in same.values():
        if len({sample.class_name for sample in group}) > 1:
            rules |= {sample.id: "two-classes" for sample in group}
        else:
            rules |= {sample.id: "duplicate" for sample in group[1:]}
    return rules


def _completed(sample: Sample, origin: Mapping[str, Any]) -> Sample:
    """The row with its file. The stored facts are the content's; what the name adds is added here."""
    notes = list(sample.extra["notes"])
    if PurePosixPath(origin["file"]).suffix.lower() not in FORMATS[sample.extra["format"]]:
        notes = sorted([*notes, "other-extension"])
    return replace(sample, extra={**sample.extra, "notes": notes, "file": origin["file"],
                                  "file_sha256": origin["sha256"]})


def _counts(keys: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(keys).items()))
