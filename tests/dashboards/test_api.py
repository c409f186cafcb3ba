"""The JSON API: shapes, errors, bounds."""

from __future__ import annotations

from dataclasses import fields

import pytest
from dashboards_visitor import Visitor, app_over
from seeded import NOW, TOPIC

from consumers.stores.sqlite import SqliteStore
from dashboards import api, shapes
from pipeline.errors import StoreBusy
from pipeline.records import (
    EMOTIONS,
    HOUR,
    Comparison,
    Difference,
    Driver,
    Held,
    Incident,
    Measured,
    Post,
    TopicSummary,
    TrendPoint,
    from_ms,
    scored_to_json,
    to_json,
)


@pytest.mark.parametrize(
    ("shape", "record"),
    [
        (shapes.Topic, TopicSummary),
        (shapes.TrendPoint, TrendPoint),
        (shapes.Difference, Difference),
        (shapes.Comparison, Comparison),
        (shapes.Driver, Driver),
        (shapes.Incident, Incident),
        (shapes.Measured, Measured),
        (shapes.Held, Held),
    ],
)
def test_a_shape_has_the_fields_of_its_record(shape: type[shapes.Problem], record: type) -> None:
    """The API neither hides nor invents a field of a record."""
    assert [one.name for one in fields(record)] == list(shape.model_fields)


def test_the_shape_of_a_post_is_that_of_a_stored_post(store: SqliteStore) -> None:
    """A post in the API has every field of a scored post and no other."""
    stored = scored_to_json(store.posts(TOPIC, 0, NOW, 1)[0])
    assert set(stored) == set(shapes.Post.model_fields)
    assert {one.name for one in fields(Post)} <= set(shapes.Post.model_fields)


def test_topics_are_those_of_the_store(visitor: Visitor, store: SqliteStore) -> None:
    """`/topics` is what the command prints."""
    assert [to_json(summary) for summary in store.topics()] == visitor.get("/api/v1/topics").json()


def test_a_trend_has_the_buckets_of_the_store(visitor: Visitor, store: SqliteStore) -> None:
    """`/trends` gives every bucket with share, interval, intensity, valence and all emotions."""
    since = from_ms(NOW - 6 * HOUR)
    found = visitor.get("/api/v1/trends", params={"topic": TOPIC, "every": "1h", "since": "6h"}).json()
    assert [to_json(point) for point in store.trend(TOPIC, HOUR, NOW - 6 * HOUR)] == found
    assert found == visitor.get("/api/v1/trends", params={"topic": TOPIC, "every": "1h", "since": since}).json()
    assert list(EMOTIONS) == list(found[0]["emotions"])
    assert found[0]["low"] < found[0]["negative"] < found[0]["high"]


def test_a_comparison_names_each_pair_once(visitor: Visitor) -> None:
    """Three topics have three differences, and a difference is that of the shares."""
    found = visitor.get("/api/v1/compare", params={"topics": f"{TOPIC}, Lumabrew,Northline,{TOPIC}"}).json()
    shares = {row["topic"]: row["negative"] for row in found["topics"]}
    assert [(TOPIC, "Lumabrew"), (TOPIC, "Northline"), ("Lumabrew", "Northline")] == [(one["a"], one["b"]) for one in found["differences"]]
    for one in found["differences"]:
        assert shares[one["a"]] - shares[one["b"]] == pytest.approx(one["difference"])
        assert one["low"] < one["difference"] < one["high"]


def test_search_finds_what_was_said(visitor: Visitor) -> None:
    """Every result has all words, newest first, at most as many as asked for."""
    found = visitor.get("/api/v1/search", params={"q": "wiped photos", "topic": TOPIC, "limit": 5}).json()
    assert 5 == len(found)
    assert all("wiped" in post["text"].lower() and "photos" in post["text"].lower() for post in found)
    assert sorted((post["created_at"] for post in found), reverse=True) == [post["created_at"] for post in found]


def test_posts_of_a_topic_come_newest_first(visitor: Visitor) -> None:
    """`/posts` gives the newest posts before `until`."""
    found = visitor.get("/api/v1/posts", params={"topic": TOPIC, "until": "1h", "limit": 3}).json()
    times = [post["created_at"] for post in found]
    assert 3 == len(found)
    assert sorted(times, reverse=True) == times
    assert times[0] < from_ms(NOW - HOUR)


def test_an_incident_quotes_its_evidence_from_the_store(visitor: Visitor, store: SqliteStore) -> None:
    """Five posts stand for the rise; their texts are those that are stored."""
    (found,) = visitor.get("/api/v1/incidents", params={"topic": TOPIC}).json()
    stored = store.get([quote["id"] for quote in found["evidence"]])
    assert 5 == len(found["evidence"])
    assert [stored[quote["id"]].post.text for quote in found["evidence"]] == [quote["text"] for quote in found["evidence"]]
    assert found == visitor.get(f"/api/v1/incidents/{found['id'][:6]}").json()


def test_only_open_incidents_if_asked(visitor: Visitor) -> None:
    """`open=true` leaves the closed one out."""
    everything = visitor.get("/api/v1/incidents").json()
    still = visitor.get("/api/v1/incidents", params={"open": True}).json()
    assert {"open", "closed"} == {one["state"] for one in everything}
    assert [TOPIC] == [one["topic"] for one in still]


def test_verify_says_how_each_figure_stands(visitor: Visitor, store: SqliteStore) -> None:
    """The answer names every figure with what was sent, what comes out now and why they differ."""
    incident = store.incidents(TOPIC)[0]
    found = visitor.post(f"/api/v1/incidents/{incident.id}/verify").json()
    results = {figure["name"]: figure["result"] for figure in found["figures"]}
    assert incident.id == found["incident"]
    assert "equal" == results["share"] == results["n"] == results["emotions"]
    assert 5 == sum(name.startswith("quote ") for name in results)


def test_status_adds_up(visitor: Visitor, store: SqliteStore) -> None:
    """The status has the store's counts, the clock's time and what the process says of itself."""
    found = visitor.get("/api/v1/status").json()
    assert store.count() == found["posts"]
    assert (6, 1, "1.2.3") == (found["topics"], found["open_incidents"], found["version"])
    assert from_ms(NOW) == found["now"]
    assert {"model": "truth@0000", "factor": 60} == found["service"]


@pytest.mark.parametrize(
    ("path", "code", "part"),
    [
        ("/api/v1/trends?topic=Orbit", 404, "did you mean 'Orbit 5'"),
        ("/api/v1/posts?topic=Orbit", 404, "did you mean 'Orbit 5'"),
        ("/api/v1/search?q=a&topic=Orbit", 404, "did you mean 'Orbit 5'"),
        ("/api/v1/incidents?topic=Orbit", 404, "did you mean 'Orbit 5'"),
        ("/api/v1/compare?topics=Orbit,Lumabrew", 404, "did you mean 'Orbit 5'"),
        ("/api/v1/incidents/ffff0000ffff0000", 404, "unknown incident"),
        ("/api/v1/nothing", 404, "Not Found"),
        ("/api/v1/trends?topic=Lumabrew&every=7m", 422, "multiple of 5 minutes"),
        ("/api/v1/trends?topic=Lumabrew&every=soon", 422, "such as 30m, 1h or 7d"),
        ("/api/v1/trends?topic=Lumabrew&since=yesterday", 422, "is not a time"),
        ("/api/v1/trends?topic=Lumabrew&since=1h&until=2h", 422, "must be before"),
        ("/api/v1/trends", 422, "topic: Field required"),
        ("/api/v1/search?q=", 422, "q: String should have at least 1 character"),
        ("/api/v1/search?q=" + "a" * 501, 422, "at most 500 characters"),
        ("/api/v1/search?q=a&limit=0", 422, "greater than or equal to 1"),
        ("/api/v1/search?q=a&limit=1000000", 422, "less than or equal to 1000"),
        ("/api/v1/compare?topics=,", 422, "between one and ten topics"),
    ],
)
def test_a_bad_question_gets_a_clear_answer(visitor: Visitor, path: str, code: int, part: str) -> None:
    """Unknown names are 404 with the nearest one, bad parameters 422 with what to write instead, always as `detail`."""
    answer = visitor.get(path)
    assert code == answer.status_code
    assert part in answer.json()["detail"]


def test_an_answer_is_bounded(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trend with more buckets than an answer may have is refused with what to change."""
    monkeypatch.setattr(api, "MOST_BUCKETS", 50)
    wide = visitor.get("/api/v1/trends", params={"topic": TOPIC, "every": "1h"})
    narrow = visitor.get("/api/v1/trends", params={"topic": TOPIC, "every": "5m"})
    assert (200, 422) == (wide.status_code, narrow.status_code)
    assert "wider `every`" in narrow.json()["detail"]


class Away(SqliteStore):
    """A store that went away after it was opened."""

    def topics(self) -> list[TopicSummary]:
        """Always busy."""
        raise StoreBusy("database is locked", 1.0)


def test_a_store_that_is_away_is_a_clear_503(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pages and API say that the store can't be read, and when to come back."""
    store = Away(tmp_path_factory.mktemp("away") / "away.db", now=lambda: NOW)
    visitor = Visitor(app_over(store))
    for path in ("/", "/topics/x", "/search", "/api/v1/topics", "/api/v1/status"):
        answer = visitor.get(path)
        assert (503, "5") == (answer.status_code, answer.headers["retry-after"])
        assert "the store can" in answer.text
    store.close()


def test_a_page_without_verify_says_where_to_do_it(store: SqliteStore) -> None:
    """Where the process can't verify, the API answers 503 and the page names the command."""
    visitor = Visitor(app_over(store, verifies=False))
    incident = store.incidents(TOPIC)[0].id
    assert 503 == visitor.post(f"/api/v1/incidents/{incident}/verify").status_code
    assert f"moodstream verify {incident}" in visitor.get(f"/incidents/{incident}").text


def test_the_pace_is_measured_over_seconds() -> None:
    """Posts per second are those of the last seconds; at first there is no figure."""
    now = [0.0]
    pace = api.Pace(lambda: now[0])
    assert pace.measure(100) is None
    now[0] = 2.0
    assert pace.measure(150) == 25.0
    now[0] = 4.0
    assert pace.measure(150) == 12.5
    now[0] = 60.0
    assert pace.measure(1_000) is None
