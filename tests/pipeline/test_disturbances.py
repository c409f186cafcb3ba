"""What disturbs everything at once is one incident of the pipeline, and what it explains is kept with it and told to nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streams import START, Bench, post, stream

from pipeline.disturbances import RELEARN, Models
from pipeline.errors import StoreBusy
from pipeline.notify import Subscription
from pipeline.records import BIN, DAY, HOUR, MINUTE, Bin, Incident, ScoredPost
from pipeline.verify import verify, verify_all
from pipeline.watch import Watch

TOPICS = ["tea", "coffee", "cocoa", "milk", "juice"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.store.close()


def rescored(items: list[ScoredPost], model: str, *, low: float = 0.02, since: int = 0) -> list[ScoredPost]:
    """The same posts as another model scores them from a moment on: calm ones get `low` for negative."""
    out = []
    for item in items:
        score = item.score
        if score is not None and item.post.created_at >= since:
            p = low if score.p_negative < 0.5 else score.p_negative
            score = replace(score, model=model, p_negative=p, p_neutral=round(1 - p, 4))
        out.append(replace(item, score=score))
    return out


def pipeline(bench: Bench) -> list[Incident]:
    return [item for item in bench.store.incidents(limit=1000) if item.severity == "pipeline"]


def own(bench: Bench) -> list[Incident]:
    return [item for item in bench.store.incidents(limit=1000) if item.severity in {"tone", "incident"}]


def names(*models: str, start: int = START) -> list[Bin]:
    return [Bin("tea", start, 1, 1, 1, 0.5, 1, 1, 0.5, (model,)) for model in models]


def test_a_model_is_new_when_another_was_in_use() -> None:
    """The first model is not new, nor one that paused with everything; one that comes, or comes back after others, is."""
    models = Models()
    assert ([], []) == models.take(START, names("a"))
    assert ([], ["a"]) == models.take(START + 3 * DAY, names("a"))
    assert (["b"], ["a"]) == models.take(START + 3 * DAY + BIN, names("a", "b"))
    assert ([], ["a", "b"]) == models.take(START + 3 * DAY + 2 * BIN, names("b"))
    for hour in range(1, 40):
        assert [] == models.take(START + 3 * DAY + hour * HOUR, names("b"))[0]
    assert (["a"], ["b"]) == models.take(START + 5 * DAY, names("a"))
    assert [] == models.take(START + 5 * DAY + BIN, [])[0]


def test_a_change_of_the_model_is_one_incident_and_no_alert_of_tone(bench: Bench) -> None:
    """A model that reads every post as more negative, in the middle of a stream: one message, about the pipeline; no topic's own."""
    changed = START + 30 * BIN
    bench.play(rescored(stream(TOPICS, 80), "other@2", low=0.6, since=changed), START + 84 * BIN, 2 * BIN, changed - BIN)
    (incident,) = pipeline(bench)
    assert ("*", "model", "truth@1 → other@2") == (incident.topic, incident.rule, incident.cause)
    assert changed == incident.onset
    assert "Another model scores the posts (truth@1 → other@2)" in incident.sentence
    assert [] == own(bench)
    assert 1 == len(bench.messages())
    assert 4 <= len({held.topic for held in incident.held})
    assert {"share", "share+volume"} >= {held.rule for held in incident.held}
    assert 0 == verify(bench.store, incident).exit_code


def test_after_a_day_of_the_new_model_alerts_come_again_and_the_incident_is_closed(bench: Bench) -> None:
    """When what is usual has been learnt again, a spike is a message, and the incident of the pipeline is over."""
    changed = START + 30 * BIN
    spike = changed // BIN - START // BIN + 330
    posts = rescored(stream(["tea", "coffee"], spike + 14, {"tea": (spike, spike + 12)}), "other@2", low=0.4, since=changed)
    bench.play(posts, START + (spike + 16) * BIN, 3 * BIN, changed - BIN)
    (incident,) = pipeline(bench)
    assert "closed" == incident.state
    assert incident.closed is not None
    assert changed + RELEARN <= incident.closed <= changed + RELEARN + 3 * HOUR
    assert [("tea", True)] == [(item.topic, item.onset >= START + (spike - 2) * BIN) for item in own(bench)]
    assert {0} == {result.exit_code for result in verify_all(bench.store, bench.store.incidents())}


def test_two_workers_with_two_models_are_one_change(bench: Bench) -> None:
    """While a new model is rolled out both score side by side: one incident, however long that takes."""
    posts = stream(["tea", "coffee"], 70)
    mixed = [rescored([item], "other@2", since=START + 30 * BIN)[0] if n % 3 else item for n, item in enumerate(posts)]
    bench.play(mixed, START + 74 * BIN, 2 * BIN, START + 29 * BIN)
    assert ["model"] == [item.rule for item in pipeline(bench)]


def test_many_topics_are_one_incident_that_ends_and_keeps_the_rest(bench: Bench) -> None:
    """What fired with the crowd is kept with the incident of the pipeline; it is quiet and closed when the topics are."""
    bench.play(stream(TOPICS, 100, dict.fromkeys(TOPICS, (30, 40))), START + 104 * BIN, 2 * BIN, START + 29 * BIN)
    (incident,) = pipeline(bench)
    assert ("pipeline", "closed") == (incident.rule, incident.state)
    assert len(TOPICS) == len({held.topic for held in incident.held} | {item.topic for item in own(bench)})
    assert {held.topic for held in incident.held}
    assert 0 == verify(bench.store, incident).exit_code


class Away:
    """A store that is out of reach for a while of the test's clock."""

    def __init__(self, bench: Bench, since: int, until: int) -> None:
        self._bench, self._since, self._until = bench, since, until

    def __getattr__(self, name: str) -> Any:
        if self._since <= self._bench.now < self._until:
            raise StoreBusy("out of reach", 1.0)
        return getattr(self._bench.store, name)


def with_outage(bench: Bench, posts: list[ScoredPost], since: int, until: int, end: int, step: int = MINUTE) -> int:
    """Play posts into a store that is away for a while: what comes meanwhile waits and is written after; how many ticks failed."""
    away = Away(bench, since, until)
    bench.watch = Watch(away, [Subscription("ops")])  # type: ignore[arg-type]
    waiting, failed = sorted(posts, key=lambda item: item.ingested_at), 0
    bench.now = since - 5 * BIN
    while bench.now < end:
        bench.now += step
        due = [item for item in waiting if item.ingested_at <= bench.now]
        try:
            away.write(due)
            waiting = waiting[len(due) :]
        except StoreBusy:
            bench.watch.store_failed(bench.now)
        try:
            bench.watch.tick(bench.now)
        except StoreBusy:
            failed += 1
    return failed


AWAY = START + 30 * BIN


@pytest.mark.parametrize("minutes", [1, 10, 45])
def test_a_store_that_was_away_is_one_incident_and_no_false_spike(bench: Bench, minutes: int) -> None:
    """Calm posts that wait while the store is away: afterwards all are stored, one incident of the pipeline is told, and nothing else."""
    posts = stream(TOPICS, 70)
    step = MINUTE if minutes > 5 else 10_000
    assert with_outage(bench, posts, AWAY, AWAY + minutes * MINUTE, START + (56 if minutes > 5 else 36) * BIN, step)
    (incident,) = pipeline(bench)
    assert ("outage", "closed") == (incident.rule, incident.state)
    assert incident.cause.startswith("The store could not be used from 02:30 to")
    assert incident.onset <= AWAY
    assert [] == own(bench)
    assert 1 == len(bench.messages())
    assert 0 == verify(bench.store, incident).exit_code


def test_a_hiccup_of_the_store_is_nothing(bench: Bench) -> None:
    """Half a minute is no incident."""
    assert with_outage(bench, stream(["tea"], 40), AWAY, AWAY + 25_000, AWAY + 3 * BIN, 5_000)
    assert [] == pipeline(bench)


def test_a_spike_that_outlives_the_outage_is_told_after_it(bench: Bench) -> None:
    """What began while the store was away is held back, and told when all posts are in, if it is still there."""
    posts = stream(["tea", "coffee", "cocoa"], 60, {"tea": (31, 52)})
    with_outage(bench, posts, AWAY, AWAY + 40 * MINUTE, START + 56 * BIN)
    (incident,) = pipeline(bench)
    assert {"tea"} == {held.topic for held in incident.held}
    (told,) = own(bench)
    assert "tea" == told.topic
    assert told.fired is not None
    assert told.fired >= AWAY + 40 * MINUTE
    assert 2 == len(bench.messages())
    assert {0} == {result.exit_code for result in verify_all(bench.store, bench.store.incidents())}


def test_a_spike_that_is_over_with_the_outage_is_kept_and_not_told(bench: Bench) -> None:
    """A short one is found in the incident of the pipeline only."""
    posts = stream(["tea", "coffee", "cocoa"], 60, {"tea": (31, 38)})
    with_outage(bench, posts, AWAY, AWAY + 60 * MINUTE, START + 56 * BIN)
    (incident,) = pipeline(bench)
    assert {"tea"} == {held.topic for held in incident.held}
    assert [] == own(bench)
    assert 1 == len(bench.messages())


def test_a_restart_in_the_outage_changes_nothing(tmp_path: Path) -> None:
    """A process that starts again right after the incident was stored goes on with it: one incident, one message."""
    bench = Bench(tmp_path)
    with_outage(bench, stream(TOPICS, 70), AWAY, AWAY + 10 * MINUTE, AWAY + 11 * MINUTE)
    (first,) = pipeline(bench)
    assert "open" == first.state
    bench.new_watch()
    posts = [item for item in stream(TOPICS, 70) if item.ingested_at > bench.now]
    bench.play(posts, START + 44 * BIN)
    (incident,) = pipeline(bench)
    assert (first.id, "closed") == (incident.id, incident.state)
    assert 1 == len(bench.messages())
    bench.store.close()


def test_posts_that_are_stored_long_after_they_were_published_are_an_incident(bench: Bench) -> None:
    """A lag of more than ten minutes: one incident, changes of tone held back while it lasts, closed when it is gone."""
    spike = {"tea": (36, 40)}
    posts = stream(["tea", "coffee", "cocoa"], 80, spike)
    held = [item for item in posts if START + 30 * BIN <= item.ingested_at < START + 44 * BIN]
    ids = {item.id for item in held}
    bench.play([item for item in posts if item.ingested_at < START + 30 * BIN], START + 30 * BIN, skip=START + 30 * BIN)
    for _ in range(28):  # for 56 minutes the workers store what was published 14 minutes before
        bench.now += 2 * MINUTE
        bench.store.write([item for item in held if bench.now - 16 * MINUTE < item.ingested_at <= bench.now - 14 * MINUTE])
        bench.watch.tick(bench.now)
    bench.play([item for item in posts if item.ingested_at >= START + 30 * BIN and item.id not in ids] + held, START + 70 * BIN, BIN)
    (incident,) = pipeline(bench)
    assert ("outage", "closed") == (incident.rule, incident.state)
    assert "Posts are stored 14 minutes after they were published" in incident.sentence
    assert [] == own(bench)
    assert 1 == len(bench.messages())
    assert 0 == verify(bench.store, incident).exit_code


def test_a_silent_source_is_no_lag(bench: Bench) -> None:
    """Nothing arrives for hours, then posts of now: no incident of the pipeline."""
    posts = [
        *stream(["tea", "coffee"], 20),
        *[
            replace(item, post=replace(item.post, post_id=f"b{item.post.post_id}"))
            for item in stream(["tea", "coffee"], 20, start=START + 60 * BIN)
        ],
    ]
    bench.play(posts, START + 82 * BIN, BIN, START + 10 * BIN)
    assert [] == pipeline(bench)


def test_an_outage_without_a_post_before_it(bench: Bench) -> None:
    """A store whose only posts are days old: the incident has figures of nobody, and they are equal."""
    bench.store.write([post(1, START, 0.1, "old tea")])
    bench.now = START + 5 * DAY
    bench.watch.tick(bench.now)
    bench.watch.store_failed(bench.now + MINUTE)
    bench.watch.tick(bench.now + 20 * MINUTE)
    (incident,) = pipeline(bench)
    assert (0, 0.0) == (incident.n_raw, incident.n)
    assert 0 == verify(bench.store, incident).exit_code


def test_a_new_model_after_an_outage_is_an_incident_of_its_own(bench: Bench) -> None:
    """Who restarts the workers with another model after the store was away is told of both, and once of each."""
    posts = rescored(stream(TOPICS, 70), "other@2", low=0.6, since=AWAY + 15 * MINUTE)
    with_outage(bench, posts, AWAY, AWAY + 12 * MINUTE, START + 60 * BIN)
    assert ["model", "outage"] == sorted(item.rule for item in pipeline(bench))
    assert [] == own(bench)
    assert 2 == len(bench.messages())
    assert {0} == {result.exit_code for result in verify_all(bench.store, bench.store.incidents())}
