"""What a rule would have told about a topic, on stored history, and how many of its messages are false alarms by expectation.

The detector walks the history of all topics as the service does, with doubles of the topic at other sensitivities beside it; so one
walk answers for a whole range. False alarms are counted on copies of the history in which nothing happened (pipeline/redrawn.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from pipeline.backtested import COPIES, WEEK, Backtest, Level, Message
from pipeline.crossings import Crossings
from pipeline.detector import DetectorConfig
from pipeline.errors import InputError, NotFoundError
from pipeline.peer_rules import PEERS, SHORT, Counted
from pipeline.ports import TrendReader
from pipeline.records import BIN, DAY, Bin, from_ms
from pipeline.redrawn import History, false_alarms, history, learnt, redrawn, usual
from pipeline.rule_backtest import of_rule
from pipeline.rules import Rule, counted
from pipeline.snapshot import Floats
from pipeline.stories import Teller, Told, windows
from pipeline.trends import floor_to

DETECTOR = "detector"
SENSITIVITIES = tuple(k / 2 for k in range(-6, 7))  # −3 … 3, added to the threshold
LEARNING = 28 * DAY  # of history before the time that is asked for
COPIED = 28 * DAY  # of the time that is asked for, at most: its end
COPY_LEARNING = 7 * DAY  # before it; a copy starts from what the group has taught
MOST_OTHERS = 100  # topics beside the one asked for that teach the group: 0.1 ms a bin


def backtest(
    store: TrendReader,
    topic: str,
    since: int,
    config: DetectorConfig,
    rule: str = DETECTOR,
    done: Callable[[float], None] = lambda _: None,
    rules: Sequence[Rule] = (),
) -> Backtest:
    """Run a rule over a topic's history from `since` (ms) to its newest post; `done` hears of the part that is done, 0 … 1.

    `rule`: the name of one of `rules`, `detector`, or one of the short names in pipeline/peer_rules.py. NotFoundError for an unknown
    topic or rule, InputError if there are no posts in that time.
    """
    own = {one.name: one for one in rules}
    if rule not in (DETECTOR, *SHORT, *own):
        raise NotFoundError.of("rule", rule, [DETECTOR, *SHORT, *own])
    summaries = {summary.topic: summary for summary in store.topics()}
    if topic not in summaries:
        raise NotFoundError.of("topic", topic, summaries)
    last = summaries[topic].last
    until = floor_to(last, BIN) + BIN if last is not None else 0
    since = max(floor_to(since, BIN), floor_to(summaries[topic].first or 0, BIN))
    if until <= since:
        raise InputError(f"topic {topic!r} has no posts since {from_ms(since)}; choose an earlier --since")
    others = sorted((s for s in summaries.values() if s.topic != topic), key=lambda s: (-s.posts, s.topic))[:MOST_OTHERS]
    names = [topic] if rule != DETECTOR or rule in own else sorted([topic, *(s.topic for s in others)])
    bins = store.bins(names, since - LEARNING, until)
    if rule in own:
        whole = counted(store, bins, [own[rule]], since - LEARNING, until, store.latest()[1] or 0)
        return of_rule(whole, topic, since, until, own[rule], config)
    if rule != DETECTOR:
        return of_peer(bins, topic, since, until, rule, config)
    return of_detector(bins, topic, since, until, config, done)


def of_detector(
    bins: Sequence[Bin], topic: str, since: int, until: int, config: DetectorConfig, done: Callable[[float], None] = lambda _: None
) -> Backtest:
    """The detector at every sensitivity at once; `bins`: all topics by start, the time for learning included."""
    own = dict(config.sensitivity).get(topic, 0.0)
    levels = sorted({*SENSITIVITIES, own})
    doubles = {f"{topic}\0{level:+g}": level for level in levels}
    walk = Crossings(bins[0].start, replace(config, sensitivity=(*config.sensitivity, *doubles.items())), {topic: tuple(doubles)})
    real = history(bins, [topic], until)
    logit, calm = np.zeros_like(real.n), np.ones_like(real.n)
    teller = Teller()
    for b, (_, events) in enumerate(walk.walk(bins, until)):
        teller.take(events)
        place = walk.places.get(topic)
        if place is not None:
            logit[b], calm[b] = walk.detector.baseline.logit(real.start + b * BIN)[place], not walk.detector.active[place]
        if b % 288 == 0:
            done(0.6 * b / len(real.n))
    found = _messages(teller.stories, bins, topic, doubles, since)
    expected = _expected(real, logit, calm, walk, topic, levels, since)
    done(1.0)
    told = tuple(Level(level, tuple(found[level]), rate) for level, rate in zip(levels, expected, strict=True))
    return Backtest(topic, DETECTOR, since, until, real.start, own, told, COPIES)


def _messages(
    stories: Sequence[Told], bins: Sequence[Bin], topic: str, doubles: dict[str, float], since: int
) -> dict[float, list[Message]]:
    """Sensitivity → messages, of the topic's doubles; changes of volume alone are told to nobody."""
    found: dict[float, list[Message]] = {level: [] for level in doubles.values()}
    chosen = [story for story in stories if story.alarm.topic in doubles and story.severity != "annotation" and story.alarm.fired >= since]
    alarms = [Told(replace(story.alarm, topic=topic), story.closed, story.escalated) for story in chosen]
    for story, window in zip(chosen, windows(alarms, bins), strict=True):
        n = sum(item.n for item in window)
        share = round(sum(item.negative for item in window) / n, 4) if n else None
        alarm = story.alarm
        message = Message(alarm.onset, alarm.fired, story.closed, story.severity, share, round(alarm.expected, 4), n)
        found[doubles[alarm.topic]].append(message)
    return found


def _expected(
    real: History, logit: Floats, calm: Floats, walk: Crossings, topic: str, levels: Sequence[float], since: int
) -> Iterator[float]:
    """False alarms a week at each sensitivity, on copies of the end of the history."""
    asked = min(len(real.n) - (since - real.start) // BIN, COPIED // BIN)
    part = real.since(asked + COPY_LEARNING // BIN)
    plain = replace(walk.detector.config, sensitivity=())
    place = walk.places[topic]
    known = learnt(real, logit, calm, walk.detector.baseline, plain, slice(place, place + 1)).since(len(part.n))
    counts = false_alarms(part, known, levels, COPIES, len(part.n) - asked)
    return (float(rate) for rate in counts.sum(axis=(0, 2)) / COPIES / (asked * BIN / WEEK))


def of_peer(bins: Sequence[Bin], topic: str, since: int, until: int, rule: str, config: DetectorConfig) -> Backtest:
    """One of the rules that people write first, by its short name."""
    run = PEERS[SHORT[rule]]
    real = history(bins, [topic], until)
    first = (since - real.start) // BIN
    known = usual(real, config)
    rng = np.random.default_rng(0)
    copies = [run(Counted(real.n, redrawn(real, known, rng), real.start)) for _ in range(COPIES)]
    false = sum(b >= first for alerts in copies for _, b in alerts) / COPIES
    alerts = sorted(b for _, b in run(Counted(real.n, real.x, real.start)) if b >= first)
    messages = tuple(_at(real, b) for b in alerts)
    level = Level(0.0, messages, false / ((until - since) / WEEK))
    return Backtest(topic, rule, since, until, real.start, 0.0, (level,), COPIES)


def _at(real: History, b: int) -> Message:
    """A message of a rule that names no beginning and no expectation: figures of the last hour."""
    hour = slice(max(b - 11, 0), b + 1)
    n, x = float(real.n[hour].sum()), float(real.x[hour].sum())
    at = real.start + b * BIN
    return Message(at, at, None, "tone", round(x / n, 4) if n else None, None, n)
