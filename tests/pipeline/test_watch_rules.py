"""Rules in the tick: the same incidents, messages and proofs as the detector's, and one incident per story."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streams import START, Bench, post, stream

from pipeline.backtest import backtest
from pipeline.detector import DetectorConfig
from pipeline.records import BIN, DAY, HOUR, MINUTE, Incident, RuleKind
from pipeline.rules import Rule
from pipeline.verify import verify, verify_all
from pipeline.watch import WatchConfig

SPIKE = {"tea": (20, 30)}
SOON = START + 19 * BIN
END = START + 34 * BIN
LATE = Rule("talk of kettles", "term", 0.5, term="kettle", over=30 * MINUTE, clear=0.4)
STRONG = Rule("strong", "share", 0.6, over=30 * MINUTE, clear=0.5)
Bencher = Callable[..., Bench]


@pytest.fixture
def bencher(tmp_path: Path) -> Iterator[Bencher]:
    made: list[Bench] = []

    def make(*rules: Rule, name: str = "one") -> Bench:
        made.append(Bench(tmp_path / name, config=WatchConfig(rules=rules)))
        return made[-1]

    yield make
    for bench in made:
        bench.store.close()


def of_share(bench: Bench) -> list[Incident]:
    return [item for item in bench.store.incidents(limit=1000) if item.rule != "volume"]


@pytest.mark.parametrize(
    ("kind", "limit", "over"),
    [("share", 0.25, HOUR), ("intensity", 0.45, HOUR), ("volume", 10.0, 5 * MINUTE), ("term", 0.15, HOUR)],
)
def test_a_rule_opens_one_incident_that_can_be_verified(bencher: Bencher, kind: RuleKind, limit: float, over: int) -> None:
    """On a topic where the detector says nothing, each kind opens one incident with one message, and all its figures are equal."""
    rule = Rule("mine", kind, limit, term="kettle" if kind == "term" else "", over=over, clear=limit * 0.9, topics=("tea",))
    bench = bencher(replace(rule, severity="tone", min_n=0 if kind == "volume" else 20))
    posts = stream(["tea", "coffee"], 40)
    for n in range(90):  # three more posts a bin from the tenth on, slowly more of them about the kettle and negative
        at = START + (10 + n // 3) * BIN + n
        posts.append(post(60_000 + n, at, 0.5, f"the kettle is lukewarm u{n}", author=f"h{n:04x}"))
    bench.play(sorted(posts, key=lambda item: item.ingested_at), START + 43 * BIN, skip=START + 9 * BIN)
    mine = [item for item in bench.store.incidents() if item.rule == "rule mine"]
    (incident,) = mine
    assert ("tea", "tone", kind) == (incident.topic, incident.severity, incident.measured.kind if incident.measured else None)
    assert incident.measured is not None
    assert incident.measured.value > limit
    assert incident.sentence.startswith("Rule mine: ")
    assert 1 == len([message for message in bench.store.pending(2**60) if message.incident == incident.id])
    result = verify(bench.store, incident)
    assert ("equal", 0) == (result.result, result.exit_code), [figure for figure in result.figures if figure.result != "equal"]
    assert "measured" in {figure.name for figure in result.figures}


def test_a_changed_rule_figure_is_wrong(bencher: Bencher) -> None:
    """A value that no stored post explains is found out."""
    bench = bencher(LATE)
    bench.play(stream(["tea"], 34, SPIKE), END, skip=SOON)
    (incident,) = of_share(bench)
    other = replace(incident, measured=incident.measured and replace(incident.measured, value=0.99))
    assert {"measured"} == {figure.name for figure in verify(bench.store, other).figures if figure.result == "wrong"}


def test_one_incident_per_story_over_detector_and_rules(bencher: Bencher) -> None:
    """A spike that the detector and two rules see is one incident with one message; the timeline names who else saw it."""
    bench = bencher(LATE, STRONG)
    bench.play(stream(["tea", "coffee"], 34, SPIKE), END, skip=SOON)
    (incident,) = of_share(bench)
    assert 1 == len(bench.messages())
    seen = {incident.rule, *(state.removeprefix("joined by ") for state, _ in incident.timeline if state.startswith("joined"))}
    assert {"rule talk of kettles", "rule strong"} <= seen
    assert {"share", "share+volume"} & seen
    assert 0 == verify(bench.store, incident).exit_code


@pytest.mark.parametrize("severity", ["tone", "incident"])
def test_a_rule_that_fires_in_an_open_story_joins_it(bencher: Bencher, severity: str) -> None:
    """The detector was first: the rule opens nothing; a more severe one raises the story once."""
    slow = replace(STRONG, lasts=30 * MINUTE, severity=severity)  # type: ignore[arg-type]
    bench = bencher(slow)
    posts = [
        item
        for item in stream(["tea", "coffee"], 34, SPIKE)
        if not (20 * BIN <= item.post.created_at - START and int(item.post.post_id.split("-")[1]) % 3)
    ]
    bench.play(posts, END, skip=SOON)
    (incident,) = of_share(bench)
    assert incident.rule in {"share", "share+volume"}
    assert "joined by rule strong" in {state for state, _ in incident.timeline}
    assert 1 == len(bench.messages())
    assert 0 == verify(bench.store, incident).exit_code


def test_a_restart_before_every_tick_changes_nothing(bencher: Bencher) -> None:
    """Rules are part of the saved state: the same incidents and messages with and without restarts."""
    results = []
    posts = stream(["tea", "coffee"], 34, SPIKE)
    for restart in (False, True):
        bench = bencher(LATE, STRONG, name=str(restart))
        for until in range(SOON, END, BIN):
            if restart:
                bench.new_watch()
            bench.play([item for item in posts if bench.now < item.ingested_at <= until], until, skip=until)
        results.append(([replace(item, as_of=0, detector="") for item in bench.store.incidents()], bench.messages()))
    assert results[0] == results[1]
    assert results[0][1]


def test_a_rebuild_gives_the_same(bencher: Bencher) -> None:
    """A store with the same posts and no saved state comes to the same incident, to the last digit."""
    posts = stream(["tea", "coffee"], 34, SPIKE)
    live, again = bencher(LATE, name="live"), bencher(LATE, name="again")
    live.play(posts, END, skip=SOON)
    again.store.write(posts)
    again.watch.tick(END + DAY, flush=True)
    kept, found = ([(item.id, item.onset, item.measured, item.share, item.sentence) for item in of_share(bench)] for bench in (live, again))
    assert kept
    assert kept == found


def test_a_rule_says_nothing_of_the_time_before_it_was_written(bencher: Bencher, tmp_path: Path) -> None:
    """A rule that is added to a store with history opens nothing about it; it speaks of what comes."""
    bench = bencher()
    posts = stream(["tea", "coffee"], 90, {"tea": (70, 80)})
    said = [post(70_000 + n, START + 20 * BIN + n * BIN // 8, 0.02, f"kettle kettle c{n}", "coffee") for n in range(160)]
    bench.play([item for item in (*posts, *said) if item.ingested_at < START + 50 * BIN], START + 50 * BIN, 10 * BIN)
    bench._config = WatchConfig(rules=(LATE,))
    bench.new_watch()
    bench.play([item for item in posts if item.ingested_at >= START + 50 * BIN], START + 84 * BIN, 2 * BIN)
    assert {"tea"} == {item.topic for item in of_share(bench)}
    assert bench.watch._walk is not None
    assert START == bench.watch._walk.begin
    assert any("talk of kettles" in item.rule or "talk of kettles" in str(item.timeline) for item in of_share(bench))
    assert {0} == {result.exit_code for result in verify_all(bench.store, bench.store.incidents())}


def test_a_rule_that_is_taken_out_leaves_its_incident_closed_and_verifiable(bencher: Bencher) -> None:
    """Without its rule an open incident ends; its figures are still equal, as the rule was kept with them."""
    bench = bencher(LATE)
    bench.play(stream(["tea"], 34, SPIKE), START + 26 * BIN, skip=SOON)
    (incident,) = of_share(bench)
    bench._config = WatchConfig()
    bench.new_watch()
    bench.play(stream(["tea"], 80, SPIKE), START + 82 * BIN, 6 * BIN)
    assert 0 == verify(bench.store, bench.store.incident(incident.id)).exit_code
    assert "closed" == bench.store.incident(incident.id).state


def test_a_closed_incident_verifies(bencher: Bencher) -> None:
    """Hours after the end, with posts that came since, every figure of a closed incident is equal: the detector's and a rule's."""
    bench = bencher(replace(LATE, topics=("coffee",)))
    said = [post(70_000 + n, START + 20 * BIN + n * BIN // 8, 0.02, f"kettle kettle c{n}", "coffee") for n in range(80)]
    bench.play([*stream(["tea", "coffee"], 120, SPIKE), *said], START + 124 * BIN, 2 * BIN, SOON)
    found = of_share(bench)
    assert {"tea", "coffee"} == {item.topic for item in found}
    assert {"closed"} == {item.state for item in found}
    for incident in found:
        assert 0 == verify(bench.store, incident).exit_code


def test_a_backtest_says_what_was_sent(bencher: Bencher) -> None:
    """A rule over the stored history gives the story that the service found, with its times and its value."""
    rule = replace(LATE, severity="tone")
    bench = bencher(rule)
    bench.play(stream(["tea"], 100, SPIKE), START + 104 * BIN, 2 * BIN, SOON)
    (incident,) = of_share(bench)
    found = backtest(bench.store, "tea", START, DetectorConfig(), rule.name, rules=[rule])
    (message,) = found.levels[0].messages
    measured = incident.measured
    assert measured is not None
    assert (incident.onset, incident.fired, measured.value) == (message.onset, message.fired, message.value)
    assert (incident.expected, incident.share) == (pytest.approx(message.expected, abs=1e-4), pytest.approx(message.share, abs=1e-4))
    assert message.closed is not None
