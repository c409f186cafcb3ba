"""The share without what copies, bursts and busy authors add, and what the largest group alone moved."""

from __future__ import annotations

import numpy as np
import pytest
from streams import START, post

from pipeline import bench_copies
from pipeline.authentic import adjusted, without
from pipeline.drivers import Copies, Sample, decompose
from pipeline.records import DAY, MINUTE, Adjusted, ScoredPost, Without

SCANDAL = "Do not buy the kettle from these people, it is a scandal"


def sample(posts: list[ScoredPost]) -> Sample:
    return Sample.of(posts, negatives=True)


def calm(count: int, first: int = 1_000, at: int = START, step: int = MINUTE) -> list[ScoredPost]:
    return [post(first + n, at + n * step, 0.1, f"tea a{n} nice b{n} with c{n} friend d{n}") for n in range(count)]


def found(window: list[ScoredPost], before: list[ScoredPost] | None = None, expected_n: float = 40.0) -> Adjusted:
    now, then = sample(window), sample(before if before is not None else calm(80, 5_000, START - DAY, 10 * MINUTE))
    result = adjusted(now, then, Copies.of(now, then), expected_n)
    assert result is not None
    return result


def test_honest_posts_count_in_full() -> None:
    """Without copies, bursts and busy authors the adjusted share is the raw one."""
    result = found(calm(40))
    assert (0.1, 40.0, 0, 0, 0) == (result.share, result.n, result.copies, result.bursts, result.authors)


def test_copies_are_taken_out_and_counted() -> None:
    """Thirty copies of one text by thirty people leave the share where the others have it; how many they were is said."""
    copies = [post(n, START + n * 70_000, 0.9, f"{SCANDAL}{'!' * n}") for n in range(30)]
    result = found(calm(40) + copies)
    assert (0.1, 40.0, 30, 0, 0) == (result.share, result.n, result.copies, result.bursts, result.authors)
    assert result.low < 0.1 < result.high


def test_a_text_that_is_always_posted_counts_as_usual() -> None:
    """Four an hour of the text of every hour are no campaign."""
    usual = [post(2_000 + n, START - n * MINUTE, 0.9, SCANDAL) for n in range(10)]
    now = [post(n, START + n * 70_000, 0.9, SCANDAL) for n in range(5)]
    assert 0 == found(calm(35) + now, usual + calm(70, 5_000, START - DAY, 10 * MINUTE)).copies


def test_a_few_equal_short_texts_are_no_copies() -> None:
    """Five people who write the same two words are five voices; thirty are taken out."""
    short = [post(n, START + n * 70_000, 0.9, "kettle broken") for n in range(30)]
    assert 0 == found(calm(40) + short[:5]).copies
    assert 30 == found(calm(40) + short).copies


def test_a_busy_author_is_one_voice() -> None:
    """Twenty texts of one author count as one."""
    busy = [post(n, START + n * 70_000, 0.9, f"kettle w{n} leaks v{n} always u{n}", author="h1") for n in range(20)]
    result = found(calm(40) + busy)
    assert (41.0, 20, round((40 * 0.1 + 0.9) / 41, 6)) == (result.n, result.authors, result.share)


def test_a_burst_counts_as_an_ordinary_second() -> None:
    """Twenty texts of twenty authors in one second hardly move the share; from a source that always comes like that they do."""
    burst = [post(n, START + 630_000 + n, 0.9, f"kettle w{n} leaks v{n} always u{n}") for n in range(20)]
    assert (True, 20) == (found(calm(40) + burst).share < 0.11, found(calm(40) + burst).bursts)
    lumps = [post(3_000 + n, START - DAY + n, 0.1, f"tea t{n} v{n} u{n} o{n} p{n}") for n in range(25)]
    assert 0 == found(calm(40) + burst, lumps).bursts


def test_stamps_of_whole_minutes_say_nothing_of_seconds() -> None:
    """A platform that rounds to the minute has no bursts."""
    assert 0 == found([post(n, START + (n % 3) * MINUTE, 0.5, f"kettle w{n} leaks v{n} u{n}") for n in range(60)]).bursts


def test_nobody_scored_is_no_share() -> None:
    """A window without posts has neither."""
    nothing = sample([])
    assert adjusted(nothing, nothing, Copies.of(nothing, nothing), 1.0) is None
    assert without(nothing, [], 0.5) is None


@pytest.mark.parametrize(("others", "normal"), [(0.1, True), (0.8, False)])
def test_without_its_largest_group_the_hour_is_normal_or_not(others: float, normal: bool) -> None:
    """The group is named, with the share of what is left, and whether that was to be expected."""
    copies = [post(n, START + n * 70_000, 0.9, SCANDAL) for n in range(30)]
    rest = [post(1_000 + n, START + n * MINUTE, others, f"tea a{n} so b{n} with c{n} friend d{n}") for n in range(40)]
    now, then = sample(rest + copies), sample(calm(80, 5_000, START - DAY, 10 * MINUTE))
    result = without(now, decompose(now, then, 4.0), 0.3)
    assert isinstance(result, Without)
    assert ("cluster", copies[0].id, 30, others, 40.0, normal) == (
        result.kind, result.name, result.removed, result.share, result.n, result.normal,
    )  # fmt: skip


def test_forty_percent_of_copies_move_the_adjusted_share_by_at_most_three_points() -> None:
    """Every way of adding negative posts, in hours of 150 genuine ones; honest hours by less than one."""
    rng = np.random.default_rng(3)
    texts = list(dict.fromkeys(" ".join(f"w{int(k)}" for k in rng.zipf(1.2, size=rng.integers(4, 20)) % 4_000) for _ in range(800)))
    rows = list(bench_copies.measure(texts, rng.beta(0.5, 1.0, size=len(texts)), draws=5, sizes=(150,)))
    assert set(bench_copies.WAYS) == {row.way for row in rows}
    assert all(row.error <= 3 for row in rows), rows
    assert all(row.raw_error > 10 for row in rows if row.way != "nothing added"), rows
    assert all(row.error < 1 for row in rows if row.way == "nothing added"), rows
