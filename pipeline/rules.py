"""Rules that a person writes: a limit on a topic's share, intensity, volume or on the share of its posts with a word or phrase.

They stand beside the detector: pipeline/rule_walk.py judges them bin by bin, and what they find goes the way of all alerts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pipeline.ports import TrendReader
from pipeline.records import HOUR, MINUTE, Bin, Measured, RuleKind, Severity

MARGIN = 0.1  # of the limit: how far back a value must go where `clear` is not given
PREFIX = "rule "  # of the name of a rule in Incident.rule
TONE: frozenset[RuleKind] = frozenset({"share", "intensity"})  # what the model says; the others only count posts


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. It fires when the value over the last `over` ms has been beyond the limit for `lasts` ms, over enough posts."""

    name: str
    kind: RuleKind
    limit: float
    side: Literal["above", "below"] = "above"
    topics: tuple[str, ...] = ()  # empty: all
    term: str = ""
    over: int = HOUR
    lasts: int = 0
    min_n: float = 20.0  # scored posts for share and intensity, posts for a term; 0 for a volume
    clear: float = 0.0  # the episode ends on this side of it
    severity: Severity = "incident"
    cooldown: int = HOUR
    begin: int = 0  # bins before it are not judged: a rule doesn't speak of the time before it was written

    @property
    def key(self) -> str:
        """As incidents name it."""
        return PREFIX + self.name

    def wants(self, topic: str) -> bool:
        """Whether the rule is about this topic."""
        return not self.topics or topic in self.topics

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Rule:
        """The inverse of `dataclasses.asdict` after JSON made lists of tuples. TypeError if this version has other fields."""
        return cls(**{**saved, "topics": tuple(saved["topics"])})


def terms(rules: Sequence[Rule]) -> tuple[str, ...]:
    """The words and phrases that these rules count, each once, in order; `Bin.mentions` follows it."""
    return tuple(dict.fromkeys(rule.term for rule in rules if rule.kind == "term"))


def counted(store: TrendReader, bins: Sequence[Bin], rules: Sequence[Rule], since: int, until: int, as_of: int) -> list[Bin]:
    """The same bins with the mentions of each term that a rule counts, from documents ingested by `as_of`; without such rules as they are.

    What lies before a rule's beginning, less its window, is not counted. `bins` are those of since <= start < until. Raises StoreError.
    """
    words = terms(rules)
    if not words or not bins:
        return list(bins)
    found: dict[tuple[str, str], dict[int, float]] = {}
    for rule in rules:
        first = max(since, rule.begin - rule.over)
        for topic in sorted({item.topic for item in bins if rule.wants(item.topic)}) if rule.kind == "term" and first < until else ():
            found.setdefault((topic, rule.term), {}).update(store.mentions(topic, rule.term, first, until, as_of))
    none: dict[int, float] = {}
    return [replace(item, mentions=tuple(found.get((item.topic, word), none).get(item.start, 0.0) for word in words)) for item in bins]


def said(measured: Measured) -> str:
    """What broke a rule, in plain words: "Rule strong: 45 % of 120 posts in 1 h are negative; the limit is above 40 %."."""
    n, stretch = f"{measured.n:,.0f} posts", _length(measured.end - measured.start)
    share = measured.kind in ("share", "term")
    limit = f"the limit is {measured.side} {f'{measured.limit:.0%}' if share else f'{measured.limit:,g}'}"
    held = f" for {_length(measured.lasts)}" if measured.lasts else ""
    value = {
        "share": f"{measured.value:.0%} of {n} in {stretch} are negative",
        "intensity": f"a mean intensity of {measured.value:.2f} over {n} in {stretch}",
        "volume": f"{n} in {stretch}",
        "term": f"{measured.value:.0%} of {n} in {stretch} contain “{measured.term}”",
    }[measured.kind]
    return f"Rule {measured.rule}: {value}; {limit}{held}."


def in_words(rule: Rule) -> str:
    """The rule as one would say it: "share above 50% over 1 h, for 15 min, of at least 20 posts"."""
    limit = f"{rule.limit:.0%}" if rule.kind in ("share", "term") else f"{rule.limit:,g}"
    what = f"share of posts with “{rule.term}”" if rule.kind == "term" else rule.kind
    lasts = f", for {_length(rule.lasts)}" if rule.lasts else ""
    least = f", of at least {rule.min_n:g} posts" if rule.min_n else ""
    return f"{what} {rule.side} {limit} over {_length(rule.over)}{lasts}{least}"


def _length(ms: int) -> str:
    hours, minutes = divmod(ms // MINUTE, 60)
    return f"{hours} h {minutes} min" if hours and minutes else f"{hours} h" if hours else f"{minutes} min"
