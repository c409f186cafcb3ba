"""Rules of the settings: what they are judged on, when they fire, and when they may again."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import orjson
import pytest

from pipeline.records import BIN, HOUR, MINUTE, Bin, RuleKind
from pipeline.rule_walk import Broken, Counts, Rules, carried
from pipeline.rules import Rule, said, terms

START = 1_793_491_200_000
Row = tuple[float, float, float, float]  # posts, negatives, intensity, posts with the term

LOUD = Rule("loud", "share", 0.5, over=15 * MINUTE, min_n=10, clear=0.4, cooldown=30 * MINUTE)
CALM: Row = (10, 2, 3, 0)
ANGRY: Row = (10, 9, 8, 5)


def run(rule: Rule, rows: list[Row], walk: Rules | None = None, start: int = START) -> list[tuple[int, Broken]]:
    """What fired, with the number of its bin, on one topic."""
    rules = walk or Rules([rule])
    if not rules.topics:
        rules.add_topics(["tea"], start)
    out = []
    for number, (n, negative, intensity, term) in enumerate(rows):
        seen = Counts(*(np.array([value]) for value in (n, negative, n, intensity)), np.array([[term]]))
        out += [(number, broken) for broken in rules.step(start + number * BIN, seen)]
    return out


@pytest.mark.parametrize(
    ("kind", "limit", "value"), [("share", 0.5, 20 / 30), ("intensity", 0.5, 19 / 30), ("volume", 25, 30), ("term", 0.3, 10 / 30)]
)
def test_each_kind_is_taken_over_its_window(kind: RuleKind, limit: float, value: float) -> None:
    """The value is the sum over the window by the posts of the window; it fires at the first bin beyond the limit."""
    rule = replace(LOUD, kind=kind, limit=limit, clear=0.9 * limit, term="late" if kind == "term" else "")
    rows = [(0.0, 0.0, 0.0, 0.0), CALM, ANGRY, ANGRY] if kind == "volume" else [CALM, CALM, ANGRY, ANGRY]
    ((number, broken),) = run(rule, rows)
    assert (3, pytest.approx(value, abs=1e-6), 30.0) == (number, broken.measured.value, broken.measured.n)
    assert (START + BIN, START + 4 * BIN) == (broken.measured.start, broken.measured.end)
    assert START + BIN == broken.since


def test_a_share_below_fires_too_and_needs_a_whole_window() -> None:
    """`below` looks from the first whole window on: the first bins of a topic are not a drop."""
    rule = replace(LOUD, kind="volume", limit=25, side="below", clear=27, min_n=0)
    assert [] == run(rule, [CALM] * 3)
    assert [4] == [number for number, _ in run(rule, [CALM, CALM, CALM, CALM, (0, 0, 0, 0)])]
    assert [3] == [number for number, _ in run(rule, [CALM, CALM, CALM, (2, 0, 0, 0)])]


def test_few_posts_say_nothing() -> None:
    """Under `min_n` posts nothing fires, whatever their share."""
    assert [] == run(LOUD, [(3, 3, 3, 0)] * 8)
    assert 1 == len(run(LOUD, [(4, 4, 4, 0)] * 8))


def test_it_must_have_been_so_for_a_while() -> None:
    """With `for` the value must be beyond the limit in every bin of that time; one bin back starts the time again."""
    rule = replace(LOUD, over=BIN, lasts=15 * MINUTE)
    assert [4] == [number for number, _ in run(rule, [CALM, CALM, ANGRY, ANGRY, ANGRY, ANGRY])]
    assert [] == run(rule, [ANGRY, ANGRY, CALM, ANGRY, ANGRY, CALM])
    ((_, broken),) = run(rule, [CALM, ANGRY, ANGRY, ANGRY])
    assert (START + BIN, 15 * MINUTE) == (broken.since, broken.measured.lasts)


def test_around_the_limit_it_fires_once() -> None:
    """A value that swings around the limit and never comes back to `clear` is one episode."""
    swinging = [(10.0, x, 5.0, 0.0) for x in (9, 9, 9, 4.5, 5.5, 4.5, 5.5, 4.5, 5.5) * 3]
    assert 1 == len(run(replace(LOUD, over=BIN), swinging))


def test_after_its_end_it_is_quiet_for_the_cool_down() -> None:
    """Three bins back end it; it fires again when the cool-down is over, not before."""
    rule = replace(LOUD, over=BIN)
    early = [ANGRY, CALM, CALM, CALM, ANGRY, ANGRY, ANGRY, ANGRY, ANGRY, ANGRY, ANGRY]
    assert [0, 10] == [number for number, _ in run(rule, early)]
    assert [0, 10] == [number for number, _ in run(rule, [ANGRY, CALM, CALM, CALM, *[CALM] * 6, ANGRY])]


def test_a_topic_without_posts_any_more_ends_it() -> None:
    """Silence is no reason to stay active: an episode ends when there are too few posts."""
    rules = Rules([replace(LOUD, over=BIN)])
    run(rules.rules[0], [ANGRY, (0, 0, 0, 0), (0, 0, 0, 0)], rules)
    assert rules.active("rule loud", 0)
    run(rules.rules[0], [(0, 0, 0, 0)], rules, START + 3 * BIN)
    assert not rules.active("rule loud", 0)


def test_it_is_about_its_topics_and_speaks_from_its_beginning_on() -> None:
    """Other topics and the bins before `begin` are not judged."""
    assert [] == run(replace(LOUD, topics=("coffee",)), [ANGRY] * 6)
    assert [5] == [number for number, _ in run(replace(LOUD, begin=START + 5 * BIN), [ANGRY] * 8)]


def test_saved_and_restored_it_goes_on() -> None:
    """The state after any bin, saved and restored through JSON and bytes, gives the same as one that never stopped."""
    rows = [CALM, ANGRY, ANGRY, ANGRY, CALM, CALM, CALM, CALM, ANGRY, ANGRY, ANGRY, ANGRY, ANGRY, ANGRY] * 2
    rule = replace(LOUD, topics=("tea",), lasts=10 * MINUTE)
    whole = run(rule, rows)
    assert whole
    for cut in range(1, len(rows)):
        first = Rules([rule])
        found = run(rule, rows[:cut], first)
        second = Rules.restored(orjson.loads(orjson.dumps(first.head())), first.arrays(), first.topics)
        found += [(cut + number, broken) for number, broken in run(rule, rows[cut:], second, START + cut * BIN)]
        assert whole == found


def test_a_topic_that_comes_later_changes_nothing_for_the_others() -> None:
    """The state grows by topics; windows that were filled stay."""
    rules = Rules([LOUD])
    run(LOUD, [ANGRY, ANGRY], rules)
    rules.add_topics(["coffee"], START + 2 * BIN)
    two = Counts(*(np.array([value, 0.0]) for value in ANGRY[:1] + ANGRY[1:2] + ANGRY[:1] + ANGRY[2:3]), np.zeros((0, 2)))
    assert [] == rules.step(START + 2 * BIN, two)  # it is active already
    assert rules.active("rule loud", 0)
    assert not rules.active("rule loud", 1)


def test_terms_are_counted_once() -> None:
    """Two rules on one word read one column."""
    rules = [replace(LOUD, name=name, kind="term", term=word) for name, word in (("a", "late"), ("b", "broken"), ("c", "late"))]
    assert ("late", "broken") == terms([*rules, LOUD])


def test_a_rule_says_what_it_saw() -> None:
    """The sentence names value, number of posts, window, limit and how long."""
    ((_, broken),) = run(replace(LOUD, over=HOUR, lasts=BIN), [CALM, ANGRY])
    assert "Rule loud: 55% of 20 posts in 1 h are negative; the limit is above 50% for 5 min." == said(broken.measured)
    ((_, broken),) = run(replace(LOUD, kind="term", term="late", limit=0.2), [CALM, ANGRY])
    assert "Rule loud: 25% of 20 posts in 15 min contain “late”; the limit is above 20%." == said(broken.measured)


def test_a_rule_is_what_it_was_after_json() -> None:
    """A saved rule equals the one that was saved."""
    rule = replace(LOUD, topics=("a", "b"))
    assert rule == Rule.from_json(orjson.loads(orjson.dumps(asdict(rule))))


@pytest.mark.parametrize("side", ["above", "below"])
def test_rules_that_change_in_the_middle_are_as_if_they_had_always_been_there(side: str) -> None:
    """A rule that stays goes on, a new one has seen the day before: the same firings as in a walk with both from the first bin on."""
    begin = START + 310 * BIN
    stays = replace(LOUD, over=30 * MINUTE)
    new = replace(LOUD, name="new", kind="volume", limit=45, clear=45, over=5 * HOUR, min_n=0, side=side, begin=begin)  # type: ignore[arg-type]
    rows = [ANGRY if number % 50 > 30 else CALM for number in range(400)]
    rows[330:] = [(0.5, 0, 0, 0)] * 70
    bins = [Bin("tea", START + number * BIN, n, n, int(n), x, 1, 1, intensity) for number, (n, x, intensity, _) in enumerate(rows)]
    whole = Rules([stays, new])
    expected = [(number, broken.rule.name) for number, broken in run(stays, rows, whole) if number >= 310]
    old = Rules([stays])
    run(stays, rows[:310], old)
    changed = carried(old, [stays, new], bins[310 - 288 : 310], begin, np.array([START]))
    found = [(310 + number, broken.rule.name) for number, broken in run(stays, rows[310:], changed, begin)]
    assert {"loud", "new"} >= {name for _, name in expected}
    assert "new" in {name for _, name in expected}
    assert expected == found
    assert not carried(changed, [stays], bins[-288:], START + 400 * BIN, np.array([START])).active("rule new", 0)
