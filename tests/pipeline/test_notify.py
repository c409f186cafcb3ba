"""Messages and their delivery: who is told, once, and what happens while a receiver is down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from consumers.stores.sqlite import SqliteStore
from pipeline.errors import Unavailable
from pipeline.notify import LONGEST_RETRY, Outbox, Subscription, messages, subject
from pipeline.quiet import hours
from pipeline.records import DAY, HOUR, Driver, Evidence, Incident, Notification

NOW = 1_793_491_200_000 + 10 * HOUR
OPS = Subscription("ops")
INCIDENT = Incident(
    id="aa11", topic="tea", rule="share", severity="tone", state="open", onset=NOW - HOUR, fired=NOW - HOUR, closed=None, as_of=NOW,
    model="m@1",
    start=NOW - HOUR, end=NOW, n=240.0, n_raw=240, share=0.62, low=0.5, high=0.7, expected=0.18, expected_low=0.1, expected_high=0.3,
    expected_n=90.0, volume_ratio=2.6, intensity=0.5, emotions={"anger": 0.41}, emotions_before={"anger": 0.05},
    drivers=(Driver("term", "kettle leaks", 0.7, 90), Driver("term", "other", 0.3, 150)), evidence=(Evidence("net:1", "00", 0.9),),
    sentence="62% negative of 240 posts.", timeline=(("open", NOW),),
)  # fmt: skip


@dataclass
class Inbox:
    """A receiver that keeps what it gets, and is down when the test says so."""

    name: str = "ops"
    down: bool = False
    got: list[Notification] = field(default_factory=list)
    tries: int = 0

    def send(self, message: Notification, incident: Mapping[str, object]) -> None:
        self.tries += 1
        if self.down:
            raise Unavailable("down")
        self.got.append(message)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore.open(tmp_path / "s.db", now=lambda: NOW)
    yield store
    store.close()


def queue(store: SqliteStore, count: int, at: int = NOW, receivers: tuple[str, ...] = ("ops",)) -> None:
    for number in range(count):
        incident = replace(INCIDENT, id=f"{at:x}-{number}")
        store.save(incident, messages(incident, "opened", [Subscription(name) for name in receivers], at))


def test_a_message_says_what_and_where_and_quotes_nobody() -> None:
    """The subject has topic and figures, the body the sentence, the drivers and the way to check it; no quote is in either."""
    (message,) = messages(INCIDENT, "opened", [OPS], NOW, "https://mood.example/")
    assert "tea: 62% negative, usually 18%" == message.subject
    assert INCIDENT.sentence in message.body
    assert "kettle leaks 70%" in message.body
    assert "moodstream verify aa11" in message.body
    assert "https://mood.example/incidents/aa11" in message.body
    assert "kettle" not in message.subject


def test_ids_are_those_of_incident_transition_and_receiver() -> None:
    """The same three give the same id, any other another."""
    ids = {message.id for message in messages(INCIDENT, "opened", [OPS, Subscription("mail")], NOW)}
    again = {message.id for message in messages(INCIDENT, "opened", [OPS, Subscription("mail")], NOW + DAY)}
    other = {message.id for message in messages(INCIDENT, "escalated", [OPS], NOW)}
    assert ids == again
    assert 2 == len(ids)
    assert not ids & other


@pytest.mark.parametrize(
    ("incident", "subscription", "told"),
    [
        (INCIDENT, OPS, True),
        (INCIDENT, Subscription("ops", frozenset({"coffee"})), False),
        (INCIDENT, Subscription("ops", severities=frozenset({"incident"})), False),
        (replace(INCIDENT, severity="annotation"), OPS, False),
        (replace(INCIDENT, severity="pipeline", topic="*"), Subscription("ops", frozenset({"coffee"})), True),
        (replace(INCIDENT, late=True), OPS, False),
        (replace(INCIDENT, historical=True), OPS, False),
    ],
)
def test_who_is_told(incident: Incident, subscription: Subscription, told: bool) -> None:
    """Filters by topic and severity hold; annotations, late and historical incidents are nobody's news."""
    assert told is bool(messages(incident, "opened", [subscription], NOW))


def test_a_pipeline_message_names_no_topic() -> None:
    """When everything changed at once the subject says just that."""
    assert "moodstream: many topics changed at once" == subject(replace(INCIDENT, severity="pipeline", topic="*"))


def test_what_is_due_is_delivered_once(store: SqliteStore) -> None:
    """A second call, and a second queueing of the same incident, deliver nothing more."""
    inbox = Inbox()
    outbox = Outbox(store, [inbox])
    queue(store, 3)
    assert 3 == outbox.deliver_due(NOW)
    queue(store, 3)
    assert 0 == outbox.deliver_due(NOW + HOUR)
    assert 3 == len(inbox.got)


def test_a_receiver_that_is_down_gets_everything_soon_after(store: SqliteStore) -> None:
    """Ten minutes down: few tries, nothing lost, all delivered once within a minute after it is back."""
    inbox = Inbox(down=True)
    outbox = Outbox(store, [inbox])
    queue(store, 4)
    for second in range(0, 600, 5):
        outbox.deliver_due(NOW + second * 1_000)
    assert 10 <= inbox.tries <= 40
    inbox.down = False
    for second in range(600, 660, 5):
        outbox.deliver_due(NOW + second * 1_000)
    assert 4 == len({message.id for message in inbox.got}) == len(inbox.got)


def test_one_that_is_down_does_not_hold_up_another(store: SqliteStore) -> None:
    """The other receiver has its messages at once, and the one that is down is tried once per call."""
    dead, alive = Inbox("dead", down=True), Inbox("alive")
    queue(store, 5, receivers=("dead", "alive"))
    assert 5 == Outbox(store, [dead, alive]).deliver_due(NOW)
    assert (1, 5) == (dead.tries, len(alive.got))


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_pauses_grow_and_are_bounded(store: SqliteStore, jitter: float) -> None:
    """The pause doubles from two seconds up to 45, also over restarts, and jitter takes at most half of it."""
    queue(store, 1)
    now, waits = NOW, []
    for _ in range(8):
        Outbox(store, [Inbox(down=True)], jitter=lambda: jitter).deliver_due(now)
        wait = next(ms for ms in range(500, 60_000, 500) if store.pending(now + ms))
        waits.append(wait)
        now += wait
    assert [int(min(LONGEST_RETRY, 2_000 * 2**n) * (0.5 + 0.5 * jitter)) for n in range(8)] == waits


def test_over_the_daily_cap_the_rest_comes_as_one_digest(store: SqliteStore) -> None:
    """Of fifteen messages ten come today, and tomorrow one digest of the five others; then the count starts anew."""
    inbox = Inbox()
    outbox = Outbox(store, [inbox], daily_cap=10)
    queue(store, 15)
    assert 10 == outbox.deliver_due(NOW)
    assert 0 == outbox.deliver_due(NOW + HOUR)
    assert 5 == Outbox(store, [inbox], daily_cap=10).deliver_due(NOW - NOW % DAY + DAY)
    assert 11 == len(inbox.got)
    assert "digest" == inbox.got[-1].transition
    assert "5 messages" in inbox.got[-1].subject
    assert 5 == len(inbox.got[-1].body.splitlines())


def test_outside_its_hours_a_receiver_is_left_alone(store: SqliteStore) -> None:
    """Messages wait for the opening and then come once each; a receiver without hours has them at once."""
    asleep, awake = Inbox("asleep"), Inbox("awake")
    opening = hours("12:00-18:00")
    assert opening is not None
    outbox = Outbox(store, [asleep, awake], hours={"asleep": opening})
    queue(store, 2, receivers=("asleep", "awake"))
    assert 2 == outbox.deliver_due(NOW)
    assert 0 == outbox.deliver_due(NOW + 2 * HOUR - 1)
    assert (0, 2) == (asleep.tries, len(awake.got))
    assert 2 == outbox.deliver_due(NOW + 2 * HOUR)
    assert 2 == len({message.id for message in asleep.got}) == len(asleep.got)


def test_news_of_yesterday_is_given_up(store: SqliteStore) -> None:
    """After a day without success a message is not tried any more."""
    inbox = Inbox(down=True)
    outbox = Outbox(store, [inbox])
    queue(store, 1)
    outbox.deliver_due(NOW + DAY + HOUR)
    assert [] == store.pending(NOW + 300 * DAY)


def test_a_receiver_that_is_gone_from_the_settings_waits(store: SqliteStore) -> None:
    """Messages to an unknown receiver stay in the outbox and are looked at again later."""
    queue(store, 1, receivers=("gone",))
    assert 0 == Outbox(store, []).deliver_due(NOW)
    assert [] == store.pending(NOW)
    assert 1 == len(store.pending(NOW + HOUR))
