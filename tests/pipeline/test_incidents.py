"""An incident's figures and its sentence, from a small store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streams import START, post

from consumers.stores.sqlite import SqliteStore
from pipeline.incidents import Alarm, build, full_json, incident_id
from pipeline.records import BIN, DAY, HOUR, MINUTE, from_ms, incident_from_json, to_json
from pipeline.trends import share_interval

ONSET = START + 30 * HOUR  # Monday 06:00
FIRED = ONSET + 6 * BIN
ALARM = Alarm("tea", "share", "tone", ONSET, FIRED, 0.2, 0.1, 0.35, 20.0, 2.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """Forty posts in the window, half of them angry, and forty calm ones in the day before."""
    store = SqliteStore.open(tmp_path / "s.db", now=lambda: FIRED + HOUR)
    before = [post(1_000 + n, ONSET - HOUR - n * MINUTE, 0.1, f"nice tea with friends {n}") for n in range(40)]
    words = ["kettle leaks", "kettle burned me", "broken kettle again", "kettle smells"]
    window = [
        post(n, ONSET + n * MINUTE // 2, 0.9 if n % 2 else 0.1, f"{words[n % 4]} w{n}" if n % 2 else f"tea o'clock v{n}") for n in range(40)
    ]
    store.write(before + window)
    store.refresh()
    yield store
    store.close()


def as_of(store: SqliteStore) -> int:
    return store.latest()[1] or 0


def test_the_figures_are_those_of_the_window(store: SqliteStore) -> None:
    """n, share and its interval are sums over the posts from the onset to the end of the fired bin; expectations are the alarm's."""
    incident = build(store, ALARM, as_of(store), "d1")
    assert (ONSET, FIRED + BIN) == (incident.start, incident.end)
    assert (40.0, 40, 0.5) == (incident.n, incident.n_raw, incident.share)
    assert tuple(round(bound, 6) for bound in share_interval(0.5, 40)) == (incident.low, incident.high)
    assert (0.2, 0.1, 0.35, 20.0, 2.0) == (
        incident.expected, incident.expected_low, incident.expected_high, incident.expected_n, incident.volume_ratio,
    )  # fmt: skip
    assert {"anger": 0.4} == incident.emotions
    assert {"anger": 0.0} == incident.emotions_before
    assert ("truth@1", "d1", 0.5) == (incident.model, incident.detector, incident.intensity)
    assert incident_id("tea", ONSET, "share") == incident.id


def test_the_sentence_is_made_of_the_figures(store: SqliteStore) -> None:
    """One sentence in plain words: observed, usual for that hour, since when, which emotions, why."""
    assert (
        "50% negative of 40 posts in the last 35 minutes; usual for Monday 06:00 is 20% (of about 20). Started 06:00 UTC. "
        "Mostly anger (40%). 90% of the rise is posts with “kettle”." == build(store, ALARM, as_of(store), "d1").sentence
    )


def test_a_volume_alarm_counts_posts(store: SqliteStore) -> None:
    """An annotation speaks of posts, not of negatives, and its drivers are parts of all posts."""
    incident = build(store, replace(ALARM, rule="volume", severity="annotation"), as_of(store), "d1")
    assert incident.sentence.startswith("40 posts in the last 35 minutes, 2.0 times the usual, 50% of them negative.")
    assert 5 == len(incident.evidence)


def test_figures_are_as_of_a_moment(store: SqliteStore) -> None:
    """Posts that arrived later are in none of the figures."""
    moment = as_of(store)
    first = build(store, ALARM, moment, "d1")
    store.write([post(5_000 + n, ONSET + n * 1_000, 0.9, f"late {n}", arrived=moment + 1) for n in range(30)])
    assert first == build(store, ALARM, moment, "d1")
    assert 70 == build(store, ALARM, as_of(store), "d1").n


def test_few_authors_are_possibly_coordinated(tmp_path: Path) -> None:
    """Two authors who write everything: the incident says that it may be coordinated."""
    store = SqliteStore.open(tmp_path / "c.db", now=lambda: FIRED)
    store.write([post(n, ONSET + n * 1_000, 0.9, f"kettle w{n} leaks v{n}", author=f"h{n % 2}") for n in range(20)])
    incident = build(store, ALARM, as_of(store), "d1")
    assert incident.coordinated
    assert incident.sentence.endswith("Possibly coordinated: few authors or many copies of one text.")
    store.close()


def test_copies_are_possibly_coordinated(tmp_path: Path) -> None:
    """Twenty authors who write the same words with other signs: possibly coordinated."""
    store = SqliteStore.open(tmp_path / "c.db", now=lambda: FIRED)
    store.write([post(n, ONSET + n * 1_000, 0.9, f"Do not buy this kettle, it leaks{'!' * n}") for n in range(20)])
    assert build(store, ALARM, as_of(store), "d1").coordinated
    store.close()


def test_an_incident_without_posts_has_no_figures_to_show(tmp_path: Path) -> None:
    """When every post of the window is gone, the incident is built with n = 0 and no evidence instead of failing."""
    store = SqliteStore.open(tmp_path / "e.db", now=lambda: FIRED)
    store.add_topic("tea")
    incident = build(store, ALARM, START, "d1")
    assert (0.0, 0.0, 1.0, None, ()) == (incident.share, incident.low, incident.high, incident.intensity, incident.evidence)
    store.close()


def test_the_json_has_what_programs_read(store: SqliteStore) -> None:
    """Every field of the contract is there, times as RFC 3339, quotes read from the store; the record survives its own JSON."""
    incident = build(store, ALARM, as_of(store), "d1")
    data = full_json(store, incident)
    wanted = "id topic state severity onset fired closed n share expected low high volume_ratio emotions drivers evidence sentence"
    assert set(wanted.split()) <= data.keys()
    assert from_ms(ONSET) == data["onset"]
    assert {"id", "text", "platform", "created_at", "p_negative"} <= data["evidence"][0].keys()
    assert incident == incident_from_json(to_json(incident))


def test_the_reference_is_the_day_before(store: SqliteStore) -> None:
    """Posts older than a day before the onset, however many, have no part in the comparison."""
    first = build(store, ALARM, as_of(store), "d1")
    old = [post(7_000 + n, ONSET - DAY - MINUTE - n, 0.9, "kettle leaks since ever", arrived=START) for n in range(300)]
    store.write(old)
    again = build(store, ALARM, as_of(store), "d1")
    assert first.drivers == again.drivers
