"""What a rule of the settings would have told about a topic, on stored history, and how often it would be wrong where that can be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.backtested import COPIES, WEEK, Backtest, Level, Message
from pipeline.crossings import Crossings
from pipeline.detector import DetectorConfig
from pipeline.errors import InputError
from pipeline.lifecycle import QUIET_FOR
from pipeline.records import BIN, Bin
from pipeline.redrawn import History, history, redrawn, usual
from pipeline.rule_walk import Counts, Rules
from pipeline.rules import Rule
from pipeline.snapshot import Floats
from pipeline.stories import Teller, windows

SILENT = 1e9  # a threshold that the detector never reaches: its stories would take those of the rule


def of_rule(bins: Sequence[Bin], topic: str, since: int, until: int, rule: Rule, config: DetectorConfig) -> Backtest:
    """The rule alone, as the service runs it, over a topic's bins with their mentions. InputError if it isn't about the topic."""
    if not rule.wants(topic):
        raise InputError(f"rule {rule.name!r} is about {', '.join(rule.topics)}, not about {topic!r}")
    walk, teller = Crossings(bins[0].start, replace(config, threshold=SILENT), rules=[rule]), Teller()
    for _, events in walk.walk(bins, until):
        teller.take(events)
    stories = [story for story in teller.stories if story.alarm.rule == rule.key and story.alarm.fired >= since]
    messages = []
    for story, window in zip(stories, windows(stories, bins), strict=True):
        alarm, n = story.alarm, sum(item.n for item in window)
        share = round(sum(item.negative for item in window) / n, 4) if n else None
        value = alarm.measured.value if alarm.measured else None
        expected = round(alarm.expected, 4)
        messages.append(Message(alarm.onset, alarm.fired, story.closed, story.severity, share, expected, n, value))
    real = history(bins, [topic], until)
    rate = _false_per_week(real, rule, (since - real.start) // BIN, config) if rule.kind == "share" else None
    level = Level(0.0, tuple(messages), rate)
    return Backtest(topic, rule.name, since, until, real.start, 0.0, (level,), 0 if rate is None else COPIES)


def _false_per_week(real: History, rule: Rule, first: int, config: DetectorConfig) -> float:
    """How often it speaks on copies of the history in which nothing happened; only labels are drawn anew, so it is known of shares only."""
    known, rng = usual(real, config), np.random.default_rng(0)
    negatives = np.concatenate([redrawn(real, known, rng) for _ in range(COPIES)], axis=1)
    rules = Rules([replace(rule, topics=(), cooldown=max(rule.cooldown, QUIET_FOR))])  # what returns sooner is the same story
    rules.add_topics([str(copy) for copy in range(COPIES)], real.start)
    nothing: Floats = np.zeros((0, COPIES))
    told = 0
    for b, x in enumerate(negatives):
        n, volume = np.full(COPIES, real.n[b, 0]), np.full(COPIES, real.volume[b, 0])
        broken = rules.step(real.start + b * BIN, Counts(n, x, volume, x, nothing))
        told += len(broken) if b >= first else 0
    return told / COPIES / ((len(real.n) - first) * BIN / WEEK)
