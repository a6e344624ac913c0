"""Non-maximum suppression of a whole batch at once.

ultralytics' `non_max_suppression` walks through a batch image by image, with some twenty small operations each: an
eighth of YOLOv8n's own time at 64 pixels. Here all but the last step is done for the batch, by the same operations on
the same numbers, so the rows are ultralytics' own to the bit (tests/test_nms.py). Nor is there a clock: theirs
stops after 2 s and leaves the images that are left without boxes, so a slow machine would see less.

The last step is done in NumPy: torchvision's kernel is no faster for the few boxes of an image, and importing
torchvision imports torch's compiler, a third of the start of every process that judges.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

APART = 7680
"""Pixels by which the boxes of one class are moved away from the next one's, so that only boxes of one class meet;
ultralytics' own number, as it decides the rounding of an overlap."""


def suppress(
    raw: Any, known: int, class_ids: Collection[int], confidence: float, iou: float, max_det: int
) -> tuple[Any, list[int]]:
    """The boxes that are left, of all images one after the other, each image's surest first; and how many each has.

    raw: float32 [N, 4 + known + M, places], of centre, width and height, a score per class, and M further numbers;
    known: classes of the network. A place counts as its best class only; boxes of one class that overlap more than
    `iou` are one. Gives float32 [K, 6 + M]: x0, y0, x1, y1, confidence, class and the further numbers.
    """
    import torch
    from ultralytics.utils.ops import xywh2xyxy

    image, place = (raw[:, 4 : 4 + known].amax(1) > confidence).nonzero(as_tuple=True)
    found = raw[image, :, place]
    best, number = found[:, 4 : 4 + known].max(1, keepdim=True)
    wanted = (number == torch.tensor(sorted(class_ids), device=raw.device)).any(1)
    rows = torch.cat((xywh2xyxy(found[:, :4]), best, number.float(), found[:, 4 + known :]), 1)[wanted]
    counts = image[wanted].bincount(minlength=len(raw)).tolist()
    apart, surest = (rows[:, :4] + rows[:, 5:6] * APART).cpu().numpy(), rows[:, 4].cpu().numpy()
    left, start = list[list[int]](), 0
    for count in counts:
        part = slice(start, start + count)
        left.append([start + row for row in greedy(apart[part], surest[part], iou, max_det)])
        start += count
    return rows[[row for one in left for row in one]], [len(one) for one in left]


def greedy(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float, most: int) -> list[int]:
    """Which boxes (x0, y0, x1, y1; [N, 4]) are left, the surest first, at most `most`: the rest overlap a surer one by
    more than `iou`. Of equally sure ones the first is the surer. Rounds as torchvision's kernel does."""
    x0, y0, x1, y1 = boxes.T
    areas, limit = (x1 - x0) * (y1 - y0), np.float64(iou)  # the kernel compares float32 with a double
    order, kept = np.argsort(-scores, kind="stable"), list[int]()
    while order.size and len(kept) < most:
        first, rest = order[0], order[1:]
        kept.append(int(first))
        width = np.minimum(x1[first], x1[rest]) - np.maximum(x0[first], x0[rest])
        height = np.minimum(y1[first], y1[rest]) - np.maximum(y0[first], y0[rest])
        shared = width.clip(0) * height.clip(0)
        with np.errstate(invalid="ignore"):  # two empty boxes: 0/0 is no overlap
            order = rest[~(shared / (areas[first] + areas[rest] - shared) > limit)]
    return kept
