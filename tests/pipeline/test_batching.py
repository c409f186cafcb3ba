"""When a batch is ready."""

from __future__ import annotations

from pipeline.batching import Batcher


def test_a_batch_is_ready_by_count() -> None:
    """Two of two items make it ready; taking them leaves it empty, and the order is kept."""
    batch: Batcher[str] = Batcher(count=2, size=100, age_ms=1_000)
    batch.add("a", 1, 0)
    assert not batch.ready(0)
    batch.add("b", 1, 0)
    assert batch.ready(0)
    assert 2 == len(batch)
    assert ["a", "b"] == batch.take()
    assert not batch.ready(10_000)
    assert [] == batch.take()


def test_a_batch_is_ready_by_size() -> None:
    """One item that is as large as the bound makes it ready; the size starts again after it was taken."""
    batch: Batcher[str] = Batcher(count=10, size=100, age_ms=1_000)
    batch.add("a", 99, 0)
    assert not batch.ready(0)
    batch.add("b", 1, 0)
    assert batch.ready(0)
    batch.take()
    batch.add("c", 99, 0)
    assert not batch.ready(0)


def test_a_batch_is_ready_by_the_age_of_its_first_item() -> None:
    """The clock runs from the first item of the batch, not from later ones and not from earlier batches."""
    batch: Batcher[str] = Batcher(count=10, size=100, age_ms=1_000)
    batch.add("a", 1, 500)
    batch.add("b", 1, 1_400)
    assert not batch.ready(1_499)
    assert batch.ready(1_500)
    batch.take()
    batch.add("c", 1, 2_000)
    assert not batch.ready(2_500)
    assert batch.ready(3_000)
