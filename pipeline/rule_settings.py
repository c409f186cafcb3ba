"""A `[[rules]]` table of moodstream.toml, and the rule that it means."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.durations import duration
from pipeline.errors import InputError
from pipeline.records import BIN, DAY, RuleKind
from pipeline.rules import MARGIN, Rule


class RuleSettings(BaseModel):
    """A limit beside the detector: share and intensity of 0 to 1, volume in posts, term as a share of the posts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=60, pattern=r"^[\w .-]+$", description="the rule's name")
    kind: RuleKind = Field(description="share (of negatives), intensity (mean), volume (posts), or term (share of the posts with it)")
    topics: tuple[str, ...] = Field((), description="only these topics; empty: all")
    term: str = Field("", max_length=200, description="for kind = term: a word or a phrase, any case")
    above: float | None = Field(None, ge=0, description="fires above this, or")
    below: float | None = Field(None, ge=0, description="fires below this")
    over: str = Field("1h", description="what the value is taken over: 5m to 1d")
    lasts: str = Field("0m", alias="for", description="fires when it has been so for this long, such as 15m")
    min_n: float | None = Field(None, ge=1, description="fewer posts say nothing; 20 if not given, none for a volume")
    clear: float | None = Field(None, ge=0, description="it is over when the value is back here; a tenth of the limit if not given")
    severity: Literal["tone", "incident"] = Field("incident", description="as receivers filter it")
    cooldown: str = Field("1h", description="after its end it says nothing for this long")

    @model_validator(mode="after")
    def _is_whole(self) -> RuleSettings:
        rule_of(self)
        return self


def rule_of(one: RuleSettings) -> Rule:
    """A rule as the detector's walk takes it. ValueError says what is missing or contradicts itself."""
    given = [(side, limit) for side, limit in (("above", one.above), ("below", one.below)) if limit is not None]
    if len(given) != 1:
        raise ValueError(f"rule {one.name!r}: give one limit, `above` or `below`" + (", not both" if given else ""))
    side, limit = given[0]
    if one.kind != "volume" and limit > 1:
        raise ValueError(f"rule {one.name!r}: the limit of a {one.kind} is between 0 and 1, not {limit:g}")
    if (one.kind == "term") != any(sign.isalnum() for sign in one.term):
        raise ValueError(f"rule {one.name!r}: `term` is the word or phrase of a rule of kind term, and of no other kind")
    if one.kind == "volume" and one.min_n is not None:
        raise ValueError(f"rule {one.name!r}: a volume counts posts by itself, leave `min_n` out")
    clear = one.clear if one.clear is not None else limit * (1 - MARGIN if side == "above" else 1 + MARGIN)
    if clear > limit if side == "above" else clear < limit:
        raise ValueError(f"rule {one.name!r}: `clear` must lie on the other side of the limit than what fires")
    over = _span(one.name, "over", one.over, DAY)
    if over == 0:
        raise ValueError(f"rule {one.name!r}: `over` must be at least 5m")
    return Rule(
        name=one.name,
        kind=one.kind,
        limit=limit,
        side="above" if side == "above" else "below",
        topics=one.topics,
        term=one.term.replace('"', " ") if one.kind == "term" else "",
        over=over,
        lasts=_span(one.name, "for", one.lasts, DAY),
        min_n=0.0 if one.kind == "volume" else 20.0 if one.min_n is None else one.min_n,
        clear=clear,
        severity=one.severity,
        cooldown=_span(one.name, "cooldown", one.cooldown, 30 * DAY),
    )


def _span(rule: str, key: str, text: str, longest: int) -> int:
    """A length of time of a rule, in whole bins."""
    try:
        length = 0 if text.strip().lower() in {"0", "0s", "0m", "0h"} else duration(text)
    except InputError as error:
        raise ValueError(f"rule {rule!r}: `{key}`: {error}") from None
    if length % BIN or length > longest:
        raise ValueError(f"rule {rule!r}: `{key}` is {text!r}; it must be a multiple of 5m, at most {longest // DAY}d")
    return length
