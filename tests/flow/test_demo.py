"""The demo from generator to incident, with the shipped model, in one process and on a clock that costs no waiting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline import wiring
from pipeline.cli.service import RATE, SEEDED_START, _demo, _demo_settings
from pipeline.incidents import full_json
from pipeline.ports import Store
from pipeline.records import DAY, MINUTE, Incident, to_ms
from pipeline.settings import Settings, load
from pipeline.verify import EXIT_CODES, verify
from producers.composer import tone_of
from producers.stories import default_stories
from producers.synthetic import Synthetic

DAYS = 4  # of past; the detector is past its first two days then
SEED = 7
START = to_ms(SEEDED_START)


@dataclass(frozen=True, slots=True)
class Told:
    """A demo that ran until its incident."""

    store: Store
    settings: Settings
    incident: Incident


def told(folder: Path) -> Told:
    settings = _demo_settings(load(overrides={"store": f"sqlite:///{folder}/demo.db"}), quiet=True)
    store = wiring.open_store(settings.store)
    feed = _demo(settings, store, SEED)
    feed.fill(lambda _: None, DAYS)
    incident = feed.until_incident()
    assert incident is not None
    return Told(store, settings, incident)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return told(tmp_path_factory.mktemp("demo"))


def shown(run: Told) -> dict[str, Any]:
    return full_json(run.store, run.incident)


def test_the_planted_story_becomes_an_incident(ran: Told) -> None:
    """The anger that breaks five minutes in is found within the hour, dated to its start, with five posts as evidence."""
    incident = ran.incident
    assert "Orbit 5" == incident.topic
    assert abs(incident.onset - (START + 5 * MINUTE)) <= 10 * MINUTE
    assert incident.fired is not None
    assert incident.fired <= START + 60 * MINUTE
    assert incident.share > incident.expected_high
    assert 5 == len(incident.evidence)
    assert all("wiped" in quote["text"].lower() or "photo" in quote["text"].lower() for quote in shown(ran)["evidence"][:1])


def test_the_same_seed_tells_the_same_incident(ran: Told, tmp_path: Path) -> None:
    """A second run with the seed, in another store, gives the same incident to the last digit."""
    again = told(tmp_path)
    assert shown(ran) == shown(again)
    again.store.close()


def test_the_shares_of_the_demo_are_those_of_its_generator(ran: Told) -> None:
    """Over the days before the story each topic's estimated negative share is within three points of what the generator meant."""
    source = Synthetic(SEED, rate=RATE, stories=default_stories(START))
    meant: dict[str, list[bool]] = {}
    for found in source.between(START - DAYS * DAY, START):
        if found.post.lang == "en":
            meant.setdefault(found.topic, []).append(tone_of(found.emotion) == "negative")
    for topic, negative in meant.items():
        days = ran.store.trend(topic, DAY, START - DAYS * DAY, START)
        estimate = sum(day.n * (day.estimate or 0.0) for day in days) / sum(day.n for day in days)
        assert abs(estimate - sum(negative) / len(negative)) < 0.03


def test_every_figure_can_be_recomputed_until_a_post_is_erased(ran: Told) -> None:
    """verify finds all equal; after one evidence post is erased its quote is gone and the figures that changed are named."""
    before = verify(ran.store, ran.incident)
    assert {"equal"} == {figure.result for figure in before.figures}
    platform, _, post_id = ran.incident.evidence[0].id.partition(":")
    assert ran.store.erase(platform, post_id, START + 60 * MINUTE)
    after = verify(ran.store, ran.incident)
    changed = {figure.name for figure in after.figures if figure.result == "changed"}
    assert {"n", "share"} <= changed
    assert 1 == EXIT_CODES[after.result]
    assert [item.id for item in ran.incident.evidence[1:]] == [quote["id"] for quote in shown(ran)["evidence"]]
