"""Acting from the page, by the API, and by a link of a message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from dashboards_visitor import BASE, Visitor, app_over
from pydantic import SecretStr
from seeded import NOW, TOPIC, seeded_store

from consumers.stores.sqlite import SqliteStore
from pipeline import acts
from pipeline.links import Link, Signer
from pipeline.mutes import mutes
from pipeline.records import HOUR, Incident
from pipeline.settings import WebSettings

SIGNER = Signer(BASE, b"k" * 32)
TOKENS = WebSettings(token=SecretStr("editor-token"), viewer_token=SecretStr("viewer-token"))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store that the test may change."""
    with closing(seeded_store(tmp_path / "store.db", days=0.5, rate=2.0)) as opened:
        yield opened


@pytest.fixture
def incident(own: SqliteStore) -> Incident:
    (found,) = own.incidents(TOPIC, open_only=True)
    return found


def test_the_forms_of_the_page_act(own: SqliteStore, incident: Incident) -> None:
    """Acknowledge, snooze and mute lead back to the page, which then says who did what; text of a form is escaped."""
    visitor = Visitor(app_over(own))
    path = f"/incidents/{incident.id}"
    for data in (
        {"what": "acknowledge", "by": "<b>ada</b>", "note": "on it"},
        {"what": "snooze", "for": "4h", "by": "bob"},
        {"what": "mute", "for": "1d"},
    ):
        assert (303, f"{path}#acts") == ((answer := visitor.post(f"{path}/acts", data=data)).status_code, answer.headers["location"])
    page = visitor.get(path).text
    assert all(text in page for text in ("&lt;b&gt;ada&lt;/b&gt;", "on it", "bob", "topic muted", "wake now", "unmute"))
    assert NOW + 4 * HOUR == acts.snoozes(own)[incident.id]
    assert [TOPIC] == list(mutes(own, NOW))
    visitor.post(f"{path}/acts", data={"what": "mute", "for": "off"})
    visitor.post(f"{path}/acts", data={"what": "snooze", "for": "off"})
    assert ({}, {}) == (acts.snoozes(own), mutes(own, NOW))
    assert [422, 422, 404] == [
        visitor.post(f"{where}/acts", data=data).status_code
        for where, data in (
            (path, {"what": "explode"}),
            (path, {"what": "snooze", "for": "soon"}),
            ("/incidents/none", {"what": "acknowledge"}),
        )
    ]


def test_the_api_acts(own: SqliteStore, incident: Incident) -> None:
    """The same by JSON; the history lists what was done."""
    visitor = Visitor(app_over(own))
    path = f"/api/v1/incidents/{incident.id}"
    assert "acknowledged" == visitor.post(f"{path}/acknowledge", json={"by": "ada"}).json()["what"]
    assert "2026-11-02T16:25:00.000Z" == visitor.post(f"{path}/snooze", json={"for": "2h"}).json()["until"]
    assert ["acknowledged", "snoozed"] == [one["what"] for one in visitor.get(f"{path}/acts").json()]
    assert [TOPIC] == [one["topic"] for one in visitor.post("/api/v1/mutes", json={"topic": TOPIC, "for": "1d"}).json()]
    assert [] == visitor.post("/api/v1/mutes", json={"topic": TOPIC, "for": "off"}).json()
    assert [404, 422, 422] == [
        visitor.post("/api/v1/mutes", json={"topic": "Orbit 6", "for": "1d"}).status_code,
        visitor.post(f"{path}/snooze", json={"for": "90d"}).status_code,
        visitor.post(f"{path}/acknowledge", json={"by": "x" * 81}).status_code,
    ]


def test_a_viewer_may_look_and_not_act(own: SqliteStore, incident: Incident) -> None:
    """With the viewer's token pages and verify work, no button is shown, and every act is refused; with web.token all works."""
    path = f"/incidents/{incident.id}"
    viewer, editor = Visitor(app_over(own, TOKENS)), Visitor(app_over(own, TOKENS))
    assert 303 == viewer.post("/login", data={"token": "viewer-token"}).status_code
    assert 303 == editor.post("/login", data={"token": "editor-token"}).status_code
    assert ("Mute the topic" in viewer.get(path).text, "Mute the topic" in editor.get(path).text) == (False, True)
    assert 200 == viewer.post(f"{path}/verify").status_code
    assert 403 == viewer.post(f"{path}/acts", data={"what": "acknowledge"}).status_code
    bearer = {"authorization": "Bearer viewer-token"}
    assert 403 == Visitor(app_over(own, TOKENS)).post(f"/api/v1{path}/acknowledge", json={}, headers=bearer).status_code
    assert not acts.acts(own, incident.id)
    assert 303 == editor.post(f"{path}/acts", data={"what": "acknowledge"}).status_code
    assert 401 == Visitor(app_over(own, TOKENS)).post(f"/api/v1{path}/acknowledge", json={}).status_code
    assert 1 == len(acts.acts(own, incident.id))


def test_another_site_cannot_act(own: SqliteStore, incident: Incident) -> None:
    """A form on a foreign page that a signed-in visitor opens is refused."""
    visitor = Visitor(app_over(own))
    headers = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert 403 == visitor.post(f"/incidents/{incident.id}/acts", data={"what": "acknowledge"}, headers=headers).status_code
    assert not acts.acts(own, incident.id)


def test_a_link_acts_only_when_it_is_confirmed(own: SqliteStore, incident: Incident) -> None:
    """Opening it, as mail scanners do, changes nothing and shows no post; its button does it, also without a token of the page."""
    visitor = Visitor(app_over(own, TOKENS))
    path = "/act/" + SIGNER.token(Link(incident.id, "snooze", NOW + HOUR))
    for _ in range(3):
        page = visitor.get(path)
        assert (200, True, False) == (page.status_code, TOPIC in page.text, "<blockquote" in page.text)
    assert not acts.acts(own, incident.id)
    assert 200 == visitor.post(path).status_code
    assert [("snoozed", NOW + 4 * HOUR)] == [(one.what, one.until) for one in acts.acts(own, incident.id)]
    for wrong in (path[:-1], "/act/" + SIGNER.token(Link(incident.id, "snooze", NOW)), "/act/x"):
        assert (422, 422) == (visitor.get(wrong).status_code, visitor.post(wrong).status_code)
    assert 1 == len(acts.acts(own, incident.id))
