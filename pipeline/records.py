"""The records that flow through moodstream, and their JSON form.

Times are integers, milliseconds since 1970-01-01T00:00:00Z; in JSON they are RFC 3339 in UTC with milliseconds.
Every probability and intensity is fixed-point: a multiple of 1/10,000 (`SCALE`), so sums over posts are exact integers
and a figure comes out the same whatever the order of the posts (docs/decisions/0002-fixed-point-scores.md).
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal

SCALE = 10_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BIN = 5 * MINUTE

EMOTIONS: tuple[str, ...] = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire",
    "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief", "joy",
    "love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral",
)  # fmt: skip
INTENSITIES: tuple[str, ...] = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
SENTIMENTS: tuple[str, ...] = ("negative", "neutral", "positive")

Event = Literal["post", "edit", "delete"]
Kind = Literal["post", "reply", "repost", "review"]
Severity = Literal["tone", "incident", "annotation", "pipeline"]
State = Literal["open", "growing", "peak", "quiet", "closed"]
RuleKind = Literal["share", "intensity", "volume", "term"]


def from_ms(ms: int) -> str:
    """Milliseconds since the epoch → RFC 3339, e.g. `2026-11-01T00:00:00.000Z`."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def to_ms(text: str) -> int:
    """RFC 3339 or ISO 8601 (a missing zone means UTC) → milliseconds since the epoch. ValueError if it is neither."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000 + 0.5)


@dataclass(frozen=True, slots=True)
class Post:
    """One post or review as a source gave it. Identity: `platform:post_id`."""

    platform: str
    post_id: str
    created_at: int
    text: str
    event: Event = "post"
    kind: Kind = "post"
    lang: str | None = None
    author: str | None = None  # keyed hash: "h" and 16 hex digits, never the handle
    parent_id: str | None = None
    root_id: str | None = None
    url: str | None = None
    rating: float | None = None  # 0..1
    reach: int | None = None
    source: str | None = None
    dated: bool = True  # False: created_at is a stand-in, so the post stays out of bins and baselines
    topics: tuple[str, ...] = ()  # assigned by the source; matching adds to them

    @property
    def id(self) -> str:
        """`platform:post_id`, the document id in every store."""
        return f"{self.platform}:{self.post_id}"


@dataclass(frozen=True, slots=True)
class Score:
    """What a model says of one text. All numbers are multiples of 1/SCALE."""

    emotions: tuple[float, ...]  # 28 calibrated probabilities, in the order of EMOTIONS
    labels: tuple[str, ...]  # those over their thresholds
    p_negative: float
    p_neutral: float
    p_positive: float
    sentiment: str  # the largest of the three
    valence: float  # −1..1
    arousal: float  # 0..1
    intensity: float  # 0..1, how strongly felt overall
    intensities: tuple[float, ...]  # 0..1 for INTENSITIES, given that the emotion is there
    model: str  # name@hash


@dataclass(frozen=True, slots=True)
class WordWeight:
    """What one word of a text does to a figure of its score, in the unit of the explanation; `start` and `end` are characters."""

    word: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which words carry a figure of a score. `exact`: base and weights add up to `total`, the figure in log-odds; else each weight is
    the probability with the word minus the probability without it, and base and total are null."""

    what: str  # an emotion or a sentiment
    value: float  # its probability
    model: str
    method: Literal["exact", "occlusion"]
    base: float | None
    total: float | None
    words: list[WordWeight]
    read: int  # characters that were looked at
    text: str  # as the model was given it


@dataclass(frozen=True, slots=True)
class ScoredPost:
    """A post with its topics and score, as it is stored. `score` is None for a language that the model doesn't cover."""

    post: Post
    topics: tuple[str, ...]
    score: Score | None
    scored_at: int
    ingested_at: int  # first arrival; kept on redelivery
    weight: float = 1.0

    @property
    def id(self) -> str:
        """`platform:post_id`."""
        return self.post.id


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that can't be processed, for the dead letters."""

    reason: str  # a short code and a sentence: "bad_time: 'soon' is not a time; use RFC 3339"
    raw: bytes  # the record's bytes, at most 1 MB of them
    where: str  # "reviews.csv:17", "kafka:posts[3]@42"
    at: int


@dataclass(frozen=True, slots=True)
class Bin:
    """What the stored documents say about one topic in five minutes of event time (DETECTOR: volume, n, negative)."""

    topic: str
    start: int
    volume: float  # Σ weight over all posts
    n: float  # Σ weight over scored posts
    n_raw: int  # scored documents
    negative: float  # Σ weight · p_negative over scored posts
    authors: int  # distinct authors (a post without one counts as its own)
    distinct_texts: int  # distinct normalised texts
    intensity: float = 0.0  # Σ weight · intensity over scored posts
    models: tuple[str, ...] = ()  # which scored the posts, by name; empty where that isn't known
    mentions: tuple[float, ...] = ()  # Σ weight of the posts with each term that a rule counts (pipeline/rules.py)


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One bucket of a chart. `negative` is the share Σ p_negative/n; `low`, `high` its 95 % interval; None where n = 0.

    `estimate` is the share corrected by what its models confuse, with a 95 % band that holds their error too (pipeline/confusion.py);
    None where the store doesn't know what they confuse.
    """

    topic: str
    start: int
    volume: float
    n: float
    negative: float | None
    low: float | None
    high: float | None
    intensity: float | None
    valence: float | None
    arousal: float | None
    emotions: dict[str, float] = field(default_factory=dict)  # mean probability per emotion; empty where n = 0
    models: tuple[str, ...] = ()  # which scored the posts; empty where that isn't known
    estimate: float | None = None
    estimate_low: float | None = None
    estimate_high: float | None = None


@dataclass(frozen=True, slots=True)
class TopicSummary:
    """One row of `moodstream topics`: everything stored of a topic, and what is open now."""

    topic: str
    posts: int
    first: int | None
    last: int | None
    negative: float | None
    low: float | None
    high: float | None
    open_incidents: int
    estimate: float | None = None  # as in TrendPoint
    estimate_low: float | None = None
    estimate_high: float | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """Share of negative posts of topic `a` minus that of `b`, with its 95 % interval; None where one has no scored post.

    `estimate` is the difference of the estimates, None where one has none.
    """

    a: str
    b: str
    difference: float | None
    low: float | None
    high: float | None
    estimate: float | None = None
    estimate_low: float | None = None
    estimate_high: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Topics side by side over since <= t < until: one trend point for the whole stretch each, and each pair's difference."""

    since: int | None
    until: int | None
    topics: tuple[TrendPoint, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Driver:
    """One part of the excess of negative posts. The shares of one `kind` add up to 1."""

    kind: str  # term | platform | language | author | parent | cluster
    name: str
    share: float  # of the excess
    n: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """A post that stands for the excess. The quote is read from the store; only its hash is kept here."""

    id: str
    text_hash: str
    p_negative: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What broke a rule of the settings: the value over `n` posts of start <= t < end, and the limit."""

    rule: str
    kind: RuleKind
    term: str  # "" unless the kind is term
    side: Literal["above", "below"]  # of the limit, that is told
    limit: float
    value: float  # share, mean intensity, number of posts, or share of the posts with the term
    n: float
    start: int
    end: int
    lasts: int  # ms that the value has been beyond the limit, at least


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The share with copies, bursts in one second and busy authors counted about once; over the posts that drivers are over."""

    share: float
    low: float  # 95 % interval
    high: float
    n: float  # what the posts count together
    copies: int  # posts that count less than in full, by the reason; one post may have several
    bursts: int
    authors: int


@dataclass(frozen=True, slots=True)
class Without:
    """What is left without the group that carries most of the rise."""

    kind: str  # cluster | parent | author
    name: str
    removed: int  # posts of the group
    share: float  # of the others
    low: float
    high: float
    n: float
    normal: bool  # whether the others are within what was expected


@dataclass(frozen=True, slots=True)
class Held:
    """An alert that a disturbance of the pipeline held back: it opened no incident of its own and was told to nobody."""

    topic: str
    rule: str
    onset: int
    fired: int


@dataclass(frozen=True, slots=True)
class Incident:
    """One story about one topic: opens, grows, quiets, closes. Figures are as they were at `as_of`."""

    id: str  # hash(topic, onset, rule)
    topic: str
    rule: str  # share | volume | share+volume | pipeline | model | outage | "rule NAME"
    severity: Severity
    state: State
    onset: int  # most probable start by the filter
    fired: int | None  # start of the bin whose data made it fire; None for a late one
    closed: int | None
    as_of: int  # ingest watermark: figures are over documents with ingested_at <= as_of
    model: str | None
    start: int  # the figures are over event time start <= t < end
    end: int
    n: float
    n_raw: int
    share: float
    low: float  # 95 % interval of the observed share
    high: float
    expected: float
    expected_low: float
    expected_high: float
    expected_n: float
    volume_ratio: float
    intensity: float | None
    emotions: dict[str, float]  # top emotions: mean probability in the window
    emotions_before: dict[str, float]  # the same emotions in the reference window
    drivers: tuple[Driver, ...]
    evidence: tuple[Evidence, ...]
    sentence: str
    coordinated: bool = False  # few authors or few distinct texts
    historical: bool = False  # onset more than 3 h before arrival: never sent
    late: bool = False  # found only when late posts arrived: never sent
    timeline: tuple[tuple[str, int], ...] = ()  # (state, event time)
    detector: str = ""  # hash of the detector's configuration and first bin: the state `detector:HASH` holds both
    measured: Measured | None = None  # of an incident that a rule of the settings opened
    cause: str = ""  # of one of the pipeline, where it is known
    held: tuple[Held, ...] = ()  # alerts that it held back
    adjusted: Adjusted | None = None  # the share by independent voices, beside the raw one
    without: Without | None = None  # the counterfactual


@dataclass(frozen=True, slots=True)
class Notification:
    """One message about an incident to one receiver; the id makes delivery idempotent."""

    id: str  # hash(incident, transition, receiver)
    incident: str
    transition: str  # opened | escalated | reminded | digest | test
    receiver: str
    subject: str
    body: str
    created_at: int


TIMES = frozenset(
    {"created_at", "scored_at", "ingested_at", "start", "end", "onset", "fired", "closed", "as_of", "first", "last", "at", "since", "until"}
)
_POST_FIELDS = tuple(f.name for f in fields(Post) if f.name != "topics")


def post_to_json(post: Post) -> dict[str, Any]:
    """A post as JSON: every field, times as RFC 3339."""
    out: dict[str, Any] = {name: getattr(post, name) for name in _POST_FIELDS}
    out["created_at"] = from_ms(post.created_at)
    out["topics"] = list(post.topics)
    return out


def score_to_json(score: Score | None) -> dict[str, Any]:
    """The score's fields as JSON, all null when there is no score."""
    if score is None:
        return dict.fromkeys(f.name for f in fields(Score))
    out = {f.name: getattr(score, f.name) for f in fields(Score)}
    out["emotions"] = dict(zip(EMOTIONS, score.emotions, strict=True))
    out["intensities"] = dict(zip(INTENSITIES, score.intensities, strict=True))
    out["labels"] = list(score.labels)
    return out


def scored_to_json(item: ScoredPost) -> dict[str, Any]:
    """A ScoredPost as one flat JSON object."""
    return {
        **post_to_json(item.post),
        "topics": list(item.topics),
        **score_to_json(item.score),
        "scored_at": from_ms(item.scored_at),
        "ingested_at": from_ms(item.ingested_at),
        "weight": item.weight,
    }


def to_json(
    record: Bin
    | TrendPoint
    | TopicSummary
    | Difference
    | Comparison
    | Driver
    | Evidence
    | Measured
    | Held
    | Adjusted
    | Without
    | Incident
    | Rejected
    | Notification,
) -> dict[str, Any]:
    """Any of the flat records as JSON: times as RFC 3339, nested records as objects."""
    return {f.name: _value(f.name, getattr(record, f.name)) for f in fields(record)}


def _value(name: str, value: Any) -> Any:
    if name in TIMES and value is not None:
        return from_ms(value)
    if name == "timeline":
        return [{"state": state, "at": from_ms(at)} for state, at in value]
    if isinstance(value, tuple):
        return [item if isinstance(item, str | float) else to_json(item) for item in value]
    if isinstance(value, Measured | Adjusted | Without):
        return to_json(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value


def incident_from_json(data: dict[str, Any]) -> Incident:
    """The inverse of `to_json` for an Incident. KeyError or ValueError if `data` is not one; older ones have no rule figures."""
    values = _times({f.name: data[f.name] for f in fields(Incident) if f.name in data or f.default is MISSING})
    values["drivers"] = tuple(Driver(**d) for d in values["drivers"])
    values["evidence"] = tuple(Evidence(**e) for e in values["evidence"])
    values["timeline"] = tuple((t["state"], to_ms(t["at"])) for t in values["timeline"])
    values["measured"] = Measured(**_times(measured)) if (measured := values.get("measured")) else None
    values["held"] = tuple(Held(**_times(one)) for one in values.get("held", ()))
    for name, kind in (("adjusted", Adjusted), ("without", Without)):
        values[name] = kind(**found) if (found := values.get(name)) else None
    return Incident(**values)


def _times(values: dict[str, Any]) -> dict[str, Any]:
    """The same with its times as numbers."""
    return {name: to_ms(value) if name in TIMES and value is not None else value for name, value in values.items()}
