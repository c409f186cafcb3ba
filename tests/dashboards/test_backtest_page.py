"""The page and the API of a backtest, without a browser."""

from __future__ import annotations

import re
import threading

import pytest
from dashboards_visitor import Visitor, app_over
from fastapi import HTTPException
from seeded import NOW, TOPIC

from consumers.stores.sqlite import SqliteStore
from dashboards import backtest as page
from dashboards.api import Pace, Service
from pipeline import wiring
from pipeline.backtested import Backtest, Level
from pipeline.errors import InputError
from pipeline.rule_settings import RuleSettings
from pipeline.settings import Settings

ASKED = {"topic": TOPIC, "since": "7d", "run": "1"}


@pytest.fixture(scope="module")
def ready(store: SqliteStore) -> Visitor:
    """A visitor, kept so that the backtest is run once."""
    return Visitor(app_over(store))


def test_the_page_asks_before_it_runs(ready: Visitor) -> None:
    """Without `run` there is a form with every topic and rule, and no result."""
    html = ready.get("/backtest", params={"topic": TOPIC}).text
    assert f'<option value="{TOPIC}" selected>' in html
    assert all(f'<option value="{rule}"' in html for rule in page.RULES)
    assert 'class="panel level"' not in html


def test_one_sensitivity_is_shown_without_a_script(ready: Visitor) -> None:
    """Each sensitivity has its part of the page, all but the chosen one hidden, and a link for those without scripts."""
    html = ready.get("/backtest", params={**ASKED, "sensitivity": "-2"}).text
    parts = re.findall(r'data-sensitivity="([-\d.]+)" data-words="[^"]+" aria-labelledby="level-\d+"( hidden)?>', html)
    assert 13 == len(parts)
    assert ["-2.0"] == [level for level, hidden in parts if not hidden]
    assert 13 == html.count("&amp;run=1")


def test_the_page_and_the_api_agree(ready: Visitor) -> None:
    """Number of messages at each sensitivity."""
    levels = ready.get("/api/v1/backtest", params={"topic": TOPIC, "since": "7d"}).json()["levels"]
    html = ready.get("/backtest", params=ASKED).text
    assert [len(level["messages"]) for level in levels] == [int(n) for n in re.findall(r'id="level-\d+">(\d+) message', html)]


def test_a_rule_without_sensitivity_has_no_slider(ready: Visitor) -> None:
    """The usual rules have one result."""
    html = ready.get("/backtest", params={**ASKED, "rule": "spike"}).text
    assert 'type="range"' not in html
    assert 1 == html.count('class="panel level"')


@pytest.mark.parametrize(
    ("changed", "status"), [({"topic": "no-such"}, 404), ({"rule": "no-such"}, 404), ({"since": "4w3"}, 422), ({"since": "300d"}, 422)]
)
def test_what_can_t_be_run_says_why(ready: Visitor, changed: dict[str, str], status: int) -> None:
    """Unknown topic or rule, a time that can't be read, one that is too long: on the page and in the API."""
    asked = {**ASKED, **changed}
    assert status == ready.get("/backtest", params=asked).status_code
    assert status == ready.get("/api/v1/backtest", params={k: v for k, v in asked.items() if k != "run"}).status_code


def test_a_process_that_can_t_run_it_says_so(store: SqliteStore) -> None:
    """No link on the topic's page, no route in the API, and the page names the command."""
    visitor = Visitor(app_over(store, verifies=False))
    assert "/backtest" not in visitor.get(f"/topics/{TOPIC}").text
    assert 404 == visitor.get("/api/v1/backtest", params={"topic": TOPIC}).status_code
    answer = visitor.get("/backtest")
    assert (503, True) == (answer.status_code, "moodstream backtest" in answer.text)


def result(topic: str) -> Backtest:
    """An empty result."""
    return Backtest(topic, "detector", NOW - 1, NOW, NOW - 1, 0.0, (Level(0.0, (), 0.0),), 1)


def service(store: SqliteStore) -> Service:
    """The service over a store."""
    return Service(store, lambda: NOW, dict, None, "1", Pace())


def test_results_are_kept_and_bounded(store: SqliteStore) -> None:
    """The same question is computed once; the oldest of more than sixteen answers is forgotten."""
    asked: list[int] = []

    def run(topic: str, since: int, rule: str) -> Backtest:
        asked.append(since)
        return result(topic)

    tester = page.Tester(service(store), run)
    for _ in range(2):
        tester.result(TOPIC, "7d", "detector")
    assert 1 == len(asked)
    for days in range(1, 18):
        tester.result(TOPIC, f"{days}d", "detector")
    tester.result(TOPIC, "7d", "detector")
    tester.result(TOPIC, "1d", "detector")
    assert 18 == len(asked)


def test_a_second_backtest_does_not_wait_for_ever(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one runs another one is told to come back."""
    monkeypatch.setattr(page, "PATIENCE", 0.01)
    started, go_on = threading.Event(), threading.Event()

    def run(topic: str, since: int, rule: str) -> Backtest:
        started.set()
        go_on.wait(5)
        return result(topic)

    tester = page.Tester(service(store), run)
    first = threading.Thread(target=tester.result, args=(TOPIC, "7d", "detector"))
    first.start()
    started.wait(5)
    with pytest.raises(HTTPException, match="another backtest"):
        tester.result(TOPIC, "14d", "detector")
    go_on.set()
    first.join(5)
    with pytest.raises(InputError, match="120 days"):
        tester.result(TOPIC, "121d", "detector")


def test_ones_own_rules_are_in_the_form_and_run(store: SqliteStore) -> None:
    """A rule of the settings can be chosen on the page, and the API gives what it would have told."""
    settings = Settings(rules=(RuleSettings(name="many", kind="volume", above=30, topics=(TOPIC,)),))
    ready = Visitor(wiring.page(settings, store, lambda: NOW, dict))
    assert '<option value="many">my rule “many”</option>' in ready.get("/backtest", params={"topic": TOPIC}).text
    html = ready.get("/backtest", params={**ASKED, "rule": "many"}).text
    assert "How often this rule would be wrong can't be told" in html
    found = ready.get("/api/v1/backtest", params={"topic": TOPIC, "since": "7d", "rule": "many"}).json()
    (level,) = found["levels"]
    assert (None, 0) == (level["expected_false_alarms_per_week"], found["copies"])
    assert level["messages"]
    assert all(message["value"] > 30 for message in level["messages"])
