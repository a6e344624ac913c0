"""nms: the rows of a batch are those of ultralytics' own loop, to the bit."""

import math

import pytest
import torch

from t2ibench.detector import quiet_ultralytics
from t2ibench.nms import suppress

KNOWN, IOU = 5, 0.7


def predictions(seed: int, images: int, places: int, further: int) -> torch.Tensor:
    """Crowded boxes [N, 4 + KNOWN + further, places] with confidences in few steps, so that many are equal."""
    drawn = torch.Generator().manual_seed(seed)
    corner = torch.rand(images, 2, places, generator=drawn) * 20 + 10
    side = torch.rand(images, 2, places, generator=drawn) * 30 + 5
    scores = (torch.rand(images, KNOWN, places, generator=drawn) ** 3 * 50).round() / 50
    return torch.cat((corner, side, scores, torch.randn(images, further, places, generator=drawn)), 1)


@pytest.mark.parametrize("further", [0, 8])
@pytest.mark.parametrize(("confidence", "max_det"), [(0.05, 30_000), (0.5, 1), (0.9, 3), (0.99, 300)])
@pytest.mark.parametrize("class_ids", [[0, 1, 2, 3, 4], [3, 1], [4]])
def test_the_rows_are_those_of_ultralytics(class_ids: list[int], confidence: float, max_det: int, further: int) -> None:
    quiet_ultralytics()
    import torchvision  # noqa: F401  # ultralytics takes torchvision's NMS where it is imported
    from ultralytics.utils.nms import non_max_suppression

    raw = predictions(max_det, 6, 84, further)
    raw[2, 4 : 4 + KNOWN] = 0  # an image in which nothing is seen
    theirs = non_max_suppression(raw.clone(), confidence, IOU, classes=sorted(class_ids), max_det=max_det, nc=KNOWN,
                                 max_time_img=math.inf)
    rows, counts = suppress(raw, KNOWN, class_ids, confidence, IOU, max_det)
    assert counts == [len(one) for one in theirs] and counts[2] == 0
    assert torch.equal(rows, torch.cat(theirs))


def test_a_batch_in_which_nothing_is_seen_has_no_rows() -> None:
    rows, counts = suppress(predictions(0, 3, 21, 4), KNOWN, [0], 1.0, IOU, 300)
    assert counts == [0, 0, 0] and rows.shape == (0, 10)
