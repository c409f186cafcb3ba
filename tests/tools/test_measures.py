"""What the stream's benchmarks make of what they saw."""

from __future__ import annotations

import pytest

from tools.stack.soak import Look, growth
from tools.stack.speed import between


def marks(begun: float, posts: int, seconds: int, cpu: float) -> list[tuple[float, int, float]]:
    """A mark a second at a steady rate; CPU counts from the start of the process."""
    return [(begun + second, posts * second, 5.0 + cpu * second) for second in range(seconds + 1)]


def test_the_rate_of_one_worker_is_between_its_marks() -> None:
    """What came before the first mark, such as imports, does not count."""
    speed = between("one", [marks(100.0, 500, 10, 0.5)])
    assert (5_000, 10.0, 5.0) == (speed.posts, speed.wall, speed.cpu)


def test_workers_are_measured_while_all_of_them_work() -> None:
    """Not while one is still starting, nor after one has ended, nor before the given moment."""
    workers = [marks(100.0, 500, 10, 0.5), marks(104.0, 300, 10, 0.5)]
    assert (4_800, 6.0) == ((speed := between("two", workers)).posts, speed.wall)
    assert (2_400, 3.0) == ((later := between("two", workers, since=107.0)).posts, later.wall)


def test_too_few_marks_are_no_measurement() -> None:
    """A worker that did all before the other began would give any figure."""
    with pytest.raises(RuntimeError, match="too few posts"):
        between("two", [marks(100.0, 500, 2, 0.5), marks(103.0, 500, 10, 0.5)])


@pytest.mark.parametrize(("later", "flat"), [(100_000_000, True), (104_900_000, True), (105_100_000, False)])
def test_memory_is_flat_up_to_five_megabytes(later: int, flat: bool) -> None:
    """Medians of minutes 10 to 15 and of the last five of thirty; a start that needs less doesn't help."""
    looks = [Look(at, 7, 50_000_000 if at < 600 else 100_000_000 if at < 1_500 else later, 20, 9, 0.0) for at in range(0, 1_800, 10)]
    found = growth(looks, 1_800)
    assert (flat, 0) == (found["flat"], found["restarts"])
    assert round((later - 100_000_000) / 1e6, 2) == found["growth_mb"]
