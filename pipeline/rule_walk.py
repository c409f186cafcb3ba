"""Rules over bins: which topics are beyond a limit now. Written as functions of the bins up to now; time is an argument.

The state after a bin depends on the bins up to it only, nothing is read or written; topics are the last axis of every array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.records import BIN, DAY, Bin, Measured
from pipeline.rules import Rule, terms
from pipeline.snapshot import Array, Floats, append, columns

CLEAR_BINS = 3  # in a row on the other side of `clear`, and the rule may fire again after its cool-down
ROUND = 6


@dataclass(frozen=True, slots=True)
class Counts:
    """One bin of all topics, (T,) each: what a rule can be about. `mentions`: (terms, T), in the order of `terms`."""

    n: Floats
    negative: Floats
    volume: Floats
    intensity: Floats
    mentions: Floats


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule fired on a topic. `since`: start of the window in which the value was first beyond the limit."""

    rule: Rule
    topic: str
    since: int
    measured: Measured


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a rule stands on a topic. `beyond`: the value is beyond the limit, over enough posts."""

    rule: Rule
    topic: str
    value: float
    n: float
    beyond: bool


@dataclass
class RuleState:
    """What one rule remembers; shapes end with the number of topics T."""

    part: Floats  # (window, T) of the last bins; bin t at (t / BIN) mod window
    whole: Floats
    known: NDArray[np.int64]  # ms: the topic's first bin
    beyond: NDArray[np.int64]  # ms: the first bin of those in a row that are beyond the limit; -1 for none
    active: NDArray[np.bool_]
    back: NDArray[np.int64]  # bins in a row that were back
    quiet_until: NDArray[np.int64]  # ms: end of the cool-down

    @classmethod
    def fresh(cls, window: int, topics: int, at: int) -> RuleState:
        """The state of topics whose first bin is at `at`."""
        return cls(
            part=np.zeros((window, topics)), whole=np.zeros((window, topics)), known=np.full(topics, at, np.int64),
            beyond=np.full(topics, -1, np.int64), active=np.zeros(topics, bool), back=np.zeros(topics, np.int64),
            quiet_until=np.zeros(topics, np.int64),
        )  # fmt: skip


def _values(rule: Rule, state: RuleState) -> tuple[Floats, Floats]:
    """What is compared with the limit, and over how many posts, (T,) each."""
    part, n = state.part.sum(axis=0), state.whole.sum(axis=0)
    return (part if rule.kind == "volume" else np.divide(part, n, out=np.zeros_like(part), where=n > 0)), n


class Rules:
    """All rules over all topics; `step` takes one bin and says which were broken."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self.rules = tuple(rules)
        self.terms = terms(rules)
        self.topics: list[str] = []
        self.states = [RuleState.fresh(rule.over // BIN, 0, 0) for rule in self.rules]
        self._applies: list[NDArray[np.bool_]] = [np.zeros(0, bool) for _ in self.rules]

    def add_topics(self, topics: Sequence[str], at: int) -> None:
        """Watch more topics, from the bin at `at` on."""
        self.topics += topics
        for rule, state in zip(self.rules, self.states, strict=True):
            append(state, RuleState.fresh(rule.over // BIN, len(topics), at))
        self._settle()

    def _settle(self) -> None:
        self._applies = [np.array([rule.wants(topic) for topic in self.topics], bool) for rule in self.rules]

    def step(self, t: int, seen: Counts) -> list[Broken]:
        """Take the bin starting at t ms, each bin once and in order."""
        return [
            broken
            for rule, state, applies in zip(self.rules, self.states, self._applies, strict=True)
            for broken in self._judge(rule, state, applies, t, seen)
        ]

    def active(self, key: str, place: int) -> bool:
        """Whether an episode of a rule is open in a topic, given by its place; False for a rule that is no more."""
        return any(bool(state.active[place]) for rule, state in zip(self.rules, self.states, strict=True) if rule.key == key)

    def _judge(self, rule: Rule, state: RuleState, applies: NDArray[np.bool_], t: int, seen: Counts) -> list[Broken]:
        row = (t // BIN) % len(state.part)
        state.part[row], state.whole[row] = self._columns(rule, seen)
        value, n = _values(rule, state)
        enough = applies & (n >= rule.min_n) & ((t + BIN - state.known >= rule.over) | (rule.side == "above"))
        far, near = (value > rule.limit, value <= rule.clear) if rule.side == "above" else (value < rule.limit, value >= rule.clear)
        beyond = enough & far & (t >= rule.begin)
        state.beyond = np.where(beyond, np.where(state.beyond < 0, t, state.beyond), -1)
        fired = beyond & (t + BIN - state.beyond >= rule.lasts) & ~state.active & (t >= state.quiet_until)
        state.back = np.where(state.active & (near | ~enough), state.back + 1, 0)
        ended = state.back >= CLEAR_BINS
        state.quiet_until = np.where(ended, t + BIN + rule.cooldown, state.quiet_until)
        state.active = (state.active & ~ended) | fired
        state.back = np.where(ended, 0, state.back)
        return [self._broken(rule, state, int(i), t, float(value[i]), float(n[i])) for i in np.flatnonzero(fired)]

    def standings(self) -> list[Standing]:
        """Where each rule stands on each topic that it is about, after the last bin."""
        out = []
        for rule, state, applies in zip(self.rules, self.states, self._applies, strict=True):
            value, n = _values(rule, state)
            out += [
                Standing(rule, self.topics[i], round(float(value[i]), ROUND), round(float(n[i]), ROUND), bool(state.beyond[i] >= 0))
                for i in np.flatnonzero(applies)
            ]
        return out

    def _columns(self, rule: Rule, seen: Counts) -> tuple[Floats, Floats]:
        """What is counted, and over what."""
        if rule.kind == "term":
            return seen.mentions[self.terms.index(rule.term)], seen.volume
        if rule.kind == "volume":
            return seen.volume, seen.volume
        return (seen.negative if rule.kind == "share" else seen.intensity), seen.n

    def _broken(self, rule: Rule, state: RuleState, place: int, t: int, value: float, n: float) -> Broken:
        since = max(int(state.beyond[place]) + BIN - rule.over, int(state.known[place]))
        figures = Measured(
            rule.name, rule.kind, rule.term, rule.side, rule.limit, round(value, ROUND), round(n, ROUND), t + BIN - rule.over, t + BIN,
            rule.lasts,
        )  # fmt: skip
        return Broken(rule, self.topics[place], since, figures)

    # ---- saved and restored, as a part of the walk ----

    def head(self) -> list[dict[str, Any]]:
        """The rules as JSON."""
        return [asdict(rule) for rule in self.rules]

    def arrays(self) -> dict[str, Array]:
        """The state by name."""
        return {f"{number}.{name}": array for number, state in enumerate(self.states) for name, array in columns(state).items()}

    @classmethod
    def restored(cls, head: Sequence[Mapping[str, Any]], arrays: Mapping[str, Array], topics: Sequence[str]) -> Rules:
        """The inverse of `head` and `arrays`. KeyError or TypeError if they are of another version."""
        found = cls([Rule.from_json(saved) for saved in head])
        found.topics = list(topics)
        names = RuleState.__dataclass_fields__
        found.states = [RuleState(**{name: arrays[f"{number}.{name}"] for name in names}) for number in range(len(found.rules))]
        found._settle()
        return found


def standings(rules: Sequence[Rule], bins: Sequence[Bin], topics: Sequence[str], until: int) -> list[Standing]:
    """Where the rules stand at `until` (a bin's start), from the bins of the day before, with their mentions."""
    walk = Rules([replace(rule, begin=0) for rule in rules])
    walk.add_topics(topics, 0)
    _feed(walk, bins, until)
    return walk.standings()


def carried(old: Rules, rules: Sequence[Rule], bins: Sequence[Bin], position: int, known: NDArray[np.int64]) -> Rules:
    """Other rules at the same place in a walk: one that stays goes on, a new one has seen the day before, the longest window.

    `bins`: of the day before `position`, with their mentions; `known`: first bin of each topic, ms. A new rule begins at `position` or
    later, so this is what it would be if it had been there from the first bin on.
    """
    found = Rules(rules)
    found.add_topics(old.topics, 0)
    for state in found.states:
        state.known = known.astype(np.int64)
    _feed(found, bins, position)
    for number, rule in enumerate(found.rules):
        if rule in old.rules:
            found.states[number] = old.states[old.rules.index(rule)]
    return found


def _feed(walk: Rules, bins: Sequence[Bin], until: int) -> None:
    """Take the bins of the day before `until`, the empty ones too."""
    places = {topic: i for i, topic in enumerate(walk.topics)}
    by_start: dict[int, list[Bin]] = {}
    for item in bins:
        if item.topic in places:
            by_start.setdefault(item.start, []).append(item)
    for start in range(until - DAY, until, BIN):
        columns, mentions = np.zeros((4, len(places))), np.zeros((len(walk.terms), len(places)))
        for item in by_start.get(start, ()):
            columns[:, places[item.topic]] = item.n, item.negative, item.volume, item.intensity
            mentions[:, places[item.topic]] = item.mentions or 0.0
        walk.step(start, Counts(columns[0], columns[1], columns[2], columns[3], mentions))
