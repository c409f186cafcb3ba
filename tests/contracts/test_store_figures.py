"""What every store promises of bins, trends and topics, against plain loops over the posts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

import pytest
from contracts.store_samples import FOREVER, PROPERTY, T0, incident, score, scored
from hypothesis import given
from hypothesis import strategies as st

from pipeline.confusion import Confusion, estimate, estimate_of_several, state_name, to_state
from pipeline.ports import Store
from pipeline.records import BIN, DAY, EMOTIONS, HOUR, MINUTE, Bin, ScoredPost, TopicSummary
from pipeline.trends import share_interval

CONFUSION = Confusion(0.1, 0.5, 0.02, 0.06, 1e-5, 1e-5, 0.0)


def true_bins(posts: Sequence[ScoredPost], topic: str) -> list[Bin]:
    """DETECTOR's definition, by plain loops."""
    groups: dict[int, list[ScoredPost]] = defaultdict(list)
    for item in posts:
        if item.post.dated and topic in item.topics:
            groups[item.post.created_at // BIN * BIN].append(item)
    return [true_bin(topic, start, group) for start, group in sorted(groups.items())]


def true_bin(topic: str, start: int, group: list[ScoredPost]) -> Bin:
    known = [item for item in group if item.score]
    return Bin(
        topic,
        start,
        volume=sum(round(item.weight * 10_000) for item in group) / 10_000,
        n=sum(round(item.weight * 10_000) for item in known) / 10_000,
        n_raw=len(known),
        negative=sum(round(item.weight * 10_000) * round(item.score.p_negative * 10_000) for item in known if item.score) / 1e8,
        authors=len({item.post.author or item.id for item in group}),
        distinct_texts=len({" ".join(item.post.text.casefold().split()) for item in group}),
        intensity=sum(round(item.weight * 10_000) * round(item.score.intensity * 10_000) for item in known if item.score) / 1e8,
        models=tuple(sorted({item.score.model for item in known if item.score})),
    )


samples = st.builds(
    scored,
    number=st.integers(0, 12),
    created_at=st.integers(T0 - 40 * MINUTE, T0 + 40 * MINUTE),
    ingested_at=st.integers(T0, T0 + 1000),
    text=st.sampled_from(["Good tea", "good  TEA", "bad tea", "no tea at all"]),
    author=st.sampled_from([None, "aa", "bb"]),
    dated=st.booleans() | st.just(True),
    topics=st.sampled_from([("tea",), ("cups",), ("tea", "cups"), ()]),
    score=st.integers(0, 5).map(score) | st.integers(0, 5).map(lambda number: score(number, model="other@1")) | st.none(),
    weight=st.sampled_from([1.0, 1.0, 2.5, 0.3333]),
)


@PROPERTY
@given(st.lists(samples, unique_by=lambda item: item.id), st.integers(1, 5))
def test_bins_are_what_the_documents_say(new_store: Callable[[], Store], posts: list[ScoredPost], size: int) -> None:
    """However the posts came in batches, with refreshes between: bins equal the plain truth, and so do bins as of now."""
    with closing(new_store()) as store:
        store.add_topic("tea")
        for start in range(0, len(posts), size):
            store.write(posts[start : start + size])
            store.refresh()
        truth = true_bins(posts, "tea")
        assert truth == store.bins(["tea"], 0, FOREVER)
        assert truth == store.bins(["tea"], 0, FOREVER, as_of=store.latest()[1] or 0)


@PROPERTY
@given(st.lists(samples, unique_by=lambda item: item.id), st.integers(1, 5))
def test_figures_as_of_a_watermark_never_change(new_store: Callable[[], Store], posts: list[ScoredPost], size: int) -> None:
    """Bins at any watermark that `latest` gave can be recomputed exactly, whatever was stored since."""
    with closing(new_store()) as store:
        store.add_topic("tea")
        seen: list[tuple[int, list[Bin]]] = []
        for start in range(0, len(posts), size):
            store.write(posts[start : start + size])
            seen.append((store.latest()[1] or 0, store.bins(["tea"], 0, FOREVER)))
        for watermark, bins in seen:
            assert bins == store.bins(["tea"], 0, FOREVER, as_of=watermark)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[ScoredPost], list[ScoredPost]]:
    """Events of a few posts (each posted once; edited and deleted or not), and the same in another order with repetitions."""
    events: list[ScoredPost] = []
    for number in draw(st.sets(st.integers(0, 5), min_size=1)):
        post = replace(draw(samples), post=scored(number).post, topics=("tea",))
        arrivals = draw(st.lists(st.integers(T0 + 2, T0 + 60), unique=True, max_size=2))
        edits = [
            replace(post, post=replace(post.post, event="edit", text=f"edit {arrival}"), score=score(arrival), ingested_at=arrival)
            for arrival in sorted(arrivals)
        ]
        deletes = [replace(post, post=replace(post.post, event="delete"), ingested_at=T0 + 70)] if draw(st.booleans()) else []
        events += [post, *edits, *deletes]
    return events, draw(st.permutations(events + draw(st.lists(st.sampled_from(events)))))


@PROPERTY
@given(histories(), st.integers(1, 5))
def test_order_and_repetition_do_not_matter(
    new_store: Callable[[], Store], history: tuple[list[ScoredPost], list[ScoredPost]], size: int
) -> None:
    """The same events in any order, any number of times, in any batches give the same documents, bins and trends."""
    events, shuffled = history
    with closing(new_store()) as one, closing(new_store()) as other:
        one.write(events)
        for start in range(0, len(shuffled), size):
            other.write(shuffled[start : start + size])
        assert shown(one) == shown(other)


def shown(store: Store) -> tuple[object, ...]:
    """What a store says of `tea`; the documents without their arrival, which depends on the order."""
    store.add_topic("tea")
    found = store.get([f"net:{number}" for number in range(6)])
    documents = {key: replace(item, ingested_at=0) for key, item in found.items()}
    return documents, store.bins(["tea"], 0, FOREVER), store.trend("tea", BIN), store.trend("tea", DAY)


def test_trend_points_are_means_over_the_posts(store: Store) -> None:
    """Share with its interval, intensity, valence, arousal, emotions: sums over the scored posts of the bucket, undated ones too."""
    posts = [scored(1), scored(2, dated=False), scored(3, score=None), scored(4, created_at=T0 + HOUR)]
    store.write(posts)
    for every in (BIN, HOUR):
        first, second = store.trend("tea", every)
        known = [item.score for item in posts[:2] if item.score]
        assert (T0, 3.0, 2.0) == (first.start, first.volume, first.n)
        share = sum(one.p_negative for one in known) / 2
        assert (share, share_interval(share, 2.0)) == (pytest.approx(first.negative), (pytest.approx(first.low), pytest.approx(first.high)))
        assert sum(one.valence for one in known) / 2 == pytest.approx(first.valence)
        assert sum(one.arousal for one in known) / 2 == pytest.approx(first.arousal)
        assert sum(one.intensity for one in known) / 2 == pytest.approx(first.intensity)
        means = [sum(values) / 2 for values in zip(*(one.emotions for one in known), strict=True)]
        assert dict(zip(EMOTIONS, means, strict=True)) == pytest.approx(first.emotions)
        assert (T0 + HOUR, 1.0) == (second.start, second.n)


def test_a_bucket_without_scores_has_a_volume_and_no_share(store: Store) -> None:
    """A language that the model doesn't cover counts in the volume only."""
    store.write([scored(1, score=None)])
    point = store.trend("tea", HOUR)[0]
    assert (1.0, 0.0, None, None, None, None, {}) == (
        point.volume, point.n, point.negative, point.low, point.high, point.intensity, point.emotions,
    )  # fmt: skip


def test_weights_count_in_share_and_interval(store: Store) -> None:
    """A post of weight 3 counts three times in n; the interval is that of the effective number (Σw)²/Σw²."""
    store.write([scored(1, weight=3.0), scored(2)])
    point = store.trend("tea", HOUR)[0]
    negative = [getattr(scored(number).score, "p_negative", 0.0) for number in (1, 2)]
    share = (3 * negative[0] + negative[1]) / 4
    assert (4.0, pytest.approx(share)) == (point.n, point.negative)
    assert pytest.approx(share_interval(share, 16 / 10)) == (point.low, point.high)


def test_a_trend_point_has_the_share_corrected_by_what_its_model_confuses(store: Store) -> None:
    """The estimate is that of the bucket's mean and effective number of posts; without the model's constants there is none."""
    store.write([scored(1, weight=3.0), scored(2), scored(3, score=None), scored(4, created_at=T0 + DAY, score=score(4, model="other@1"))])
    assert [None, None] == [point.estimate for point in store.trend("tea", HOUR)]
    store.save_state(state_name("model@1"), to_state(CONFUSION))
    first, second = store.trend("tea", HOUR)
    expected = estimate(first.negative or 0.0, 16 / 10, CONFUSION)
    assert (expected, ("model@1",)) == ((first.estimate, first.estimate_low, first.estimate_high), first.models)
    assert (None, None, None, ("other@1",)) == (second.estimate, second.estimate_low, second.estimate_high, second.models)
    assert (CONFUSION, None) == (store.confusion("model@1"), store.confusion("other@1"))
    assert [None] == [topic.estimate for topic in store.topics()]


def test_posts_of_two_models_in_one_bucket_have_the_estimates_of_both(store: Store) -> None:
    """The band reaches from the lowest to the highest end of the two models'; so does that of the topic as a whole."""
    other = Confusion(0.2, 0.4, 0.02, 0.06, 1e-5, 1e-5, 0.0)
    store.write([scored(1), scored(2, created_at=T0 + BIN, score=score(4, model="other@1"))])
    store.save_state(state_name("model@1"), to_state(CONFUSION))
    store.save_state(state_name("other@1"), to_state(other))
    (point,) = store.trend("tea", HOUR)
    (topic,) = store.topics()
    expected = estimate_of_several(point.negative or 0.0, 2.0, [CONFUSION, other])
    assert (expected, ("model@1", "other@1")) == ((point.estimate, point.estimate_low, point.estimate_high), point.models)
    assert expected == (topic.estimate, topic.estimate_low, topic.estimate_high)
    assert [("model@1",), ("other@1",)] == [bucket.models for bucket in store.trend("tea", BIN)]


def test_trends_can_be_cut_and_have_any_bucket_of_whole_bins(store: Store) -> None:
    """Buckets count from 1970 in UTC; `since` and `until` are widened to whole hours; other buckets are an error."""
    store.write([scored(number, created_at=T0 + number * HOUR + 7 * MINUTE) for number in range(48)])
    assert [(T0, 24.0), (T0 + DAY, 24.0)] == [(point.start, point.volume) for point in store.trend("tea", DAY)]
    cut = store.trend("tea", HOUR, since=T0 + 90 * MINUTE, until=T0 + 3 * HOUR)
    assert [T0 + HOUR, T0 + 2 * HOUR] == [point.start for point in cut]
    assert [T0 + 30 * MINUTE * k for k in range(0, 96, 2)] == [point.start for point in store.trend("tea", 30 * MINUTE)]
    for every in (0, -BIN, BIN + 1):
        with pytest.raises(ValueError, match="5 minutes"):
            store.trend("tea", every)


def test_topics_show_the_totals_of_what_is_stored(store: Store) -> None:
    """All topics by name, also empty ones, with open incidents."""
    store.write([scored(1, topics=("tea", "cups")), scored(2, created_at=T0 + DAY), scored(3, created_at=T0 + HOUR, dated=False)])
    store.add_topic("zero")
    store.save(incident("a1"))
    store.save(incident("b2", state="closed"))
    cups, tea, zero = store.topics()
    share = sum(getattr(scored(number).score, "p_negative", 0.0) for number in (1, 2, 3)) / 3
    low, high = share_interval(share, 3.0)
    assert ("tea", 3, T0, T0 + DAY, 1) == (tea.topic, tea.posts, tea.first, tea.last, tea.open_incidents)
    assert (share, low, high) == (pytest.approx(tea.negative), pytest.approx(tea.low), pytest.approx(tea.high))
    assert ("cups", 1, 0) == (cups.topic, cups.posts, cups.open_incidents)
    assert TopicSummary("zero", 0, None, None, None, None, None, 0) == zero


def test_reads_see_what_was_written_without_a_refresh(store: Store) -> None:
    """Bins, trends and topics are never behind the documents, and `refresh` still reports the bins that changed."""
    store.write([scored(1)])
    assert (1, 1, 1) == (len(store.bins(["tea"], 0, FOREVER)), len(store.trend("tea", HOUR)), store.topics()[0].posts)
    assert [("tea", T0)] == store.refresh()


def test_refresh_names_the_bins_that_changed_once(store: Store) -> None:
    """Dated posts only; nothing new, nothing named."""
    store.write([scored(1), scored(2, created_at=T0 + BIN), scored(3, created_at=T0 + DAY, dated=False)])
    assert [("tea", T0), ("tea", T0 + BIN)] == store.refresh()
    assert [] == store.refresh()
    store.write([scored(1)])
    assert [] == store.refresh()


def test_a_restart_between_write_and_refresh_loses_nothing(reopen: Callable[[], Store]) -> None:
    """What is to be recomputed is as durable as the documents."""
    first = reopen()
    first.write([scored(1)])
    first.close()
    second = reopen()
    assert [("tea", T0)] == second.refresh()
    assert [1.0] == [one.volume for one in second.bins(["tea"], 0, FOREVER)]


def test_bins_are_ordered_by_start_then_topic_and_cut_by_start(store: Store) -> None:
    """since <= start < until, with or without as_of."""
    store.write([scored(number, created_at=T0 + number * BIN, topics=("tea", "cups")) for number in range(4)])
    expected = [(T0 + BIN, "cups"), (T0 + BIN, "tea"), (T0 + 2 * BIN, "cups"), (T0 + 2 * BIN, "tea")]
    for as_of in (None, FOREVER):
        bins = store.bins(["tea", "cups"], T0 + 1, T0 + 3 * BIN, as_of)
        assert expected == [(one.start, one.topic) for one in bins]


@PROPERTY
@given(st.lists(samples, unique_by=lambda item: item.id), st.sampled_from(["tea", "GOOD tea", "bad", "no tea at", "coffee", "?!", "té"]))
def test_mentions_are_the_posts_with_a_word_or_phrase(new_store: Callable[[], Store], posts: list[ScoredPost], term: str) -> None:
    """Per bin the weights of the dated posts of the topic with these words in a row; as of a watermark only those that had arrived."""
    words = term.casefold().replace("é", "e").split() if any(sign.isalnum() for sign in term) else None
    with closing(new_store()) as store:
        store.add_topic("tea")
        store.write(posts[:6])
        seen = store.latest()[1] or 0
        store.write(posts[6:])
        for arrived, as_of in ((posts[:6], seen), (posts, FOREVER)):
            truth: dict[int, int] = defaultdict(int)
            for item in arrived:
                found = f" {' '.join(item.post.text.casefold().split())} "
                if words and item.post.dated and "tea" in item.topics and f" {' '.join(words)} " in found:
                    truth[item.post.created_at // BIN * BIN] += round(item.weight * 10_000)
            assert {start: weight / 10_000 for start, weight in truth.items()} == store.mentions("tea", term, 0, FOREVER, as_of)


def test_mentions_of_an_erased_post_are_gone(store: Store) -> None:
    """A term is counted in the posts that are there; since <= start < until."""
    store.write([scored(number, created_at=T0 + number * BIN, text="bad tea") for number in range(4)])
    assert store.erase("net", "1", T0)
    assert {T0 + BIN * k: 1.0 for k in (0, 2)} == store.mentions("tea", "bad", T0, T0 + 3 * BIN, FOREVER)
