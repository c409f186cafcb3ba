"""The life of one incident in the store: its states in order, what returns, what rises, and what never becomes a second one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streams import PER_BIN, START, Bench, post, stream

from pipeline.notify import Subscription
from pipeline.records import BIN, HOUR, Incident, ScoredPost
from pipeline.verify import verify


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.store.close()


def of_share(bench: Bench) -> list[Incident]:
    return [item for item in bench.store.incidents(limit=1000) if item.rule != "volume"]


def angry(first: int, counts: list[int], number: int = 50_000) -> list[ScoredPost]:
    """So many angry posts in each of some bins, from the bin `first` on."""
    out = []
    for index, count in enumerate(counts):
        for n in range(count):
            number += 1
            at = START + (first + index) * BIN + n * (BIN // count)
            out.append(post(number, at, 0.9, f"kettle w{number} leaks x{number * 7}"))
    return out


def test_a_story_goes_through_all_its_states(bench: Bench) -> None:
    """It opens, grows, is past its peak, is quiet, is closed; each with its time, and one message for all of it."""
    posts = [*stream(["tea", "coffee"], 100), *angry(40, [10, 10, 12, 20, 40, 60, 60, 40, 20, 16, 12, 10])]
    bench.play(posts, START + 104 * BIN, skip=START + 38 * BIN)
    (incident,) = of_share(bench)
    states = [state for state, _ in incident.timeline]
    main = [state for state in dict.fromkeys(states) if state in {"open", "growing", "peak", "quiet", "closed"}]
    assert ["open", "growing", "peak", "quiet", "closed"] == main
    times = [at for _, at in incident.timeline]
    assert sorted(times) == times
    assert 1 == len(bench.messages())
    assert 0 == verify(bench.store, incident).exit_code


def test_a_story_that_returns_keeps_its_id_and_tells_nobody_again(bench: Bench) -> None:
    """A second rise within the two quiet hours is the same incident: open again, one message, and closed in the end."""
    posts = stream(["tea", "coffee"], 120, {"tea": (40, 48)})
    posts += angry(60, [24] * 8)
    bench.play(posts, START + 76 * BIN, skip=START + 38 * BIN)
    (before,) = of_share(bench)
    states = [state for state, _ in before.timeline]
    assert "quiet" in states
    assert "open" in states[states.index("quiet") :]
    bench.play([], START + 124 * BIN, 4 * BIN)
    (after,) = of_share(bench)
    assert (before.id, "closed") == (after.id, after.state)
    assert 1 == len(bench.messages())
    assert 0 == verify(bench.store, after).exit_code


def test_a_story_long_after_is_another_one(bench: Bench) -> None:
    """What comes when the first is closed has an id and a message of its own."""
    posts = stream(["tea", "coffee"], 120, {"tea": (40, 48)})
    posts += angry(96, [24] * 8)
    bench.play(posts, START + 110 * BIN, skip=START + 38 * BIN)
    assert 2 == len({item.id for item in of_share(bench)})
    assert 2 == len(bench.messages())


def test_platforms_and_languages_share_one_story(bench: Bench) -> None:
    """The same crisis on two platforms in two languages, one of them not scored: one incident, one message, both named as drivers."""
    posts = []
    for n, item in enumerate(stream(["tea", "coffee"], 60, {"tea": (40, 52)})):
        place = replace(item.post, platform=("net", "shop")[n % 2], lang="de" if n % 5 == 0 else "en")
        posts.append(replace(item, post=place, score=None if place.lang == "de" else item.score))
    bench.play(posts, START + 60 * BIN, skip=START + 38 * BIN)
    (incident,) = of_share(bench)
    assert 1 == len(bench.messages())
    assert {"net", "shop"} == {driver.name for driver in incident.drivers if driver.kind == "platform"}
    assert 0 == verify(bench.store, incident).exit_code


@pytest.mark.parametrize("restart", [False, True])
def test_it_escalates_once(tmp_path: Path, restart: bool) -> None:
    """When the volume joins, falls and joins again, those who wait for that hear of it once, also over restarts."""
    calm = stream(["tea"], 300, seed=2)
    turned = [post(20_000 + n, START + 300 * BIN + n * BIN // PER_BIN, 0.9, f"kettle w{n} leaks v{n}") for n in range(20 * PER_BIN)]
    loud = [post(30_000 + n, START + (308 + n // 300 * 6) * BIN + n % 300 * 1_000, 0.9, f"kettle u{n} burns t{n}") for n in range(600)]
    bench = Bench(tmp_path, [Subscription("loud", severities=frozenset({"incident"}))])
    posts = [*calm, *turned, *loud]
    for until in range(START + 299 * BIN, START + 326 * BIN, 3 * BIN):
        if restart:
            bench.new_watch()
        bench.play([item for item in posts if bench.now < item.ingested_at <= until or bench.now == START], until, skip=until)
    (incident,) = of_share(bench)
    assert 1 == [state for state, _ in incident.timeline].count("escalated")
    assert ["escalated"] == [message.transition for message in bench.store.pending(2**60)]
    bench.store.close()


def test_a_closed_incident_has_figures_that_late_posts_do_not_change(bench: Bench) -> None:
    """Hours after its end, with a hundred late posts of its window behind it, all its figures are equal."""
    bench.play(stream(["tea", "coffee"], 100, {"tea": (40, 48)}), START + 104 * BIN, 2 * BIN, START + 38 * BIN)
    (incident,) = of_share(bench)
    assert "closed" == incident.state
    late = [post(80_000 + n, incident.start + n * 1_000, 0.05, f"fine late tea {n}", arrived=bench.now + 1) for n in range(100)]
    bench.store.write(late)
    bench.play([], bench.now + 4 * HOUR, 2 * HOUR)
    again = bench.store.incident(incident.id)
    assert (incident.share, incident.n, "closed") == (again.share, again.n, again.state)
    assert ("equal", 0) == (verify(bench.store, again).result, verify(bench.store, again).exit_code)
