"""The tick: what opens, what is sent, what survives a crash, what late posts do."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from streams import PER_BIN, START, Bench, post, stream

from pipeline.crossings import digests
from pipeline.errors import StoreError
from pipeline.mutes import mute
from pipeline.notify import Subscription
from pipeline.records import BIN, DAY, HOUR, MINUTE, Incident
from pipeline.verify import verify
from pipeline.watch import Watch

BINS = 60
SPIKE = {"tea": (40, 52)}
END = START + BINS * BIN + 30 * MINUTE
SOON = START + 37 * BIN  # three bins before the spike


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.store.close()


def share_incidents(bench: Bench) -> list[Incident]:
    return [item for item in bench.store.incidents(limit=1000) if item.rule != "volume"]


def facts(incident: Incident) -> Incident:
    """An incident without what depends on when it was looked at."""
    return replace(incident, as_of=0)


def test_a_spike_is_one_incident_and_one_message(bench: Bench) -> None:
    """A spike opens one incident of the right topic, near its start, with five posts that stand for it, and one message."""
    bench.play(stream(["tea", "coffee", "cocoa"], BINS, SPIKE), END, skip=SOON)
    (incident,) = share_incidents(bench)
    assert "tea" == incident.topic
    assert abs(incident.onset - (START + 40 * BIN)) <= 2 * BIN
    assert incident.fired is not None
    assert incident.fired <= START + 44 * BIN
    assert 5 == len(incident.evidence)
    assert incident.share > incident.expected_high > incident.expected
    assert 1 == len(bench.messages())


def test_nothing_happens_without_a_spike(bench: Bench) -> None:
    """Ordinary posts open no incident of the share and queue no message."""
    bench.play(stream(["tea", "coffee", "cocoa"], BINS), END, 4 * BIN)
    assert [] == share_incidents(bench)
    assert [] == bench.messages()


def test_a_story_ends_by_itself(bench: Bench) -> None:
    """After the spike the story is quiet, and two hours later it is closed; the timeline says when."""
    bench.play(stream(["tea"], 100, SPIKE), START + 105 * BIN, 2 * BIN, SOON)
    (incident,) = share_incidents(bench)
    assert "closed" == incident.state
    states = [state for state, _ in incident.timeline]
    assert ("open", "quiet", "closed") == (states[0], states[-2], states[-1])
    assert incident.closed == incident.timeline[-1][1]
    assert 2 * HOUR <= incident.timeline[-1][1] - incident.timeline[-2][1] <= 2 * HOUR + BIN


def test_the_size_of_the_steps_does_not_matter(tmp_path: Path) -> None:
    """Ticks every minute, every five and every seventeen minutes open the same incidents."""
    found = []
    for number, step in enumerate((MINUTE, BIN, 17 * MINUTE)):
        bench = Bench(tmp_path / str(number))
        bench.play(stream(["tea", "coffee"], 50, SPIKE), START + 52 * BIN, step, SOON)
        found.append([(item.id, item.onset, item.fired, item.share) for item in share_incidents(bench)])
        bench.store.close()
    assert 1 == len(found[0])
    assert found[0] == found[1] == found[2]


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    """A new process before every tick opens the same incidents and sends the same messages as one that never stopped."""
    results = []
    for restart in (False, True):
        bench = Bench(tmp_path / str(restart))
        posts = stream(["tea", "coffee"], 50, SPIKE)
        for until in range(SOON, START + 52 * BIN, BIN):
            if restart:
                bench.new_watch()
            bench.play([item for item in posts if bench.now < item.ingested_at <= until], until, skip=until)
        results.append(([facts(item) for item in bench.store.incidents()], bench.messages()))
        bench.store.close()
    assert results[0] == results[1]
    assert 1 == len(results[0][1])


class Dying:
    """A store whose process dies at its n-th write."""

    def __init__(self, store: Any, after: int) -> None:
        self._store = store
        self._left = after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in {"refresh", "save", "save_state"}:
            return found

        def call(*args: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise StoreError("killed")
            result = found(*args)
            if self._left == 0:
                raise StoreError("killed after the write")
            return result

        return call


@pytest.mark.parametrize("after", range(12))
def test_a_crash_at_any_write_loses_and_doubles_nothing(tmp_path: Path, after: int) -> None:
    """A process that dies at any write of the tick that finds a spike leaves exactly one message and the same incident."""
    bench = Bench(tmp_path)
    posts = stream(["tea", "coffee"], 48, SPIKE)
    bench.play([item for item in posts if item.ingested_at <= START + 39 * BIN], START + 39 * BIN, skip=START + 39 * BIN)
    bench.store.write([item for item in posts if item.ingested_at > START + 39 * BIN])
    bench.now = START + 49 * BIN
    doomed = Watch(Dying(bench.store, after), bench.watch._subscriptions)
    with pytest.raises(StoreError):
        deque(map(doomed.tick, range(bench.now, bench.now + 10 * HOUR, HOUR // 2)))
    bench.new_watch().tick(START + 49 * BIN)
    assert 1 == len(bench.messages())
    (incident,) = share_incidents(bench)
    assert not incident.late
    bench.store.close()


def test_a_rebuild_gives_the_same_incidents(tmp_path: Path) -> None:
    """A store with the same posts and no saved state opens incidents with the same ids and figures in one go."""
    posts = stream(["tea", "coffee"], BINS, SPIKE)
    live, again = Bench(tmp_path / "live"), Bench(tmp_path / "again")
    live.play(posts, END, skip=SOON)
    again.store.write(posts)
    again.watch.tick(END + DAY, flush=True)
    kept = [(item.id, item.onset, item.share, item.expected, item.drivers, item.evidence) for item in live.store.incidents()]
    found = [(item.id, item.onset, item.share, item.expected, item.drivers, item.evidence) for item in again.store.incidents()]
    assert kept
    assert kept == found
    live.store.close()
    again.store.close()


def test_old_files_are_history(bench: Bench) -> None:
    """A spike that was over for hours when its posts arrived is kept as historical and nobody is told."""
    bench.now = END + 5 * HOUR
    bench.store.write([replace(item, ingested_at=bench.now) for item in stream(["tea"], BINS, SPIKE)])
    bench.watch.tick(bench.now, flush=True)
    (incident,) = share_incidents(bench)
    assert (True, False) == (incident.historical, incident.late)
    assert [] == bench.messages()


def test_an_older_file_after_a_newer_one_is_history(bench: Bench) -> None:
    """A spike in a file that is older than what is stored is historical too, not late, and doesn't touch the newer story."""
    bench.now = START + 10 * DAY
    newer = stream(["tea"], BINS, SPIKE, start=START + 2 * DAY, seed=5)
    older = [replace(item, post=replace(item.post, post_id=f"old-{item.post.post_id}")) for item in stream(["tea"], BINS, SPIKE)]
    for batch in (newer, older):
        bench.store.write([replace(item, ingested_at=bench.now) for item in batch])
        bench.watch.tick(bench.now, flush=True)
    found = [(item.onset // DAY, item.historical, item.late) for item in share_incidents(bench)]
    assert [(START // DAY + 2, True, False), (START // DAY, True, False)] == found
    assert [] == bench.messages()


def test_a_crossing_made_by_late_posts_is_not_sent(bench: Bench) -> None:
    """When posts that come an hour late make a spike in bins already passed, the incident is late, without firing time or message."""
    posts = stream(["tea", "coffee"], 78, SPIKE)
    hot = [item for item in posts if 38 * BIN <= item.post.created_at - START < 54 * BIN and item.score and item.score.p_negative > 0.5]
    held = [replace(item, ingested_at=START + 75 * BIN) for item in hot]
    ids = {item.id for item in held}
    bench.play([item for item in posts if item.id not in ids] + held, START + 80 * BIN, 3 * BIN, SOON)
    (incident,) = share_incidents(bench)
    assert (None, True, False) == (incident.fired, incident.late, incident.historical)
    assert [] == bench.messages()


def test_late_posts_do_not_double_a_story(bench: Bench) -> None:
    """A known story goes on under its id when late posts move its onset."""
    posts = stream(["tea", "coffee"], 70, SPIKE)
    moved = [replace(item, ingested_at=START + 60 * BIN) for item in posts if 38 * BIN <= item.post.created_at - START < 42 * BIN]
    ids = {item.id for item in moved}
    bench.play([item for item in posts if item.id not in ids] + moved, START + 66 * BIN, skip=SOON)
    assert 1 == len(share_incidents(bench))
    assert 1 == len(bench.messages())


def test_late_posts_leave_the_state_of_posts_in_order(tmp_path: Path) -> None:
    """Posts of which a tenth come up to two hours late end in the same walk as posts that all come in time."""
    posts = stream(["tea", "coffee"], BINS, {"coffee": (40, 50)}, seed=4)
    mixed = [replace(item, ingested_at=item.ingested_at + (n % 10 == 0) * (n % 24) * BIN) for n, item in enumerate(posts)]
    states = []
    for name, arriving in (("order", posts), ("mixed", mixed)):
        bench = Bench(tmp_path / name)
        bench.play(arriving, END + 3 * HOUR, 2 * BIN)
        assert bench.watch._walk is not None
        states.append((bench.watch._walk.detector.to_bytes(), bench.watch._walk.digests))
        bench.store.close()
    assert states[0] == states[1]


def test_posts_that_are_a_day_old_wait_for_their_turn(bench: Bench) -> None:
    """A trickle of very old posts makes one walk an hour, not one per tick; at the end the walk is that of the stored bins."""
    bench.play(stream(["tea"], 400), START + 400 * BIN, 400 * BIN)
    walk = bench.watch._walk
    rewinds = 0
    for number in range(1, 15):
        old = post(90_000 + number, START + number * BIN, 0.02, f"old tea {number}", arrived=bench.now)
        bench.play([old], bench.now + BIN)
        rewinds += bench.watch._walk is not walk
        walk = bench.watch._walk
    assert 1 <= rewinds <= 3
    bench.watch.tick(bench.now + 2 * HOUR)
    assert bench.watch._walk is not None
    assert digests(bench.store.bins(["tea"], START, bench.watch._walk.position)) == bench.watch._walk.digests


def test_one_stamp_from_the_future_closes_no_window(bench: Bench) -> None:
    """A post dated a day ahead doesn't move the watermark beyond the present, and the spike after it is still found in time."""
    future = post(9_999, START + DAY, 0.02, "from tomorrow", "tea", arrived=START + 10 * BIN)
    bench.play([*stream(["tea", "coffee"], BINS, SPIKE), future], END, skip=SOON)
    assert bench.watch.watermark <= END
    (incident,) = share_incidents(bench)
    assert not incident.late
    assert 1 == len(bench.messages())


def test_a_silent_source_does_not_hold_the_watermark(bench: Bench) -> None:
    """Sixty seconds without an arrival, and the watermark follows the clock; before, it follows the newest post."""
    posts = stream(["tea"], 12)
    bench.store.write(posts)
    newest = max(item.post.created_at for item in posts)
    arrived = max(item.ingested_at for item in posts)
    bench.watch.tick(arrived + 59_000)
    assert newest - 10 * MINUTE == bench.watch.watermark
    bench.watch.tick(arrived + 5 * HOUR)
    assert arrived + 5 * HOUR - 10 * MINUTE == bench.watch.watermark
    bench.watch.tick(arrived + 30 * DAY)
    assert newest + DAY == bench.watch.watermark


class Listening:
    """A store that keeps what it was asked."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self._store, name)


@pytest.mark.parametrize("restarted", [False, True])
def test_an_idle_tick_reads_next_to_nothing(bench: Bench, restarted: bool) -> None:
    """A tick with nothing new asks for snoozes, changes and the watermark, and for nothing else; after a restart, from the second on."""
    bench.play(stream(["tea"], 24), START + 26 * BIN, 13 * BIN)
    if restarted:
        bench.new_watch().tick(bench.now)
    bench.watch._store = listening = Listening(bench.store)
    assert [] == bench.watch.tick(bench.now)
    assert ["state", "refresh", "latest"] == listening.asked


def test_a_late_post_after_a_restart_is_walked(bench: Bench) -> None:
    """A process that restarts with its watermark behind the saved position still walks a late bin again."""
    bench.play(stream(["tea"], 24), START + 40 * BIN, 20 * BIN)  # the last hours went by with the clock alone
    assert bench.watch._walk is not None
    position = bench.watch._walk.position
    bench.new_watch().tick(bench.now)
    bench.play([post(70_000, START + 23 * BIN, 0.9, "late tea", arrived=bench.now + 1)], bench.now + 2, 2)
    assert bench.watch._walk is not None
    assert position <= bench.watch._walk.position
    assert digests(bench.store.bins(["tea"], START, position)) == bench.watch._walk.digests


def test_an_empty_store_has_no_news(bench: Bench) -> None:
    """A tick over a store without posts does nothing."""
    assert [] == bench.watch.tick(START)
    assert 0 == bench.watch.watermark


def test_many_topics_at_once_are_one_pipeline_incident(bench: Bench) -> None:
    """When all topics turn in the same bin, one incident of the pipeline is sent and the topics' own are not opened."""
    topics = ["tea", "coffee", "cocoa", "milk", "water", "juice", "soup", "lemonade"]
    bench.play(stream(topics, BINS, dict.fromkeys(topics, (40, 52))), END, skip=SOON)
    opened = bench.store.incidents(limit=100)
    pipeline = [item for item in opened if item.severity == "pipeline"]
    assert ["*"] == [item.topic for item in pipeline]
    assert 5 == len(pipeline[0].evidence)
    assert "topics changed in the same five minutes" in pipeline[0].sentence
    sent = bench.store.pending(2**60)
    assert pipeline[0].id in {message.incident for message in sent}
    assert len(sent) <= 1 + len([item for item in opened if item.severity in {"tone", "incident"}])
    assert len(opened) < len(topics)


def test_another_process_that_reads_the_news_first(bench: Bench) -> None:
    """Bins that another process refreshed are found before anybody is told: figures are still those of the documents."""
    posts = stream(["tea", "coffee"], BINS, SPIKE)
    early = [item for item in posts if item.ingested_at <= START + 39 * BIN]
    held = [item for item in early if item.id.endswith("7")]
    bench.play([item for item in early if item not in held], START + 39 * BIN, skip=START + 39 * BIN)
    bench.store.write([replace(item, ingested_at=bench.now) for item in held])
    assert bench.store.refresh()  # by the other process
    bench.play([item for item in posts if item.ingested_at > START + 39 * BIN], END)
    assert bench.watch._walk is not None
    whole = bench.store.bins(["coffee", "tea"], START, bench.watch._walk.position)
    assert sum(item.n_raw for item in whole) >= len(held) + PER_BIN
    assert digests(whole) == bench.watch._walk.digests


def test_a_change_of_tone_that_grows_loud_is_told_to_those_who_wait_for_that(tmp_path: Path) -> None:
    """First only the share turns, then the volume too: one incident, "opened" for everybody's receiver, "escalated" for the other."""
    calm = stream(["tea"], 300, seed=2)
    turned = [post(20_000 + n, START + 300 * BIN + n * BIN // PER_BIN, 0.9, f"kettle w{n} leaks v{n}") for n in range(8 * PER_BIN)]
    loud = [post(30_000 + n, START + 308 * BIN + n * 3_000, 0.9, f"kettle u{n} burns t{n}") for n in range(600)]
    wants = [Subscription("all"), Subscription("loud", severities=frozenset({"incident"}))]
    bench = Bench(tmp_path, wants)
    bench.play([*calm, *turned, *loud], START + 316 * BIN, skip=START + 299 * BIN)
    (incident,) = share_incidents(bench)
    assert ("share", "incident") == (incident.rule, incident.severity)
    assert "escalated" in {state for state, _ in incident.timeline}
    sent = sorted((message.receiver, message.transition) for message in bench.store.pending(2**60))
    assert [("all", "opened"), ("loud", "escalated")] == sent
    assert 0 == verify(bench.store, incident).exit_code
    bench.store.close()


def test_posts_that_are_written_during_the_tick(tmp_path: Path) -> None:
    """With another thread writing all the time, some posts late, every incident's figures are still those of its documents."""
    bench = Bench(tmp_path)
    posts = [
        replace(item, ingested_at=item.ingested_at + (n % 9 == 0) * (n % 40) * MINUTE)
        for n, item in enumerate(stream(["tea", "coffee"], 44, SPIKE))
    ]
    posts.sort(key=lambda item: item.ingested_at)

    def write() -> None:
        for first in range(0, len(posts), 25):
            bench.store.write(posts[first : first + 25])
            bench.now = max(bench.now, posts[first].ingested_at)

    writer = Thread(target=write)
    writer.start()
    while writer.is_alive():
        bench.watch.tick(bench.now)
    bench.watch.tick(bench.now, flush=True)
    (incident,) = share_incidents(bench)
    assert 0 == verify(bench.store, incident).exit_code
    assert 1 == len(bench.messages())
    bench.store.close()


@pytest.mark.parametrize(("ends", "told"), [(1_000_000, 0), (0, 1)])
def test_a_muted_topic_is_watched_and_not_told(bench: Bench, ends: int, told: int) -> None:
    """While the mute lasts the incident is kept and no message queued; a mute that is over holds nothing back."""
    mute(bench.store, "tea", START + 1 + ends * BIN, START)
    bench.play(stream(["tea", "coffee"], 34, {"tea": (20, 30)}), START + 34 * BIN, 2 * BIN, START + 19 * BIN)
    assert 1 == len(share_incidents(bench))
    assert told == len(bench.messages())
