"""What every store promises of its documents: written once, edited, deleted, expired, kept (pipeline.ports.Store)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from contracts.store_samples import FOREVER, T0, Clock, event, ids, incident, message, score, scored

from pipeline.ports import Change, Store, Written
from pipeline.records import DAY, HOUR, MINUTE, Rejected


def test_a_stored_post_comes_back_as_it_was(store: Store) -> None:
    """Every field survives: a full post, an undated one, one without a score, one with text of all scripts."""
    full = scored(
        1, kind="review", parent_id="net:p", root_id="net:r", url="https://a.example/1", rating=1 / 3, reach=12, source="shop",
        topics=("tea", "cups, large"), weight=2.5,
    )  # fmt: skip
    full = replace(full, post=replace(full.post, topics=("tea",)))
    posts = [full, scored(2, dated=False), scored(3, score=None, lang=None, author=None), scored(4, text='茶 ☕ "é" \n\t\\ \u200d🙂')]
    assert Written(stored=4, updated=0, repeated=0, erased=0) == store.write(posts)
    assert {item.id: item for item in posts} == store.get([item.id for item in posts])


def test_posts_that_are_not_there_are_left_out(store: Store) -> None:
    """`get` answers for what it has."""
    store.write([scored(1)])
    assert ["net:1"] == list(store.get(["net:0", "net:1", "", "net:\udcff", "net:1\0"]))


def test_a_repeated_post_changes_nothing(store: Store) -> None:
    """A redelivery is counted as repeated, in the same batch or later, and the first arrival is kept."""
    store.write([scored(1, ingested_at=T0 + 5)])
    again = scored(1, ingested_at=T0 + 99, scored_at=T0 + 99, source="other")
    assert Written(stored=1, updated=0, repeated=2, erased=0) == store.write([again, scored(2), scored(2)])
    assert scored(1, ingested_at=T0 + 5) == store.get(["net:1"])["net:1"]


def test_an_edit_replaces_text_and_score_and_keeps_the_arrival(store: Store) -> None:
    """An edit is an update; search, document and bins follow it."""
    store.write([scored(1, text="bitter", ingested_at=T0 + 5)])
    edit = event(1, "edit", text="sweet", score=score(7), ingested_at=T0 + 50)
    assert Written(stored=0, updated=1, repeated=0, erased=0) == store.write([edit])
    assert replace(edit, ingested_at=T0 + 5) == store.get(["net:1"])["net:1"]
    assert ([], ["1"]) == (ids(store.search("bitter")), ids(store.search("sweet")))
    assert score(7).p_negative == pytest.approx(store.bins(["tea"], T0, T0 + HOUR)[0].negative)


def test_an_edit_may_move_a_post(store: Store) -> None:
    """An edit with another time or topic leaves the old bin and topic."""
    store.write([scored(1), scored(2)])
    store.write([event(1, "edit", created_at=T0 + HOUR, topics=("coffee",), text="moved")])
    assert [1.0] == [one.volume for one in store.bins(["tea"], 0, FOREVER)]
    assert [T0 + HOUR] == [one.start for one in store.bins(["coffee"], 0, FOREVER)]


def test_an_older_edit_or_post_changes_nothing(store: Store) -> None:
    """What arrived first doesn't overwrite what arrived later, whichever is delivered last."""
    late = event(1, "edit", text="second edit", ingested_at=T0 + 30)
    store.write([late])
    written = store.write([scored(1, ingested_at=T0 + 10), event(1, "edit", text="first edit", ingested_at=T0 + 20)])
    assert Written(stored=0, updated=0, repeated=2, erased=0) == written
    assert "second edit" == store.get(["net:1"])["net:1"].post.text


def test_another_model_scores_again(store: Store) -> None:
    """The same content with a later score of another model is updated; an earlier one isn't."""
    store.write([scored(1)])
    better = scored(1, score=score(9, "model@2"), scored_at=T0 + 10)
    assert 1 == store.write([better]).updated
    assert 1 == store.write([scored(1)]).repeated
    assert "model@2" == getattr(store.get(["net:1"])["net:1"].score, "model", None)
    assert ["rescored"] == [change.kind for change in store.changes("tea", 0, FOREVER, after=0)]


def test_the_same_post_under_another_topic_gets_both(store: Store) -> None:
    """Two sources may find one post for different topics; it is one document."""
    store.write([scored(1, topics=("tea",))])
    assert 1 == store.write([scored(1, topics=("cups",))]).updated
    assert ("tea", "cups") == store.get(["net:1"])["net:1"].topics
    assert (1, 1, 1) == (store.count("tea"), store.count("cups"), store.count())


def test_a_score_that_is_no_number_is_never_stored(store: Store) -> None:
    """NaN or a number out of range refuses the batch: the sums of its bin would be lost."""
    for wrong in (float("nan"), 1.5):
        with pytest.raises(ValueError, match=r"score is not in \[-1, 1\]"):
            store.write([scored(1), scored(2, score=replace(score(2), valence=wrong))])
    assert 0 == store.count()


def test_a_topic_given_twice_counts_once(store: Store) -> None:
    """A source and the matcher may name the same topic."""
    store.write([scored(1, topics=("tea", "tea"))])
    assert (1, 1.0) == (store.count("tea"), store.bins(["tea"], 0, FOREVER)[0].volume)


def test_a_post_without_topics_is_kept(store: Store) -> None:
    """It can be found and counted, and belongs to no topic."""
    store.write([scored(1, topics=())])
    assert (1, ["1"], [], T0) == (store.count(), ids(store.search("tea")), store.topics(), store.latest()[0])
    assert store.erase("net", "1", T0)


@pytest.mark.parametrize(
    "flaw",
    [{"text": "nul \0 inside"}, {"text": "half \ud800"}, {"created_at": -1}, {"created_at": 2**42}, {"weight": 0.0},
     {"weight": 10_001.0}, {"weight": float("nan")}, {"reach": 2**63}, {"post_id": "2\0"}],
)  # fmt: skip
def test_a_batch_with_a_post_that_no_store_can_hold_is_refused_as_a_whole(store: Store, flaw: dict[str, object]) -> None:
    """ValueError names the post, and nothing of its batch is stored."""
    with pytest.raises(ValueError, match="net:2"):
        store.write([scored(1), scored(2, **flaw)])
    assert 0 == store.count()


def test_a_delete_event_removes_the_post_for_good(store: Store) -> None:
    """The post is gone, and a redelivery of it or of an edit is refused."""
    store.write([scored(1), scored(2)])
    assert Written(stored=0, updated=0, repeated=1, erased=1) == store.write([event(1, "delete"), event(1, "delete")])
    written = store.write([scored(1), event(1, "edit", text="back again"), scored(2)])
    assert Written(stored=0, updated=0, repeated=1, erased=0, refused=2) == written
    assert ["2"] == ids(store.get(["net:1", "net:2"]).values())


def test_a_delete_that_comes_first_still_counts(store: Store) -> None:
    """Order doesn't matter: also within one batch."""
    assert Written(stored=0, updated=0, repeated=1, erased=0, refused=1) == store.write([event(1, "delete"), scored(1)])
    assert 0 == store.count()


def test_erase_removes_a_post_everywhere(store: Store) -> None:
    """Documents, lists, search, bins, trends and totals are as if it had never come; it doesn't come back."""
    store.write([scored(1, text="secret words"), scored(2)])
    store.refresh()
    assert store.erase("net", "1", T0 + DAY)
    assert not store.erase("net", "1", T0 + DAY)
    assert (1, {}, []) == (store.count(), store.get(["net:1"]), store.search("secret"))
    assert ["2"] == ids(store.posts("tea", 0, FOREVER, 10))
    assert [1.0] == [point.volume for point in store.trend("tea", HOUR)]
    assert [(T0, 1.0)] == [(one.start, one.volume) for one in store.bins(["tea"], 0, FOREVER)]
    assert 1 == store.topics()[0].posts
    assert 1 == store.write([scored(1, text="secret words")]).refused


@pytest.mark.parametrize("by", ["erase", "delete event"])
def test_what_is_erased_leaves_the_dead_letters_too(store: Store, by: str) -> None:
    """Letters keep records as they came, and one of them may be the last copy; letters of other posts stay."""
    mine = [b'{"platform":"net","post_id":"p1001","text":5}', b'p1001;"my street"', b'{"post_id":"p1001","text":']
    others = [b'{"platform":"other","post_id":"p1001"}', b'{"platform":"net","post_id":"p10012"}', b"p10012;x", b"\xff"]
    store.reject([Rejected("bad_type: no", raw, f"f:{number}", T0) for number, raw in enumerate([*mine, *others])])
    if by == "erase":
        store.erase("net", "p1001", T0)
    else:
        gone = scored(1)
        store.write([replace(gone, post=replace(gone.post, post_id="p1001", event="delete"))])
    assert set(others) == {letter.raw for letter in store.dead_letters()}


def test_erasing_what_is_not_there_keeps_it_away(store: Store) -> None:
    """False, and the post is refused when it comes later."""
    assert not store.erase("net", "1", T0)
    assert 1 == store.write([scored(1)]).refused


def test_the_last_post_of_a_bin_takes_the_bin_with_it(store: Store) -> None:
    """No empty bins or buckets stay behind; the topic does."""
    store.write([scored(1)])
    store.erase("net", "1", T0)
    assert ([], [], [("tea", 0)]) == (
        store.bins(["tea"], 0, FOREVER),
        store.trend("tea", HOUR),
        [(row.topic, row.posts) for row in store.topics()],
    )


def test_expiry_removes_documents_and_keeps_hours(store: Store, clock: Clock) -> None:
    """Old posts leave documents, search and totals; the hourly trend stays as it was."""
    store.write([scored(number, created_at=T0 + number * 20 * MINUTE) for number in range(9)])
    before = store.trend("tea", HOUR)
    clock.now = T0 + DAY
    assert 6 == store.expire(T0 + 2 * HOUR)
    assert before == store.trend("tea", HOUR)
    assert (3, 3, ["8", "7", "6"]) == (store.count(), store.topics()[0].posts, ids(store.search("cup")))
    assert [T0 + 2 * HOUR] == sorted({one.start - one.start % HOUR for one in store.bins(["tea"], 0, FOREVER)})
    assert 0 == store.expire(T0 + 2 * HOUR)


def test_expiry_is_by_whole_hours(store: Store) -> None:
    """An hour that isn't over at the horizon stays whole, so that its trend can still be recomputed."""
    store.write([scored(1, created_at=T0), scored(2, created_at=T0 + 50 * MINUTE)])
    assert 0 == store.expire(T0 + 30 * MINUTE)
    assert 2 == store.count()


def test_expired_posts_do_not_come_back(store: Store) -> None:
    """A replay of expired posts is refused and changes no trend."""
    store.write([scored(1), scored(2, created_at=T0 + HOUR)])
    store.expire(T0 + HOUR)
    before = store.trend("tea", HOUR)
    assert Written(stored=0, updated=0, repeated=1, erased=0, refused=1) == store.write([scored(1), scored(2, created_at=T0 + HOUR)])
    assert before == store.trend("tea", HOUR)


def test_a_later_write_arrives_above_the_watermark(store: Store) -> None:
    """`ingested_at` is moved up where a clock stood still or went back, so `as_of` keeps its meaning."""
    store.write([scored(1, ingested_at=T0 + 100)])
    assert (T0, T0 + 100) == store.latest()
    store.write([scored(2, ingested_at=T0 + 50), scored(3, ingested_at=T0 + 100), scored(4, ingested_at=T0 + 500)])
    found = store.get(["net:2", "net:3", "net:4"])
    assert [T0 + 101, T0 + 101, T0 + 500] == [item.ingested_at for item in found.values()]
    assert ["1"] == ids(store.posts("tea", 0, FOREVER, 10, as_of=T0 + 100))


def test_the_watermark_never_goes_back(store: Store) -> None:
    """Erasing the newest post doesn't lower it, and a change moves it on."""
    store.write([scored(1, ingested_at=T0 + 100)])
    store.erase("net", "1", T0)
    assert (None, T0 + 101) == store.latest()


def test_an_empty_store_has_no_latest(store: Store) -> None:
    """Two None, no topics, no posts."""
    assert ((None, None), [], 0) == (store.latest(), store.topics(), store.count())


def test_latest_is_of_dated_posts(store: Store) -> None:
    """A stand-in time doesn't move event time."""
    store.write([scored(1), scored(2, created_at=T0 + DAY, dated=False)])
    assert T0 == store.latest()[0]


def test_changes_say_what_is_no_longer_as_it_was(store: Store, clock: Clock) -> None:
    """Kind, event time and moment of what was edited, erased or expired, after a watermark and in a window; nothing of new posts."""
    store.write([scored(number, created_at=T0 + number * HOUR, ingested_at=T0) for number in range(4)])
    mark = store.latest()[1] or 0
    store.write([scored(9, created_at=T0, ingested_at=T0 + 5)])
    assert [] == store.changes("tea", 0, FOREVER, mark)
    store.write([event(1, "edit", created_at=T0 + HOUR, text="other", ingested_at=T0 + 10)])
    store.erase("net", "2", T0 + 20)
    clock.now = T0 + 30
    store.expire(T0 + HOUR)
    edited, erased, expired = store.changes("tea", 0, FOREVER, mark)
    assert ("edited", T0 + HOUR, 1) == (edited.kind, edited.created_at, edited.count)
    assert Change("erased", "tea", T0 + 2 * HOUR, T0 + 20, 1) == erased
    assert Change("expired", "tea", T0, T0 + 30, 2) == expired
    assert [erased] == store.changes("tea", T0 + 2 * HOUR, T0 + 3 * HOUR, mark)
    assert [] == store.changes("tea", 0, FOREVER, store.latest()[1] or 0)


def test_everything_survives_a_restart(reopen: Callable[[], Store]) -> None:
    """Documents, tombstones, figures, incidents, messages, letters, states, the watermark."""
    first = reopen()
    first.write([scored(1), scored(2), event(3, "delete")])
    first.save(incident(), [message()])
    first.reject([Rejected("bad: x", b"x", "f:1", T0)])
    first.save_state("s", b"1")
    seen = everything(first)
    first.close()
    first.close()
    second = reopen()
    assert seen == everything(second)
    assert 1 == second.write([scored(3)]).refused


def everything(store: Store) -> list[object]:
    """What a store shows."""
    return [
        store.topics(), store.trend("tea", HOUR), store.bins(["tea"], 0, FOREVER), store.latest(), store.count(), store.state("s"),
        store.posts("tea", 0, FOREVER, 9), store.search("tea"), store.incidents(), store.pending(T0), store.dead_letters(),
    ]  # fmt: skip
