"""What a model confuses, and the share of negative posts estimated in spite of it.

A mean of calibrated probabilities is right only where as many texts are negative as in the texts of the calibration: of a stream
with 50 % negative posts it says 33 %. Texts of either class look the same whatever the share, so
mean p_negative = share · high + (1 − share) · low, and the share follows from the mean and two constants of the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import orjson

Z95 = 1.959963984540054  # the 97.5 % point of the normal distribution


@dataclass(frozen=True, slots=True)
class Confusion:
    """How p_negative is distributed over labelled texts that are negative ("high") and over the others ("low")."""

    low: float  # mean over the others
    high: float  # mean over the negative ones
    low_variance: float  # of one text around `low`
    high_variance: float
    low_error: float  # variance of `low` itself, as so many texts were labelled
    high_error: float
    shared_error: float  # covariance of `low` and `high`: a text may be labelled half negative

    def to_json(self) -> dict[str, float]:
        """Every number in full."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Confusion:
        """The inverse of `to_json`. KeyError, TypeError or ValueError if a number is missing or out of order."""
        found = cls(**{part.name: float(data[part.name]) for part in fields(cls)})
        if not (0 <= found.low < found.high <= 1 and min(found.low_variance, found.high_variance, found.low_error, found.high_error) >= 0):
            raise ValueError(f"a confusion needs 0 <= low < high <= 1 and no negative variance: {found}")
        return found

    def without_error(self) -> Confusion:
        """The same as if the constants were known exactly."""
        return replace(self, low_error=0.0, high_error=0.0, shared_error=0.0)

    @property
    def relative_error(self) -> float:
        """Standard deviation of high − low, divided by it."""
        variance = self.low_error + self.high_error - 2 * self.shared_error
        return math.sqrt(max(0.0, variance)) / (self.high - self.low)


Known = Callable[[str], Confusion | None]  # by a model's name; None where nobody has said


def unknown(model: str) -> None:
    """Knows no model's confusion."""


def estimate(mean: float, n: float, confusion: Confusion) -> tuple[float, float, float]:
    """(share, low, high): the share of negative posts, with its 95 % band, from the mean p_negative of n posts (n > 0, may be fractional).

    The share is the probabilistic adjusted count of Bella et al., Quantification via probability estimators, ICDM 2010. The band holds
    every share under which the mean is at most 1.96 standard deviations off, as Wilson's interval does; the deviation is that of n
    posts around the mean and that of the constants (Fieller 1954). With constants 0 and 1 it is Wilson's interval.
    A mean more than one deviation beyond the constants counts as one that is so far off: the farther off, the less it looks like any
    share, and the band would shrink to nothing.
    """
    c, gap = confusion, confusion.high - confusion.low
    least, most = c.low - math.sqrt(c.low_variance / n + c.low_error), c.high + math.sqrt(c.high_variance / n + c.high_error)
    off = min(max(mean, least), most) - c.low
    z2 = Z95 * Z95
    a = gap * gap * (1 + z2 / n) - z2 * (c.low_error + c.high_error - 2 * c.shared_error)
    b = 2 * gap * off + z2 * ((c.high_variance - c.low_variance + gap * gap) / n - 2 * c.low_error + 2 * c.shared_error)
    rest = off * off - z2 * (c.low_variance / n + c.low_error)
    share = min(max(off / gap, 0.0), 1.0)
    if a <= 0:  # the constants may be equal: nothing is known
        return share, 0.0, 1.0
    root = math.sqrt(max(0.0, b * b - 4 * a * rest))
    return share, min(share, max(0.0, (b - root) / (2 * a))), max(share, min(1.0, (b + root) / (2 * a)))


def estimate_of_several(mean: float, n: float, confusions: list[Confusion]) -> tuple[float, float, float]:
    """The estimate where posts were scored by one of several models and nobody knows which: between the least and the most of theirs."""
    found = [estimate(mean, n, one) for one in confusions]
    shares = [share for share, _, _ in found]
    return (min(shares) + max(shares)) / 2, min(low for _, low, _ in found), max(high for _, _, high in found)


def state_name(model: str) -> str:
    """Under which name a store keeps the confusion of a model."""
    return f"confusion:{model}"


def to_state(confusion: Confusion) -> bytes:
    """As a store keeps it."""
    return orjson.dumps(confusion.to_json())


def recall(state: Callable[[str], bytes | None]) -> Known:
    """The confusions that a store was told, each read once. `state` is the store's."""
    seen: dict[str, Confusion | None] = {}

    def known(model: str) -> Confusion | None:
        if model not in seen:
            data = state(state_name(model))
            seen[model] = None if data is None else Confusion.from_json(orjson.loads(data))
        return seen[model]

    return known
