"""The loop: every batch has one shape and one size, every item one result, nothing depends on its neighbours."""

import numpy as np
import pytest

from t2ibench.harness import executor


class Recorder:
    """Adds one to every input, and notes the batches it was given."""

    batch_size = 4

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.shapes: list[set[object]] = []

    def __call__(self, batch: list[np.ndarray]) -> list[np.ndarray]:
        self.sizes.append(len(batch))
        self.shapes.append({value.shape for value in batch})
        return [value + 1 for value in batch]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 17])
def test_every_item_has_its_result_whatever_the_remainder(count: int) -> None:
    engine, done = Recorder(), []
    found = dict(executor.run(engine, list(range(count)), lambda item: np.full((2, 2), item), done.append))
    assert {item: int(value[0, 0]) for item, value in found.items()} == {item: item + 1 for item in range(count)}
    assert set(engine.sizes) <= {4}
    assert sum(done) == count


def test_inputs_of_different_shapes_never_share_a_batch() -> None:
    engine = Recorder()
    shapes = [(2, 2), (3, 3), (2, 2), (3, 3), (5, 1)]
    found = list(executor.run(engine, shapes, np.zeros, lambda n: None))
    assert sorted(item for item, _ in found) == sorted(shapes)
    assert all(len(shape) == 1 for shape in engine.shapes)
    assert all(value.shape == item for item, value in found)


def test_an_input_that_cannot_be_loaded_stops_the_loop_with_its_own_error() -> None:
    def load(item: int) -> np.ndarray:
        if item == 2:
            raise FileNotFoundError("picture 2")
        return np.zeros(1)

    with pytest.raises(FileNotFoundError, match="picture 2"):
        list(executor.run(Recorder(), [0, 1, 2], load, lambda n: None))
