"""The synthetic source: the same posts for ever, believable in rhythm and words, with stories whose truth is known."""

from __future__ import annotations

import io
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from pipeline.errors import NotFoundError
from pipeline.records import BIN, DAY, EMOTIONS, HOUR, MINUTE, Post, to_ms
from producers.composer import DRAWS, Composer, slip, tone_of
from producers.phrases import NEGATIVE, NEITHER, POSITIVE, TEMPLATES, WEIGHTS
from producers.rhythm import AUDIENCE, Rhythm
from producers.stories import COPIES, DATA_SALE, DECLINED, EXPANSION, NEWS, OUTAGE, WIPED, Script, Story, default_stories
from producers.subjects import SUBJECTS, Subject, demo_topics
from producers.synthetic import MAX_DELAY, Arrival, Synthetic, distinct_posts, handle, latest, write_ndjson

LIVE = to_ms("2026-11-02T00:00:00Z")


@pytest.fixture(scope="module")
def three_weeks() -> list[Arrival]:
    """What the demo puts into its past: about 147,000 posts."""
    return list(Synthetic(7, stories=default_stories(LIVE)).between(LIVE - 21 * DAY, LIVE))


def _negative_share(arrivals: list[Arrival]) -> float:
    return sum(tone_of(a.emotion) == "negative" for a in arrivals) / len(arrivals)


def test_one_seed_gives_the_same_posts_for_ever() -> None:
    """Two generators with one seed agree on every field, and another seed gives other posts."""
    first, again, other = (list(Synthetic(seed).between(LIVE, LIVE + 2 * HOUR)) for seed in (1, 1, 2))
    assert first == again
    assert not {a.post.id for a in first} & {a.post.id for a in other}


def test_any_way_of_asking_gives_the_same_posts() -> None:
    """Minute by minute, backwards, and in one call: the same posts, also in the middle of a story."""
    stories = default_stories(LIVE)
    start, end = LIVE - 7 * MINUTE, LIVE + 64 * MINUTE
    whole = list(Synthetic(3, stories=stories).between(start, end))
    source = Synthetic(3, stories=stories)
    minutes = [list(source.between(at, at + MINUTE)) for at in reversed(range(start, end, MINUTE))]
    assert whole == [a for minute in reversed(minutes) for a in minute]
    assert any(a.story for a in whole)


def test_arrivals_are_in_order_and_lose_nothing() -> None:
    """Asked by arrival, minute by minute, every post comes once, in order, at most fifteen minutes late."""
    source = Synthetic(3, stories=default_stories(LIVE))
    start, end = LIVE, LIVE + 2 * HOUR
    by_arrival = [a for at in range(start, end, MINUTE) for a in source.arriving(at, at + MINUTE)]
    times = [a.arrived_at for a in by_arrival]
    everything = source.between(start - HOUR, end)
    assert times == sorted(times)
    assert sorted(a.post.id for a in everything if start <= a.arrived_at < end) == sorted(a.post.id for a in by_arrival)


def test_lateness_is_mostly_seconds(three_weeks: list[Arrival]) -> None:
    """About one post in a hundred is more than 40 s late, none more than `MAX_DELAY`."""
    delays = [a.arrived_at - a.post.created_at for a in three_weeks]
    late = sum(delay > 40_000 for delay in delays) / len(delays)
    assert 0.007 < late < 0.013
    assert min(delays) >= 1_000
    assert max(delays) <= MAX_DELAY


def test_texts_are_distinct(three_weeks: list[Arrival]) -> None:
    """Outside the planted campaign at least 95 % of 100,000 texts occur once."""
    texts = [a.post.text for a in three_weeks if not (a.story and a.story.kind == "campaign")][:100_000]
    assert len(texts) == 100_000
    assert len(set(texts)) >= 95_000


def test_identities_are_distinct(three_weeks: list[Arrival]) -> None:
    """No two posts share an identity."""
    assert len({a.post.id for a in three_weeks}) == len(three_weeks)


def test_every_emotion_has_words_and_is_produced(three_weeks: list[Arrival]) -> None:
    """Each of the 28 groups has eight templates or more, all different, and turns up in the past of the demo."""
    assert set(EMOTIONS) == set(TEMPLATES) == set(WEIGHTS) == {*POSITIVE, *NEGATIVE, *NEITHER}
    assert min(len(set(lines)) for lines in TEMPLATES.values()) >= 8
    assert sum(len(set(lines)) for lines in TEMPLATES.values()) >= 300
    assert set(EMOTIONS) == {a.emotion for a in three_weeks}


def test_every_post_names_its_topic_and_no_other(three_weeks: list[Arrival]) -> None:
    """A naive search for phrases, hashtags and handles finds exactly the topic that a post was made for."""
    patterns = {
        topic.name: re.compile("|".join([*topic.phrases, *(f"#{tag}" for tag in topic.hashtags), *(f"@{h}" for h in topic.handles)]), re.I)
        for topic in demo_topics()
    }
    for arrival in three_weeks[::5]:
        assert [arrival.topic] == [name for name, pattern in patterns.items() if pattern.search(arrival.post.text)]


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.topic.name)
def test_every_template_can_be_written(subject: Subject) -> None:
    """No template of any emotion or story leaves a slot open or the topic unnamed, on any platform."""
    composer = Composer(subject)
    for emotion, lines in TEMPLATES.items():
        for k in range(len(lines)):
            for platform in ("x", "forum", "shop"):
                text = composer.text(emotion, platform, [k, *range(k, k + DRAWS - 1)], k % 4)
                assert not re.search(r"[{}]", text)
                assert re.search("|".join((*subject.topic.phrases, *subject.topic.hashtags, *subject.topic.handles)), text, re.I)


@pytest.mark.parametrize("script", [WIPED, DECLINED, EXPANSION, DATA_SALE, OUTAGE, NEWS, COPIES], ids=lambda s: s.name)
def test_every_line_of_a_story_can_be_written(script: Script) -> None:
    """Lines, asides and the first post of each story fill their slots."""
    composer = Composer(SUBJECTS[0])
    for emotion, template in (*script.lines, *script.asides, ("anger", script.origin)):
        assert emotion in EMOTIONS
        for detail in script.details:
            assert not re.search(r"[{}]", composer.line(template, detail, emotion, "x", list(range(DRAWS)), 1))


def test_volume_follows_the_day_and_the_week() -> None:
    """The busiest local hour has more than twice the posts of the quietest, and the train line is quiet at weekends."""
    by_hour: Counter[int] = Counter()
    northline: Counter[bool] = Counter()
    for a in Synthetic(5, rate=3.0).between(LIVE, LIVE + 7 * DAY):
        local = a.post.created_at + AUDIENCE
        by_hour[local % DAY // HOUR] += 1
        if a.topic == "Northline":
            northline[(local // DAY + 3) % 7 >= 5] += 1
    assert max(by_hour.values()) > 2 * min(by_hour.values())
    assert northline[True] / 2 < 0.75 * northline[False] / 5


def test_the_mean_rate_is_the_one_asked_for() -> None:
    """Over three weeks a topic of volume 1 gets `rate` posts per five minutes, give or take its drift."""
    rhythm = Rhythm(11, SUBJECTS, rate=10.0)
    start = LIVE // DAY
    mean = sum(rhythm.day(day)[0].mean(axis=0) for day in range(start, start + 21)) / 21
    for subject, rate in zip(SUBJECTS, mean, strict=True):
        assert rate == pytest.approx(10 * subject.volume, rel=0.12)


def test_the_usual_negative_share_is_the_topics(three_weeks: list[Arrival]) -> None:
    """Without stories each topic's share of negative posts is its own, within three points, between .1 and .35."""
    for subject in SUBJECTS:
        own = [a for a in three_weeks if a.topic == subject.topic.name and a.story is None and a.post.lang == "en"]
        assert _negative_share(own) == pytest.approx(subject.negative, abs=0.03)
        assert 0.1 < subject.negative < 0.35


def test_chance_drifts_slowly() -> None:
    """Volume keeps a memory: neighbouring bins of the drift are more alike than bins half a day apart."""
    rates = Rhythm(11, SUBJECTS, rate=10.0)
    usual = Rhythm(12, SUBJECTS, rate=10.0)
    start = LIVE // DAY
    ratio = [float(r) for day in range(start, start + 7) for r in rates.day(day)[0][:, 0] / usual.day(day)[0][:, 0]]
    near = sum(abs(a - b) for a, b in pairwise(ratio)) / len(ratio)
    far = sum(abs(a - b) for a, b in zip(ratio, ratio[144:], strict=False)) / (len(ratio) - 144)
    assert near < far / 2


def test_stories_only_add() -> None:
    """A generator with stories gives every post that the one without gives, unchanged."""
    without = list(Synthetic(4).between(LIVE, LIVE + 2 * HOUR))
    story = Story("spike", "Northline", LIVE + 3 * MINUTE, 60)
    told = list(Synthetic(4, stories=[story]).between(LIVE, LIVE + 2 * HOUR))
    assert without == [a for a in told if a.story is None]
    assert len(told) > len(without)


def test_a_spike_multiplies_odds_and_volume() -> None:
    """In full swing a ×3 and ×6 spike has three times the posts and six times the odds of a negative one."""
    stories = [Story("spike", "Pennyloop", LIVE + k * DAY, 180, volume=3.0, odds=6.0) for k in range(4)]
    source = Synthetic(2, rate=20.0, stories=stories)
    full = [a for s in stories for a in source.between(s.at + 3 * BIN, s.at + 180 * MINUTE) if a.topic == "Pennyloop"]
    usual = [a for a in full if a.story is None]
    share, before = _negative_share(full), _negative_share(usual)
    assert len(full) / len(usual) == pytest.approx(3.0, rel=0.1)
    assert share / (1 - share) / (before / (1 - before)) == pytest.approx(6.0, rel=0.2)


def test_a_spike_ramps_up_and_ends() -> None:
    """A story has a third, two thirds, then all of its strength, and nothing after its end."""
    story = Story("spike", "Orbit 5", LIVE + 5 * MINUTE, 30)
    first = story.first_bin
    assert [1 / 3, 2 / 3, 1.0, 1.0, 0.0] == pytest.approx([story.strength(first + k) for k in (0, 1, 2, 5, 6)])
    assert story.strength(first - 1) == 0.0
    times = [a.post.created_at for a in Synthetic(1, stories=[story]).between(LIVE, LIVE + HOUR) if a.story]
    assert min(times) == story.at
    assert max(times) < story.at + 30 * MINUTE


def test_the_demos_spike_has_a_cause_that_can_be_found() -> None:
    """Most of its posts are on one platform, name the update and the photos, and many answer its first post."""
    story = next(s for s in default_stories(LIVE) if s.at > LIVE)
    told = [a for a in Synthetic(7, stories=[story]).between(story.at, story.at + 2 * HOUR) if a.story]
    texts = [a.post.text.lower() for a in told]
    parents = Counter(a.post.parent_id for a in told)
    assert 5 * MINUTE == story.at - LIVE
    assert len(told) > 200
    assert sum("update" in text for text in texts) / len(texts) > 0.7
    assert sum("photos" in text or "pictures" in text for text in texts) / len(texts) > 0.7
    assert sum(a.post.platform == "x" for a in told) / len(told) > 0.7
    assert 0.25 < parents[told[0].post.post_id] / len(told) < 0.45
    assert _negative_share(told) > 0.8
    assert len(set(texts)) / len(texts) > 0.9


def test_a_rise_changes_the_volume_but_not_the_number_of_negative_posts() -> None:
    """The posts that a volume-only rise adds are none of them negative."""
    story = next(s for s in default_stories(LIVE) if s.kind == "rise")
    window = [a for a in Synthetic(7, stories=[story]).between(story.at, story.at + story.minutes * MINUTE) if a.topic == story.topic]
    added = [a for a in window if a.story]
    assert len(window) > 3 * (len(window) - len(added))
    assert _negative_share(added) == 0.0


def test_a_campaign_is_few_authors_and_one_text(three_weeks: list[Arrival]) -> None:
    """It has at most six accounts that wrote nothing else, and its texts differ in their last characters only."""
    copies = [a for a in three_weeks if a.story and a.story.kind == "campaign"]
    authors = {a.post.author for a in copies}
    assert len(copies) > 50
    assert len(authors) <= 6
    assert len({a.post.text for a in copies}) <= 8
    assert len({a.post.text[:120] for a in copies}) == 1
    assert not authors & {a.post.author for a in three_weeks if not (a.story and a.story.kind == "campaign")}


def test_every_kind_of_story_has_words_for_every_topic() -> None:
    """A story without a script of its own is told in general words that name the topic."""
    for subject in SUBJECTS:
        stories = [Story(kind, subject.topic.name, LIVE, 30) for kind in ("spike", "rise", "campaign")]
        told = [a for a in Synthetic(9, rate=8.0, stories=stories).between(LIVE, LIVE + HOUR) if a.story]
        assert {"spike", "rise", "campaign"} == {a.story.kind for a in told if a.story}
        assert all(any(p.lower() in a.post.text.lower() for p in subject.topic.phrases) for a in told)


def test_reviews_have_ratings_that_fit(three_weeks: list[Arrival]) -> None:
    """Only posts in shops are reviews; positive ones have more stars than negative ones."""
    for a in three_weeks[::3]:
        assert (a.post.platform == "shop") == (a.post.kind == "review") == (a.post.rating is not None)
    stars = {
        tone: [a.post.rating or 0 for a in three_weeks if a.post.kind == "review" and a.post.lang == "en" and tone_of(a.emotion) == tone]
        for tone in ("positive", "neither", "negative")
    }
    assert min(stars["positive"]) > max(stars["negative"])


def test_replies_answer_a_post_that_came_before(three_weeks: list[Arrival]) -> None:
    """A reply's parent is an earlier post on the same platform and topic, and its root is the root of its parent."""
    known = {a.post.post_id: a for a in three_weeks}
    replies = [a for a in three_weeks if a.post.kind == "reply"]
    assert 0.05 < len(replies) / len(three_weeks) < 0.3
    for reply in replies[::4]:
        parent = known[reply.post.parent_id or ""]
        assert parent.post.created_at <= reply.post.created_at
        assert (reply.post.platform, reply.topic) == (parent.post.platform, parent.topic)
        assert reply.post.root_id == (parent.post.root_id or parent.post.post_id)


def test_a_few_posts_are_in_other_languages(three_weeks: list[Arrival]) -> None:
    """Between 2 and 4 % are in German, Spanish or Japanese, and say so."""
    languages = Counter(a.post.lang for a in three_weeks)
    assert {"en", "de", "es", "ja"} == set(languages)
    assert 0.02 < 1 - languages["en"] / len(three_weeks) < 0.04


def test_some_authors_write_much_and_most_write_little(three_weeks: list[Arrival]) -> None:
    """The busiest author has under 1 % of the posts but fifty times the median author's."""
    posts = sorted(Counter(a.post.author for a in three_weeks).values())
    assert posts[-1] < 0.01 * len(three_weeks)
    assert posts[-1] > 50 * posts[len(posts) // 2]
    assert len({handle(k) for k in range(20_000)}) == 20_000


def test_slips_leave_names_alone() -> None:
    """A slip changes one lower-case word and neither names, hashtags nor handles."""
    text = "@orbitphones Northline made this terrible #Orbit5"
    for draw in range(0, 1_000, 7):
        slipped = slip(text, draw)
        words = slipped.split(" ")
        assert slipped != text
        assert ["@orbitphones", "Northline", "#Orbit5"] == [words[0], words[1], words[-1]]
    assert slip("Orbit 5", 3) == "Orbit 5"


def test_the_latest_posts_end_now() -> None:
    """So many as were asked for, none after now, the last one minutes before it, in the order of a live stream."""
    now = LIVE
    found = list(latest(Synthetic(3), 20_000, now, 6_000))
    assert 20_000 == len(found)
    assert now - 10 * MINUTE < found[-1].arrived_at < now
    assert found == list(Synthetic(3).arriving(found[0].arrived_at, now))[-20_000:]


def test_distinct_posts_are_distinct() -> None:
    """As many posts as asked for, in English, from the given time on, no text twice."""
    posts = list(distinct_posts(1, 5_000, LIVE + MINUTE))
    assert len(posts) == 5_000
    assert len({post.text for post in posts}) == 5_000
    assert {"en"} == {post.lang for post in posts}
    assert min(post.created_at for post in posts) >= LIVE + MINUTE
    assert 12 < sum(len(post.text.split()) for post in posts) / 5_000 < 30


def test_ndjson_gives_the_posts_back(tmp_path: Path) -> None:
    """One line per post with the fields that have a value; read back they are the same posts."""
    arrivals = list(Synthetic(1).between(LIVE, LIVE + HOUR))
    file = tmp_path / "posts.ndjson"
    buffer = io.BytesIO()
    assert write_ndjson(file, arrivals) == len(arrivals)
    write_ndjson(buffer, (a.post for a in arrivals))
    assert file.read_bytes() == buffer.getvalue()
    rows = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    assert [a.post for a in arrivals] == [Post(**{**row, "created_at": to_ms(row["created_at"])}) for row in rows]


def test_an_unknown_topic_is_refused() -> None:
    """Topics and stories that the generator has no words for are named in the error, with the nearest one."""
    with pytest.raises(NotFoundError, match="Northline"):
        Synthetic(1, topics=[demo_topics()[0].model_copy(update={"name": "Nortline"})])
    with pytest.raises(NotFoundError, match="Orbit 5"):
        Synthetic(1, topics=demo_topics()[:1], stories=[Story("spike", "Orbit 6", LIVE, 60)])


def test_a_story_that_adds_nothing_is_refused() -> None:
    """Volume of 1 or no duration is an error, not a silent nothing."""
    with pytest.raises(ValueError, match="volume > 1"):
        Story("spike", "Orbit 5", LIVE, 60, volume=1.0)
