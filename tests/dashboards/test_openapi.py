"""Whatever the API's own description allows, the API answers as described."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
import schemathesis
from dashboards_visitor import BASE, Visitor, app_over
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import content_type_conformance, not_a_server_error, response_schema_conformance, status_code_conformance
from seeded import NOW, TOPIC, seeded_store

from consumers.stores.sqlite import SqliteStore

ROUTES = (
    "/topics",
    "/trends",
    "/compare",
    "/backtest",
    "/posts",
    "/search",
    "/incidents",
    "/incidents/{incident_id}",
    "/incidents/{incident_id}/verify",
    "/incidents/{incident_id}/acts",
    "/incidents/{incident_id}/acknowledge",
    "/incidents/{incident_id}/snooze",
    "/mutes",
    "/explain",
    "/status",
)
CODES = {200, 404, 422}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    """A store of this module's own, as some routes act."""
    with closing(seeded_store(tmp_path_factory.mktemp("store") / "seeded.db", days=0.5, rate=3.0)) as opened:
        yield opened


@pytest.fixture(scope="module")
def visitor(store: SqliteStore) -> Visitor:
    """A visitor, kept for all examples."""
    return Visitor(app_over(store))


@pytest.mark.parametrize("path", ROUTES)
def test_answers_are_as_described(visitor: Visitor, store: SqliteStore, path: str) -> None:
    """Forty questions per route, right and wrong ones: the status is one that is described, the body has its shape, never a 500."""
    schema = schemathesis.openapi.from_dict(visitor.get("/openapi.json").json())
    incident = store.incidents(TOPIC)[0].id
    post = store.posts(TOPIC, 0, NOW, 1)[0].post.id
    seen = set()
    operations = [found.ok() for found in schema.get_all_operations() if found.ok().path == f"/api/v1{path}"]

    @settings(
        max_examples=40, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(st.one_of([operation.as_strategy() for operation in operations]), st.booleans())
    def answers(case: Case, known: bool) -> None:
        if known:
            fitting = {"topic": TOPIC, "topics": TOPIC, "id": post, "of": "anger"}
            case.query = {name: fitting.get(name, value) for name, value in (case.query or {}).items()}
            case.path_parameters = dict.fromkeys(case.path_parameters or {}, incident)
            if isinstance(case.body, dict):
                case.body = {**case.body, **{name: value for name, value in (("for", "2h"), ("topic", TOPIC)) if name in case.body}}
        given_ = case.as_transport_kwargs(base_url=BASE)
        sent = {name: given_[name] for name in ("params", "headers", "json", "data") if given_.get(name) is not None}
        answer = visitor.ask(given_["method"], given_["url"], **sent)
        assert answer.status_code in CODES
        seen.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    answers()
    assert 200 in seen


def test_every_route_is_asked(visitor: Visitor) -> None:
    """A new route of the description is added to this test; the endless event stream has its own tests."""
    assert {f"/api/v1{path}" for path in (*ROUTES, "/events")} == set(visitor.get("/openapi.json").json()["paths"])
