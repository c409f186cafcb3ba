"""How figures, times and links read on the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from pipeline.incidents import GROUP_WORDS
from pipeline.records import DAY, HOUR, MINUTE, Adjusted, Explanation, Incident, Score, TrendPoint, Without, from_ms

THIN = "\u202f"  # narrow no-break space
NONE = "–"
ACTS = {"acknowledged": "acknowledged", "snoozed": "snoozed", "woken": "snooze over", "untold": "nobody was told"}
STATES = {"open": "open", "growing": "growing", "peak": "at its peak", "quiet": "quiet", "closed": "closed"}
FIGURES = {
    "n": "posts", "n_raw": "scored posts", "low": "share, lower end", "high": "share, upper end", "expected_low": "expected, lower end",
    "expected_high": "expected, upper end", "expected_n": "expected posts", "volume_ratio": "times the usual posts",
    "emotions_before": "emotions before", "coordinated": "possibly coordinated",
    "adjusted": "share, adjusted", "without": "share without the largest group",
}  # fmt: skip
SEVERITIES = {"incident": "Incident", "tone": "Tone shift", "annotation": "Volume only", "pipeline": "Pipeline"}


def percent(share: float | None) -> str:
    """`31 %`; one decimal below 10 %; a dash for None."""
    if share is None:
        return NONE
    digits = 1 if 0 < abs(share) < 0.0995 else 0
    return f"{share * 100:.{digits}f}{THIN}%"


def points(change: float | None) -> str:
    """A change of a share in percentage points: `+12 pts`, `±0 pts`."""
    if change is None:
        return NONE
    rounded = round(change * 100)
    sign = "+" if rounded > 0 else "−" if rounded < 0 else "±"
    return f"{sign}{abs(rounded)}{THIN}pts"


def band(low: float | None, high: float | None) -> str:
    """`29–33 %`."""
    if low is None or high is None:
        return NONE
    digits = 1 if high < 0.0995 else 0
    return f"{low * 100:.{digits}f}–{high * 100:.{digits}f}{THIN}%"


def count(number: float | None) -> str:
    """`12,345`; a fraction (weighted posts) keeps one decimal below 100."""
    if number is None:
        return NONE
    return f"{number:,.1f}" if number < 100 and number != int(number) else f"{number:,.0f}"


def decimal(number: float | None) -> str:
    """Two decimals with a real minus."""
    return NONE if number is None else f"{number:.2f}".replace("-", "−")


def signed(number: float) -> str:
    """`+0.5`, `−1`, `0`."""
    return f"{number:+g}".replace("-", "−") if number else "0"


def taken_out(found: Adjusted) -> str:
    """`30 copies, 12 posts in bursts`; empty if every post counts in full."""
    parts = ((found.copies, "copies"), (found.bursts, "posts in bursts"), (found.authors, "posts of busy authors"))
    return ", ".join(f"{number:,} {what}" for number, what in parts if number)


def group(found: Without) -> str:
    """`the 30 copies of one text`."""
    return GROUP_WORDS[found.kind].format(found.removed)


def moment(ms: int | None) -> str:
    """`2 Nov 2026, 14:05`, in UTC."""
    if ms is None:
        return NONE
    when = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{when.day} {when:%b %Y, %H:%M}"


def iso(ms: int) -> str:
    """RFC 3339, for machines."""
    return from_ms(ms)


def rounded(number: float) -> str:
    """A whole number that is only about right: `90`, `1,240`."""
    return f"{number:,.0f}"


def axis(start: int, end: int, labels: int = 5) -> list[str]:
    """Evenly spaced labels of a time axis: the hour for up to two days, else the date."""
    return [axis_time(start + (end - start) * step // (labels - 1), end - start) for step in range(labels)]


def axis_time(ms: int, span: int) -> str:
    """A label of a time axis: the hour for up to two days, else the date."""
    when = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{when:%H:%M}" if span <= 2 * DAY else f"{when.day} {when:%b}"


def lasting(ms: int) -> str:
    """`25 min`, `24 h`, `7 days`: the largest unit that fits without a rest."""
    for unit, name, least in ((DAY, "days", 2), (HOUR, "h", 1)):
        if ms >= least * unit and ms % unit == 0:
            return f"{ms // unit} {name}"
    return f"{ms // MINUTE} min"


def web_address(url: str | None) -> str | None:
    """The address if it is plain http or https with a host, else None: no other scheme becomes a link."""
    if not url or not url.isprintable() or any(char.isspace() or char in "\\\"'<>`" for char in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None


def topic_path(topic: str) -> str:
    """The page of a topic."""
    return "/topics/" + quote(topic.encode("utf-8", "surrogatepass"), safe="")


def incident_path(incident_id: str) -> str:
    """The page of an incident."""
    return "/incidents/" + quote(incident_id.encode("utf-8", "surrogatepass"), safe="")


def why_path(post_id: str, what: str = "") -> str:
    """The page that says which words carry a post's score."""
    path = "/why?id=" + quote(post_id.encode("utf-8", "surrogatepass"), safe="")
    return path + ("&of=" + quote(what) if what else "")


def weighed(found: Explanation) -> Iterator[tuple[str, str]]:
    """Pieces of the explained text, and for each the class of its mark: up1 to up3, down1 to down3, or nothing."""
    largest = max((abs(word.weight) for word in found.words), default=0.0)
    at = 0
    for word in found.words:
        yield found.text[at : word.start], ""
        yield found.text[word.start : word.end], _mark_of(word.weight, largest)
        at = word.end
    yield found.text[at:], ""


def _mark_of(weight: float, largest: float) -> str:
    """A sixth of the largest weight shows, two thirds of it show fully."""
    size = abs(weight) / largest if largest else 0.0
    level = 3 if size >= 2 / 3 else 2 if size >= 1 / 3 else 1 if size >= 1 / 6 else 0
    return f"{'up' if weight > 0 else 'down'}{level}" if level else ""


def of_sentiment(score: Score) -> float:
    """The probability of the sentiment that a score names."""
    return {"negative": score.p_negative, "neutral": score.p_neutral, "positive": score.p_positive}[score.sentiment]


def plain(value: object) -> str:
    """A figure of a verification in a table's cell, however it is built."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6f}".rstrip("0").rstrip(".")
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items()) or NONE
    if isinstance(value, list | tuple):
        return f"{len(value)} entries"
    return str(value)


DISTURBANCES = {"model": "Another model scores the posts", "outage": "Posts did not come through"}


def headline(incident: Incident) -> str:
    """What happened, in a few words."""
    if incident.severity == "pipeline":
        return DISTURBANCES.get(incident.rule, "Something is wrong in the pipeline")
    if incident.measured:
        return f"{incident.topic}: rule {incident.measured.rule}"
    if incident.severity == "annotation":
        return f"{incident.topic}: more posts than usual"
    return f"{incident.topic} turned negative"


def trend_in_words(now: TrendPoint, change: float | None) -> str:
    """What a sparkline shows, for those who don't see it."""
    if now.negative is None:
        return "no scored posts"
    against = "" if change is None else f", {points(change)} against the time before"
    return f"{percent(now.negative)} negative{against}"


def marked(text: str, query: str) -> Iterator[tuple[str, bool]]:
    """Pieces of a text, and whether each is one of the query's words. Joined they are the text again."""
    words = sorted({word for word in re.findall(r"\w+", query) if word}, key=len, reverse=True)[:20]
    if not words:
        yield text, False
        return
    found = re.compile(r"(?<!\w)(?:" + "|".join(re.escape(word) for word in words) + r")(?!\w)", re.IGNORECASE)
    at = 0
    for match in found.finditer(text):
        yield text[at : match.start()], False
        yield match.group(), True
        at = match.end()
    yield text[at:], False
