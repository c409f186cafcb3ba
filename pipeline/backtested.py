"""What a backtest found: the messages that would have gone out at each sensitivity, and how many would be false by expectation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.records import DAY, Severity, from_ms

COPIES = 8  # of the history, in which nothing happened
WEEK = 7 * DAY


@dataclass(frozen=True, slots=True)
class Message:
    """One message that would have gone out. Figures are over the bins from onset to fired, both included."""

    onset: int
    fired: int
    closed: int | None
    severity: Severity
    share: float | None
    expected: float | None  # None: the rule has no expectation
    n: float
    value: float | None = None  # of a rule of the settings: what broke it

    def to_json(self) -> dict[str, Any]:
        """As a program reads it; times in RFC 3339."""
        times = {
            "onset": from_ms(self.onset),
            "fired": from_ms(self.fired),
            "closed": None if self.closed is None else from_ms(self.closed),
        }
        figures = {"share": self.share, "expected": self.expected, "n": self.n, "value": self.value}
        return {**times, "severity": self.severity, **figures}


@dataclass(frozen=True, slots=True)
class Level:
    """The messages at one sensitivity, and how many a week are to be expected when nothing happens; None where copies can't say."""

    sensitivity: float
    messages: tuple[Message, ...]
    false_per_week: float | None

    def to_json(self, weeks: float) -> dict[str, Any]:
        """As a program reads it."""
        return {
            "sensitivity": self.sensitivity,
            "messages_per_week": round(len(self.messages) / weeks, 3),
            "expected_false_alarms_per_week": None if self.false_per_week is None else round(self.false_per_week, 3),
            "messages": [message.to_json() for message in self.messages],
        }


@dataclass(frozen=True, slots=True)
class Backtest:
    """A rule over a stretch of a topic's history."""

    topic: str
    rule: str
    since: int
    until: int
    learnt_from: int  # the first bin that was walked
    sensitivity: float  # the one of the settings
    levels: tuple[Level, ...]  # by sensitivity; one for a rule that has none
    copies: int

    @property
    def weeks(self) -> float:
        """Length of the time that is told of."""
        return (self.until - self.since) / WEEK

    def level(self, sensitivity: float) -> Level:
        """The nearest sensitivity that was tried."""
        return min(self.levels, key=lambda level: abs(level.sensitivity - sensitivity))

    def to_json(self) -> dict[str, Any]:
        """As a program reads it."""
        return {
            "topic": self.topic,
            "rule": self.rule,
            "since": from_ms(self.since),
            "until": from_ms(self.until),
            "learnt_from": from_ms(self.learnt_from),
            "sensitivity": self.sensitivity,
            "copies": self.copies,
            "levels": [level.to_json(self.weeks) for level in self.levels],
        }
