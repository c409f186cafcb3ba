"""The JSON shapes of the API, for its documentation and as a check on every answer. The values come from `records.to_json`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Moment = str  # RFC 3339 in UTC, e.g. 2026-11-01T00:00:00.000Z
ESTIMATE: Any = Field(description="the share corrected by what its models confuse; null where the store doesn't know that")
ESTIMATE_LOW: Any = Field(description="lower end of its 95 % band, which holds the model's error too")
ESTIMATE_HIGH: Any = Field(description="upper end of that band")


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True)


class Problem(_Shape):
    """Why there is no answer."""

    detail: str


class Topic(_Shape):
    """Everything stored of a topic, and what is open now."""

    topic: str
    posts: int
    first: Moment | None
    last: Moment | None
    negative: float | None = Field(description="share of negative posts, 0..1: the mean calibrated probability")
    low: float | None = Field(description="lower end of its 95 % interval")
    high: float | None = Field(description="upper end of its 95 % interval")
    open_incidents: int
    estimate: float | None = ESTIMATE
    estimate_low: float | None = ESTIMATE_LOW
    estimate_high: float | None = ESTIMATE_HIGH


class TrendPoint(_Shape):
    """One bucket of a chart; figures are null where nothing was scored."""

    topic: str
    start: Moment
    volume: float = Field(description="posts, scored or not")
    n: float = Field(description="scored posts")
    negative: float | None
    low: float | None
    high: float | None
    intensity: float | None
    valence: float | None
    arousal: float | None
    emotions: dict[str, float] = Field(description="mean probability per emotion; empty where n = 0")
    models: list[str] = Field(description="which models scored the posts; empty where that isn't known")
    estimate: float | None = ESTIMATE
    estimate_low: float | None = ESTIMATE_LOW
    estimate_high: float | None = ESTIMATE_HIGH


class Difference(_Shape):
    """Share of topic a minus share of topic b."""

    a: str
    b: str
    difference: float | None
    low: float | None
    high: float | None
    estimate: float | None = Field(description="the difference of the estimates; null where one topic has none")
    estimate_low: float | None = ESTIMATE_LOW
    estimate_high: float | None = ESTIMATE_HIGH


class Comparison(_Shape):
    """Topics side by side over one stretch of time."""

    since: Moment | None
    until: Moment | None
    topics: list[TrendPoint]
    differences: list[Difference]


class Post(_Shape):
    """A stored post with its score; the score's fields are null in a language that the model doesn't cover."""

    platform: str
    post_id: str
    created_at: Moment
    text: str
    event: str
    kind: str
    lang: str | None
    author: str | None = Field(description="a keyed hash, never a name")
    parent_id: str | None
    root_id: str | None
    url: str | None
    rating: float | None
    reach: int | None
    source: str | None
    dated: bool
    topics: list[str]
    emotions: dict[str, float] | None
    labels: list[str] | None
    p_negative: float | None
    p_neutral: float | None
    p_positive: float | None
    sentiment: str | None
    valence: float | None
    arousal: float | None
    intensity: float | None
    intensities: dict[str, float] | None
    model: str | None
    scored_at: Moment
    ingested_at: Moment
    weight: float


class Act(_Shape):
    """Something that was done about an incident."""

    what: str = Field(description="acknowledged, snoozed, woken, or untold: nobody was sent a message, and `by` says why")
    at: Moment
    until: Moment | None = Field(description="of a snooze")
    by: str
    note: str


class Muted(_Shape):
    """A topic that nobody hears of."""

    topic: str
    until: Moment


class Driver(_Shape):
    """One part of the excess of negative posts."""

    kind: str
    name: str
    share: float
    n: int


class Evidence(_Shape):
    """A post that stands for the excess, quoted from the store as it is now; an erased one is gone from the list."""

    id: str
    text: str
    platform: str
    created_at: Moment
    url: str | None
    p_negative: float
    changed: bool = Field(description="edited since the incident was sent")


class Step(_Shape):
    """A state of an incident and since when."""

    state: str
    at: Moment


class Measured(_Shape):
    """What broke a rule: the value over `n` posts of start <= t < end, and the limit, which it passed for `lasts` ms at least."""

    rule: str
    kind: str
    term: str
    side: str
    limit: float
    value: float
    n: float
    start: Moment
    end: Moment
    lasts: int


class Held(_Shape):
    """An alert that opened no incident of its own and was told to nobody."""

    topic: str
    rule: str
    onset: Moment
    fired: Moment


class Adjusted(_Shape):
    """The share of negatives without what copies, bursts in the same seconds and busy authors add; `n` is what the posts count together."""

    share: float
    low: float
    high: float
    n: float
    copies: int = Field(description="posts that count less because they are copies of one text")
    bursts: int = Field(description="posts that count less because more came in the same seconds than chance brings")
    authors: int = Field(description="posts that count less because their author wrote many")


class Without(_Shape):
    """The share of negatives without the group that carries most of the rise."""

    kind: Literal["cluster", "parent", "author"]
    name: str
    removed: int
    share: float
    low: float
    high: float
    n: float
    normal: bool = Field(description="whether the others are within what was expected")


class Incident(_Shape):
    """One story about one topic; figures are as they were at `as_of`."""

    id: str
    topic: str
    rule: str
    severity: str
    state: str
    onset: Moment
    fired: Moment | None
    closed: Moment | None
    as_of: Moment
    model: str | None
    start: Moment
    end: Moment
    n: float
    n_raw: int
    share: float
    low: float
    high: float
    expected: float
    expected_low: float
    expected_high: float
    expected_n: float
    volume_ratio: float
    intensity: float | None
    emotions: dict[str, float]
    emotions_before: dict[str, float]
    drivers: list[Driver]
    evidence: list[Evidence]
    sentence: str
    coordinated: bool
    historical: bool
    late: bool
    timeline: list[Step]
    detector: str = Field(description="hash of the detector's configuration")
    measured: Measured | None = Field(description="of an incident that a rule of the settings opened: the value and the limit")
    cause: str = Field(description="of an incident of the pipeline, where it is known")
    held: list[Held] = Field(description="alerts that an incident of the pipeline held back")
    adjusted: Adjusted | None = Field(description="the share by independent voices, beside the raw one; null without a scored post")
    without: Without | None = Field(description="null for a rise of volume, and if no group stands out")


class Figure(_Shape):
    """One figure or quote of an incident: as it was sent, and as the documents give it now. A quote is compared by its hash."""

    name: str
    stored: Any
    recomputed: Any
    result: Literal["equal", "changed", "wrong"]
    why: str


class Verification(_Shape):
    """Every figure of an incident recomputed from the documents."""

    incident: str
    result: Literal["equal", "changed", "wrong"]
    figures: list[Figure]


class WordWeight(_Shape):
    """What one word does to the figure; `start` and `end` are characters of the text as the model reads it."""

    word: str
    start: int
    end: int
    weight: float


class Explanation(_Shape):
    """Which words carry a figure. exact: log-odds, base and weights add up to total; occlusion: the probability with less that without."""

    what: str
    value: float
    model: str
    method: Literal["exact", "occlusion"]
    base: float | None
    total: float | None
    words: list[WordWeight]
    read: int
    text: str = Field(description="the text as the model reads it")


class Status(_Shape):
    """What the service is doing. `service` holds what the running process says of itself."""

    version: str
    now: Moment
    posts: int
    posts_per_second: float | None = Field(description="stored lately; null until measured")
    newest: Moment | None
    topics: int
    open_incidents: int
    service: dict[str, object]


class BacktestMessage(_Shape):
    """A message that would have gone out; the expected share is null for a rule that has no expectation."""

    onset: Moment
    fired: Moment
    closed: Moment | None
    severity: str
    share: float | None
    expected: float | None
    n: float
    value: float | None = Field(description="what broke a rule of the settings")


class BacktestLevel(_Shape):
    """The messages at one sensitivity."""

    sensitivity: float = Field(description="added to the detector's threshold: higher alerts less")
    messages_per_week: float
    expected_false_alarms_per_week: float | None = Field(
        description="on copies of the history in which nothing happened; null for a rule on what the copies keep: posts, terms, intensity"
    )
    messages: list[BacktestMessage]


class Backtest(_Shape):
    """A rule over the stored history of a topic."""

    topic: str
    rule: str
    since: Moment
    until: Moment
    learnt_from: Moment
    sensitivity: float = Field(description="the one of the settings")
    copies: int
    levels: list[BacktestLevel]
