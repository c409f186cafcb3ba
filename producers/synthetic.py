"""The synthetic source: seeded, believable posts about invented topics, with planted stories, for the demo, tests and benchmarks.

What it gives for an hour depends on (seed, topics, rate, stories, hour) alone, so any way of asking gives the same posts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import orjson

from pipeline.errors import NotFoundError
from pipeline.records import BIN, DAY, HOUR, MINUTE, Kind, Post, post_to_json
from pipeline.settings import TopicSettings
from producers import voices
from producers.composer import DRAWS, Composer, tone_of
from producers.phrases import NEGATIVE, NEITHER, POSITIVE, WEIGHTS
from producers.rhythm import AUDIENCE, BINS_A_DAY, Array, Rhythm
from producers.stories import Story
from producers.subjects import SUBJECTS, demo_topics

MAX_DELAY: Final = 15 * MINUTE  # the latest arrival after a post was written

_POSTS, _STORIES = 2, 3  # streams of random numbers beside that of the rhythm
_KEPT_HOURS = 3  # for a caller that asks minute by minute
_BINS = HOUR // BIN
_AUTHORS = 20_000
_AUTHOR_OFFSET = 30  # Zipf–Mandelbrot: the busiest author writes 0.5 % of the posts, not 7 %
_CAMPAIGN_AUTHORS = 6
_POSITIVE_SHARE = 0.5  # of posts that are not negative
_OTHER_LANGUAGES = 30  # of 1,000 posts
_REPLIES = 180  # of 1,000 posts outside shops
_STORY_PLATFORM = 800  # of 1,000 posts of a story
_RATINGS = {"positive": (0.75, 1.0, 1.0), "negative": (0.0, 0.0, 0.25), "neither": (0.5, 0.5, 0.75)}
_COPY_ENDS = ("", "", "", "!", "!!", ".", " !", " 🙏")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A post, when it arrives (ms), and what it was made from: the truth that tests and benchmarks compare with."""

    post: Post  # author is an invented handle
    arrived_at: int
    topic: str
    emotion: str
    story: Story | None = None


class Synthetic:
    """A stream of posts about `topics` (of those in producers/subjects.py), about `rate` per topic and five minutes.

    Raises NotFoundError for a topic that the generator has no words for, or a story on a topic that is not there.
    """

    name = "synthetic"

    def __init__(self, seed: int, topics: Sequence[TopicSettings] | None = None, rate: float = 4.0, stories: Sequence[Story] = ()) -> None:
        known = {subject.topic.name: subject for subject in SUBJECTS}
        names = [topic.name for topic in (demo_topics() if topics is None else topics)]
        for name in names:
            if name not in known:
                raise NotFoundError.of("topic of the generator", name, known)
        for story in stories:
            if story.topic not in names:
                raise NotFoundError.of("topic of a story", story.topic, names)
        self._seed = seed
        self._names = names
        self._subjects = [known[name] for name in names]
        self._composers = [Composer(subject) for subject in self._subjects]
        self._rhythm = Rhythm(seed, self._subjects, rate)
        self._stories = tuple(stories)
        self._handles = [handle(i) for i in range(_AUTHORS)]
        self._wheels = [[e for e in group for _ in range(WEIGHTS[e])] for group in (NEGATIVE, POSITIVE, NEITHER)]
        self._hours: dict[int, list[Arrival]] = {}

    def between(self, start: int, end: int) -> Iterator[Arrival]:
        """Posts created in [start, end) ms, in the order of their creation."""
        for hour in range(start // HOUR, -(-end // HOUR)):
            arrivals = self._hour(hour)
            if start <= hour * HOUR and (hour + 1) * HOUR <= end:
                yield from arrivals
            else:
                yield from (a for a in arrivals if start <= a.post.created_at < end)

    def arriving(self, start: int, end: int) -> Iterator[Arrival]:
        """Posts that arrive in [start, end) ms, in the order of their arrival; some are up to `MAX_DELAY` late."""
        waiting: list[Arrival] = []
        for hour in range((start - MAX_DELAY) // HOUR, -(-end // HOUR)):
            until = min(end, (hour + 1) * HOUR)
            waiting += self._hour(hour)
            due = [a for a in waiting if start <= a.arrived_at < until]
            waiting = [a for a in waiting if a.arrived_at >= until]
            yield from sorted(due, key=_by_arrival)

    def _hour(self, hour: int) -> list[Arrival]:
        """All posts created in an hour, by time."""
        found = self._hours.get(hour)
        if found is None:
            if len(self._hours) >= _KEPT_HOURS:
                self._hours.pop(next(iter(self._hours)))
            found = self._hours[hour] = self._make(hour)
        return found

    def _make(self, hour: int) -> list[Arrival]:
        day, slot = divmod(hour * _BINS, BINS_A_DAY)
        rates, shares = self._rhythm.day(day)
        out = self._usual(hour, rates[slot : slot + _BINS], shares[slot : slot + _BINS])
        usual = len(out)
        for number, story in enumerate(self._stories):
            topic = self._names.index(story.topic)
            for k in range(_BINS):
                if story.strength(hour * _BINS + k) > 0:
                    out += self._told(hour * _BINS + k, number, topic, float(rates[slot + k, topic]), float(shares[slot + k, topic]))
        if len(out) > usual:
            out.sort(key=_by_creation)
        return out

    def _usual(self, hour: int, rates: Array, shares: Array) -> list[Arrival]:
        """The posts of an hour without its stories, by time; `rates` and `shares` have shape (bins, topics)."""
        rng = np.random.default_rng((self._seed, _POSTS, hour))
        cells = np.repeat(np.arange(rates.size), rng.poisson(rates).ravel())
        n = len(cells)
        bins, topics = np.divmod(cells, len(self._names))
        times = hour * HOUR + bins * BIN + rng.integers(0, BIN, n)
        chance = rng.random((n, 2))
        tones = np.where(chance[:, 0] < shares[bins, topics], 0, np.where(chance[:, 1] < _POSITIVE_SHARE, 1, 2))
        draws = rng.integers(0, 2**31, (n, DRAWS)).tolist()
        order = np.argsort(times, kind="stable")
        rows = zip(topics[order].tolist(), times[order].tolist(), tones[order].tolist(), draws, *_circumstances(rng, n), strict=True)
        last: dict[tuple[int, str], tuple[str, str]] = {}
        quarter = _quarter(hour * HOUR)
        out = []
        for k, (topic, at, tone, d, delay, author, reach) in enumerate(rows):
            wheel = self._wheels[tone]
            wanted = wheel[d[27] % len(wheel)]
            platform = self._platform(topic, wanted, d[28] % 1000)
            lang, emotion, text = self._said(topic, wanted, platform, d, quarter)
            post_id = f"{self._seed}-{hour}-{k}"
            kind: Kind = "review"
            parent = root = rating = None
            if platform == "shop":
                rating = _RATINGS[tone_of(emotion)][d[30] % 3]
            else:
                parent, root = _thread(last, (topic, platform), post_id, d[31])
                kind = "reply" if parent else "post"
            post = Post(
                platform, post_id, at, text, "post", kind, lang, self._handles[author], parent, root, None, rating,
                reach if platform == "x" else None, self.name,
            )  # fmt: skip
            out.append(Arrival(post, at + delay, self._names[topic], emotion))
        return out

    def _said(self, topic: int, emotion: str, platform: str, d: list[int], quarter: int) -> tuple[str, str, str]:
        """(language, emotion, text) of an ordinary post."""
        if d[29] % 1000 < _OTHER_LANGUAGES:
            lang = ("de", "es", "ja")[d[30] % 3]
            templates = voices.OTHER_LANGUAGES[lang]
            emotion, template = templates[d[0] % len(templates)]
            return lang, emotion, self._composers[topic].foreign(template, d)
        return "en", emotion, self._composers[topic].text(emotion, platform, d, quarter)

    def _told(self, index: int, number: int, topic: int, rate: float, share: float) -> list[Arrival]:
        """The posts that story `number` adds to a bin; its first post is the one that others reply to."""
        story = self._stories[number]
        rng = np.random.default_rng((self._seed, _STORIES, number, index))
        extra, negative = story.added(index, share)
        first = index == story.first_bin and story.kind != "campaign"
        n = int(rng.poisson(rate * extra)) + first
        low, high = max(index * BIN, story.at), min((index + 1) * BIN, story.at + story.minutes * MINUTE)
        times = np.sort(rng.integers(low, max(high, low + 1), n))
        delays, authors, reach = _circumstances(rng, n)
        draws = rng.integers(0, 2**31, (n, DRAWS)).tolist()
        bad = rng.random(n) < negative
        origin = f"{self._seed}-s{number}-{story.first_bin}-0"
        out = []
        for k, d in enumerate(draws):
            is_origin = first and k == 0
            at = story.at if is_origin else int(times[k])
            platform = story.platform if is_origin or d[28] % 1000 < _STORY_PLATFORM else "forum"
            emotion, text = self._story_text(story, topic, platform, d, bool(bad[k]), is_origin, _quarter(index * BIN))
            answers = not is_origin and platform == story.platform and d[31] % 1000 < 1000 * story.replies
            campaign = story.kind == "campaign"
            post = Post(
                platform=platform, post_id=f"{self._seed}-s{number}-{index}-{k}", created_at=at, text=text, lang="en",
                kind="reply" if answers else "post", parent_id=origin if answers else None, root_id=origin if answers else None,
                author=_new_handle(number, d[27] % _CAMPAIGN_AUTHORS) if campaign else self._handles[authors[k]],
                reach=reach[k] * (40 if is_origin else 1) if platform == "x" else None, source=self.name,
            )  # fmt: skip
            out.append(Arrival(post, at + delays[k], story.topic, emotion, story))
        return out

    def _story_text(
        self, story: Story, topic: int, platform: str, d: list[int], negative: bool, origin: bool, quarter: int
    ) -> tuple[str, str]:
        """(emotion, text) of one post of a story."""
        words, composer = story.words, self._composers[topic]
        if story.kind == "campaign":
            return words.lines[0][0], composer.copy(words.origin) + _COPY_ENDS[d[0] % len(_COPY_ENDS)]
        lines = words.lines if negative or story.kind == "rise" or not words.asides else words.asides
        emotion, template = lines[d[0] % len(lines)]
        if origin:
            emotion, template = words.lines[0][0], words.origin
        detail = words.details[d[17] % len(words.details)]
        return emotion, composer.line(template, detail, emotion, platform, d, quarter)

    def _platform(self, topic: int, emotion: str, draw: int) -> str:
        """Where a post is written; nobody mourns in a review."""
        subject = self._subjects[topic]
        if draw < 1000 * subject.reviews and emotion != "grief":
            return "shop"
        return "forum" if draw < 1000 * (subject.reviews + subject.forum) else "x"


def latest(source: Synthetic, count: int, now: int, a_day: int) -> Iterator[Arrival]:
    """The last `count` posts that arrived before `now` (ms), in the order of their arrival; `a_day`: at least so many arrive in a day."""
    since = now - (count // a_day + 2) * DAY
    surplus = sum(1 for _ in source.arriving(since, now)) - count
    yield from itertools.islice(source.arriving(since, now), max(0, surplus), None)


def distinct_posts(seed: int, n: int, start: int) -> Iterator[Post]:
    """`n` posts in English, created from `start` on, no two with the same text."""
    source = Synthetic(seed, rate=200.0)
    seen: set[str] = set()
    for hour in itertools.count(start // HOUR):
        for arrival in source.between(max(start, hour * HOUR), (hour + 1) * HOUR):
            if len(seen) == n:
                return
            post = arrival.post
            if post.lang == "en" and post.text not in seen:
                seen.add(post.text)
                yield post


def write_ndjson(target: Path | BinaryIO, posts: Iterable[Arrival | Post]) -> int:
    """Write posts as NDJSON, one object per line with the fields that have a value; the number of lines."""
    if isinstance(target, Path):
        with target.open("wb") as handle:
            return write_ndjson(handle, posts)
    n = 0
    for n, item in enumerate(posts, 1):  # noqa: B007
        post = item.post if isinstance(item, Arrival) else item
        fields = {key: value for key, value in post_to_json(post).items() if value not in (None, [])}
        del fields["dated"]
        target.write(orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE))
    return n


def _thread(last: dict[tuple[int, str], tuple[str, str]], place: tuple[int, str], post_id: str, draw: int) -> tuple[str | None, str | None]:
    """(parent, root) of a post: some answer the one before on the same topic and platform in the same hour."""
    before = last.get(place)
    if before and draw % 1000 < _REPLIES:
        last[place] = (post_id, before[1])
        return before
    last[place] = (post_id, post_id)
    return None, None


def _circumstances(rng: np.random.Generator, n: int) -> tuple[list[int], list[int], list[int]]:
    """(delay in ms: 1 to 40 s, one in a hundred 1 to 15 minutes; author's number; reach) of n posts."""
    u = rng.random((3, n))
    delays = np.where(u[0] < 0.01, MINUTE * 15 ** u[1], 1000 * 40 ** u[1])
    authors = _AUTHOR_OFFSET * (1 + _AUTHORS / _AUTHOR_OFFSET) ** u[2] - _AUTHOR_OFFSET
    reach = np.exp(rng.normal(4.5, 1.6, n))
    return delays.astype(np.int64).tolist(), authors.astype(np.int64).tolist(), reach.astype(np.int64).tolist()


def handle(number: int) -> str:
    """The invented handle of an author, distinct for each number."""
    first, last = voices.HANDLE_FIRST, voices.HANDLE_LAST
    return f"{first[number % len(first)]}_{last[number // len(first) % len(last)]}{number}"


def _new_handle(story: int, number: int) -> str:
    return f"real_talk_{story}{number}{9000 + 37 * number}"


def _quarter(at: int) -> int:
    """Quarter of the audience's local day."""
    return (at + AUDIENCE) % DAY // (6 * HOUR)


def _by_arrival(arrival: Arrival) -> tuple[int, str]:
    return arrival.arrived_at, arrival.post.post_id


def _by_creation(arrival: Arrival) -> int:
    return arrival.post.created_at
