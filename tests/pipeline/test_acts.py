"""What people do about incidents, and what they are then told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from seeded import NOW, TOPIC, seeded_store

from consumers.stores.sqlite import SqliteStore
from pipeline import acts
from pipeline.errors import InputError, NotFoundError
from pipeline.links import Link, Signer
from pipeline.maintenance import Once, Weekly, cancel, plan, planned, said, silenced
from pipeline.mutes import mute
from pipeline.notify import Subscription
from pipeline.quiet import hours
from pipeline.records import DAY, HOUR, MINUTE, Incident, to_ms
from pipeline.watch import Watch, WatchConfig

OPS = Subscription("ops")
SIGNER = Signer("https://mood.example.org/", b"k" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(seeded_store(tmp_path / "store.db", days=0.5, rate=2.0)) as opened:
        yield opened


@pytest.fixture
def incident(store: SqliteStore) -> Incident:
    """The open one."""
    (found,) = store.incidents(TOPIC, open_only=True)
    return found


def messages(store: SqliteStore) -> list[tuple[str, str]]:
    return [(one.transition, one.receiver) for one in store.pending(NOW + 30 * DAY)]


def test_acts_are_kept_in_order_with_who_and_why(store: SqliteStore, incident: Incident) -> None:
    """Who acknowledged and snoozed, when, and what they said; the incident itself stays as the detector left it."""
    acts.acknowledge(store, incident, NOW, "ada", "looking")
    acts.snooze(store, incident, NOW + HOUR, NOW + MINUTE, "bob")
    done = [(one.what, one.at, one.until, one.by, one.note) for one in acts.acts(store, incident.id)]
    assert [("acknowledged", NOW, None, "ada", "looking"), ("snoozed", NOW + MINUTE, NOW + HOUR, "bob", "")] == done
    assert incident == store.incident(incident.id)


def test_what_cannot_be_snoozed(store: SqliteStore, incident: Incident) -> None:
    """A closed incident, the past, more than a month, and names and notes without end are errors that change nothing."""
    (over,) = [one for one in store.incidents() if one.state == "closed"]
    for what, until, by in ((over, NOW + HOUR, ""), (incident, NOW, ""), (incident, NOW + 31 * DAY, ""), (incident, NOW + HOUR, "x" * 81)):
        with pytest.raises(InputError):
            acts.snooze(store, what, until, NOW, by)
    assert not acts.snoozes(store)
    assert not acts.acts(store, incident.id)


def test_a_snooze_that_is_over_says_once_where_it_stands(store: SqliteStore, incident: Incident) -> None:
    """One message when it ends, and not a second one if the tick is repeated after a crash; the links that act are in it."""
    acts.snooze(store, incident, NOW + HOUR, NOW)
    for _ in range(2):  # the second time as if it had stopped before the snooze was taken off
        Watch(store, [OPS], link="https://mood.example.org", signer=SIGNER).tick(NOW + HOUR)
        assert {} == acts.snoozes(store)
        store.save_state(acts.SNOOZED, b'{"%b": %d}' % (incident.id.encode(), NOW + HOUR))
        store.save(incident)
    acts.wake(store, incident.id, NOW + HOUR)
    told = [one for one in store.pending(NOW + 30 * DAY) if one.transition == "reminded"]
    assert [incident.id] == [one.incident for one in told]
    assert 2 == told[0].body.count("https://mood.example.org/act/")


def test_while_a_snooze_lasts_nothing_is_sent(store: SqliteStore, incident: Incident) -> None:
    """A tick before its end leaves it as it is."""
    acts.snooze(store, incident, NOW + HOUR, NOW)
    Watch(store, [OPS]).tick(NOW + HOUR - 1)
    assert "reminded" not in [what for what, _ in messages(store)]
    assert {incident.id: NOW + HOUR} == acts.snoozes(store)


def test_a_snoozed_story_that_ended_is_not_told(store: SqliteStore, incident: Incident) -> None:
    """If it closed meanwhile, the end of the snooze sends nothing."""
    acts.snooze(store, incident, NOW + HOUR, NOW)
    store.save(replace(incident, state="closed", closed=NOW + MINUTE))
    Watch(store, [OPS]).tick(NOW + HOUR)
    assert [] == [what for what, _ in messages(store) if what == "reminded"]
    assert {} == acts.snoozes(store)


@pytest.mark.parametrize("why", ["mute", "once", "weekly"])
def test_what_nobody_is_sent_is_written_down(store: SqliteStore, incident: Incident, why: str) -> None:
    """While a topic is muted or in maintenance the message is not sent, and the incident's history says why."""
    acts.snooze(store, incident, NOW + HOUR, NOW)
    end, weekly = NOW + HOUR, ()
    if why == "mute":
        mute(store, TOPIC, end + HOUR, NOW)
    elif why == "once":
        plan(store, Once("move", NOW, end + HOUR, frozenset({TOPIC})), NOW)
    else:
        span = hours("00:00-23:59")
        assert span is not None
        weekly = (Weekly("nightly", span),)
    Watch(store, [OPS], WatchConfig(maintenance=weekly)).tick(end)
    untold = [(one.by, one.note) for one in acts.acts(store, incident.id) if one.what == "untold"]
    assert [({"mute": "the topic is muted", "once": "maintenance move", "weekly": "maintenance nightly"}[why], "reminded")] == untold
    assert [] == [what for what, _ in messages(store) if what == "reminded"]


def test_a_weekly_window_belongs_to_the_day_on_which_it_begins() -> None:
    """Saturday 22:00 to 02:00 in Berlin holds on Sunday at 01:00 there, not on Saturday at 01:00."""
    span = hours("22:00-02:00", "Europe/Berlin")
    assert span is not None
    window = Weekly("move", span, frozenset({"sat"}))
    for moment, holds in (
        ("2026-11-07T21:30:00Z", True),
        ("2026-11-08T00:30:00Z", True),
        ("2026-11-08T01:00:00Z", False),
        ("2026-11-07T00:30:00Z", False),
    ):
        assert holds is window.holds(to_ms(moment))
    assert "sat 22:00-02:00 Europe/Berlin" == said(window)


def test_planned_windows_end_and_can_be_taken_back(store: SqliteStore) -> None:
    """Only open and coming ones are listed; topics limit them; the pipeline's incidents need a window of all topics."""
    plan(store, Once("move", NOW + HOUR, NOW + 2 * HOUR, frozenset({TOPIC})), NOW)
    assert [None, "move", None, None] == [
        silenced(store, (), topic, at) for topic, at in ((TOPIC, NOW), (TOPIC, NOW + HOUR), ("*", NOW + HOUR), (TOPIC, NOW + 2 * HOUR))
    ]
    assert ["move"] == [one.name for one in planned(store, NOW)]
    assert [] == planned(store, NOW + 2 * HOUR)
    with pytest.raises(NotFoundError, match="move"):
        cancel(store, "mvoe", NOW)
    cancel(store, "move", NOW)
    assert [] == planned(store, NOW)
    with pytest.raises(InputError):
        plan(store, Once("back", NOW, NOW), NOW)


def test_a_link_is_for_one_act_and_one_incident_and_ends() -> None:
    """What was signed is read again; anything changed, an old one, or one of another key is refused."""
    token = SIGNER.token(Link("abc123", "snooze", NOW + HOUR))
    assert Link("abc123", "snooze", NOW + HOUR) == SIGNER.read(token, NOW)
    for wrong in (token.replace("snooze", "acknowledge"), token.replace("abc", "abd"), token[:-1], "", "a.b", "ä.ö.1.ü", token + "0"):
        with pytest.raises(InputError, match="not one of this page"):
            SIGNER.read(wrong, NOW)
    with pytest.raises(InputError, match="too old"):
        SIGNER.read(token, NOW + HOUR)
    with pytest.raises(InputError):
        Signer(SIGNER.base, b"x" * 32).read(token, NOW)
